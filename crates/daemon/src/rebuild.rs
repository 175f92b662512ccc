//! A new journal, from what the route files, the run directories and the releases say.
//!
//! What they do not say is gone: the history, which releases were once accepted (but the two that
//! `current` and `previous` name), and what was stopped.  What serves goes on meanwhile, and is
//! not touched.

use drivers::{Local, ground::Ground, layout::Layout};
use engine::port::journal::Journal;
use model::{
    deployment::{Change, Overrides, Request},
    failure::{Blame, Failure},
    id::{DeploymentId, Epoch, Generation, InstanceId, ReleaseId},
    instance::Instance,
    journal::{Event, Outcome, Record},
    name::EnvironmentId,
    plan::{Kind, PLAN_VERSION, Plan, ReleaseLabel, Step},
    release::Standing,
    routes::Routes,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use store::Store;

/// Lives of controllers that may have passed without leaving their epoch on disk; only the proxy
/// may still know it.
const LIVES_UNSEEN: u64 = 1000;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// By environment, how many instances the journal knows again.
    pub environments: Vec<(EnvironmentId, usize)>,
    /// Where the old journal lies now.
    pub aside: Vec<PathBuf>,
}

/// Makes it.  `new_id` names deployments, and `by` is who asks.
///
/// # Errors
///
/// Where a controller runs, a generation is on probation, or the disk does not take it.
pub async fn rebuild(
    root: &Path,
    by: &str,
    new_id: impl Fn() -> DeploymentId,
) -> Result<Rebuilt, Failure> {
    let ground = drivers::ground::look(&Layout::new(root))?;
    let local = drivers::onlooker(root.to_path_buf());
    let mut found = vec![];
    for environment in environments(&ground) {
        let instances = ground.instances.iter().filter(|it| it.environment == environment);
        let of = Environment::find(&local, &environment, instances.cloned().collect()).await?;
        found.push((environment, of));
    }
    let after = Epoch(ground.epoch + LIVES_UNSEEN);
    let now_ms = local.clock.now_ms();
    let (store, aside) = store::anew(root, &mark(now_ms), after)
        .map_err(|it| Failure::new(Blame::Platform, format!("begin a new journal: {it}")))?;
    let mut rebuilt = Rebuilt { aside, ..Rebuilt::default() };
    for (environment, of) in found {
        let highest = Generation(ground.generations.get(&environment).copied().unwrap_or(0));
        store.reserve_generations(&environment, highest, 1).await?;
        rebuilt.environments.push((environment.clone(), of.kept.len()));
        of.write(&store, &environment, new_id(), by, now_ms).await?;
    }
    Ok(rebuilt)
}

/// By it the old journal is told from the new one: `20261121_124107`, UTC.
fn mark(at_ms: u64) -> String {
    let ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y%m%d_%H%M%S").to_string()
}

fn environments(ground: &Ground) -> BTreeSet<EnvironmentId> {
    let running = ground.instances.iter().map(|it| it.environment.clone());
    ground.generations.keys().cloned().chain(running).collect()
}

/// What is known of one environment.
struct Environment {
    routes: Option<Routes>,
    current: Option<ReleaseLabel>,
    /// Shall run: what the routes name, and the other services of the same release.
    kept: Vec<Instance>,
    /// Run, and nobody needs them.
    left: Vec<Instance>,
    standings: Vec<(ReleaseId, String, Standing)>,
}

impl Environment {
    async fn find(
        local: &Local,
        environment: &EnvironmentId,
        instances: Vec<Instance>,
    ) -> Result<Environment, Failure> {
        use engine::port::releases::Releases;
        let in_force = local.router.in_force(environment).await?;
        if in_force.probation.is_some() {
            let message = format!("rebuild the journal: {environment} has routes on probation");
            let hint = "the proxy goes back by itself, within a minute or so: then try again";
            return Err(Failure::new(Blame::Request, message).hint(hint));
        }
        let (linked, previous) = local.releases.links(environment).await?;
        let label =
            |it: &Instance| ReleaseLabel { id: it.release.clone(), version: it.version.clone() };
        let routed: Vec<Instance> =
            in_force.routes.iter().flat_map(|it| it.instances()).cloned().collect();
        let worked = instances.iter().find(|it| Some(&it.version) == linked.as_ref());
        let current = routed.first().or(worked).map(label);
        let is_kept = |it: &Instance| {
            let works = !it.listens() && current.as_ref().is_some_and(|to| to.id == it.release);
            works || routed.iter().any(|mine| mine.id == it.id)
        };
        let (mut kept, left): (Vec<Instance>, Vec<Instance>) =
            instances.into_iter().partition(is_kept);
        // Routed, and its run directory is gone: it is started again by the next controller.
        kept.extend(
            routed
                .into_iter()
                .filter(|it| !kept.iter().any(|of| of.id == it.id))
                .collect::<Vec<_>>(),
        );
        let mut standings = vec![];
        // Oldest first: the one that is set last is the newest.
        for release in local.releases.list(environment).await?.into_iter().rev() {
            let accepted = previous.as_deref() == Some(release.version.as_str());
            let standing = if accepted { Standing::Accepted } else { Standing::Staged };
            standings.push((release.id, release.version, standing));
        }
        standings.sort_by_key(|it| it.2 == Standing::Accepted);
        if let Some(current) = &current {
            standings.retain(|it| it.0 != current.id);
            let version = current.version.clone();
            standings.push((current.id.clone(), version, Standing::Accepted));
        }
        Ok(Environment { routes: in_force.routes, current, kept, left, standings })
    }

    async fn write(
        self,
        journal: &Store,
        environment: &EnvironmentId,
        deployment: DeploymentId,
        by: &str,
        now_ms: u64,
    ) -> Result<(), Failure> {
        for (release, version, standing) in &self.standings {
            journal.set_standing(environment, release, version, *standing, now_ms).await?;
        }
        for instance in &self.left {
            journal.retire(instance, now_ms).await?;
        }
        let Some(current) = &self.current else { return Ok(()) };
        let request = Request {
            deployment: deployment.clone(),
            environment: environment.clone(),
            change: Change::Restart,
            by: by.to_owned(),
            reason: Some("the journal was made anew: these instances were found".to_owned()),
            overrides: Overrides::default(),
        };
        journal.begin(&request, now_ms).await?;
        let plan = self.plan(environment, &deployment, current);
        journal.planned(&plan, &[], now_ms).await?;
        for step in 0..plan.steps.len() {
            for event in [Event::Began { attempt: 1 }, Event::Done] {
                journal.record(&deployment, &Record::Step(step, event), now_ms).await?;
            }
        }
        journal.finish(&deployment, Outcome::Deployed, None, None, now_ms).await?;
        Ok(())
    }

    /// A plan that came to what there is.
    fn plan(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
        current: &ReleaseLabel,
    ) -> Plan {
        let start = |it: &Instance| Step::Start { instance: it.clone() };
        let mut steps: Vec<Step> = self.kept.iter().map(start).collect();
        if let Some(routes) = &self.routes {
            let (confirms, by) =
                (Generation(routes.generation.0.saturating_sub(1)), routes.clone());
            steps.push(Step::Confirm { confirms, by });
        }
        let commit = steps.len();
        let instances: Vec<InstanceId> = self.kept.iter().map(|it| it.id.clone()).collect();
        steps.push(Step::Keep { instances });
        Plan {
            version: PLAN_VERSION,
            deployment: deployment.clone(),
            environment: environment.clone(),
            kind: Kind::Restart,
            from: Some(current.clone()),
            to: Some(current.clone()),
            stays: [].into(),
            steps,
            commit,
        }
    }
}
