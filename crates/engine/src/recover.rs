//! What a new life of the controller does before anything else.

use crate::{
    deploy::Engine,
    observe::{Sight, environment_of},
    port::{Ports, runtime::Life},
};
use model::{
    deployment::{DeploymentRecord, Stage},
    failure::Failure,
    id::{DeploymentId, ReleaseId},
    instance::Instance,
    journal::Status,
    name::EnvironmentId,
    plan::{Plan, Step},
};
use std::collections::BTreeSet;

/// Tries to start what should run, before its environment's deployment goes on.
const BRING_BACK_TRIES: u32 = 3;

impl Engine {
    /// Starts what the generations in force name, and returns the deployments to go on with.
    ///
    /// What a probation tries is left to the router: only what it would fall back to is started.
    /// Where something cannot be started the others are, and the log says why.
    ///
    /// # Errors
    ///
    /// Where the journal or the runtime cannot be asked.
    pub async fn recover(&self) -> Result<Vec<DeploymentId>, Failure> {
        let unfinished = self.ports.journal.unfinished().await?;
        for environment in self.environments(&unfinished).await? {
            let record = unfinished.iter().find(|it| it.environment == environment);
            if let Err(failure) = self.recover_environment(&environment, record).await {
                tracing::error!(%environment, "recovery failed to {}", failure.message);
            }
        }
        let active = unfinished.into_iter().filter(|it| !matches!(it.stage, Stage::Ended(_)));
        Ok(active.map(|it| it.id).collect())
    }

    /// Every environment that anybody knows of.
    pub(crate) async fn environments(
        &self,
        unfinished: &[DeploymentRecord],
    ) -> Result<BTreeSet<EnvironmentId>, Failure> {
        let mut all: BTreeSet<EnvironmentId> =
            unfinished.iter().map(|it| it.environment.clone()).collect();
        let lives = self.ports.runtime.list().await?;
        all.extend(lives.iter().filter_map(|(id, _)| environment_of(id)));
        let retired = self.ports.journal.retired().await?;
        all.extend(retired.into_iter().map(|(it, _)| it.environment));
        let named = self.ports.router.named_on_disk().await?;
        all.extend(named.iter().filter_map(environment_of));
        Ok(all)
    }

    async fn recover_environment(
        &self,
        environment: &EnvironmentId,
        unfinished: Option<&DeploymentRecord>,
    ) -> Result<(), Failure> {
        let sight = Sight::of(&self.ports, environment).await?;
        self.ensure_router(environment, &sight, unfinished).await?;
        for instance in to_run(&sight, unfinished) {
            self.bring_back_at_last(&instance, sight.life(&instance.id)).await;
        }
        Ok(())
    }

    /// A machine that just booted may need a moment.
    async fn bring_back_at_last(&self, instance: &Instance, life: &Life) {
        for tried in 1..=BRING_BACK_TRIES {
            let Err(failure) = bring_back(&self.ports, instance, life).await else { return };
            tracing::error!(instance = %instance.id, tried, "failed to {}", failure.message);
        }
    }

    async fn ensure_router(
        &self,
        environment: &EnvironmentId,
        sight: &Sight,
        unfinished: Option<&DeploymentRecord>,
    ) -> Result<(), Failure> {
        let routes = sight.in_force.routes.as_ref();
        let routed = routes.and_then(|it| it.instances().first().map(|it| it.release.clone()));
        let current = sight.roster.current.as_ref().map(|it| it.id.clone());
        // A first deployment that was begun has nothing else to say where to listen.
        let wanted =
            unfinished.and_then(|it| it.plan.as_ref()?.to.as_ref()).map(|it| it.id.clone());
        let Some(id) = routed.or(current).or(wanted) else { return Ok(()) };
        let release = self.ports.releases.read(environment, &id).await?;
        self.ports.router.ensure(&release.spec.listen).await
    }
}

/// What must run whatever an unfinished deployment comes to.
pub(crate) fn to_run(sight: &Sight, unfinished: Option<&DeploymentRecord>) -> Vec<Instance> {
    let plan = unfinished.and_then(|it| it.plan.as_ref());
    let mut all = match plan {
        // The router may go back at any time, and waits for as long as it cannot.
        Some(plan) if sight.in_force.probation.is_some() => {
            let workers = sight.roster.workers.iter();
            let workers = workers.filter_map(|it| sight.roster.instance(it)).cloned();
            way_back(plan).into_iter().chain(workers).collect()
        }
        _ if sight.in_force.probation.is_some() => vec![],
        _ => sight.active(),
    };
    if let Some(record) = unfinished {
        all.retain(|it| !gives_way(record, it));
    }
    // What neither listens nor has work to do is no process: the router serves its files.
    all.retain(|it| it.listens() || sight.roster.workers.contains(&it.id));
    all
}

/// Whether the deployment stopped it, or is about to, so that its successor can start; or told it
/// to take no new job, which a start would take back.
fn gives_way(record: &DeploymentRecord, instance: &Instance) -> bool {
    let Some(plan) = &record.plan else { return false };
    let steps = plan.steps[..plan.commit].iter().zip(&record.steps);
    let mut stops = steps.filter(|(step, _)| match step {
        Step::Stop { instance: it, .. } => it.id == instance.id,
        Step::Quiet { instances, .. } => instances.iter().any(|it| it.id == instance.id),
        _ => false,
    });
    stops.any(|(_, it)| !matches!(it.status, Status::Pending | Status::Undone))
}

/// What the undo of a plan's switch would route to.
fn way_back(plan: &Plan) -> Vec<Instance> {
    let back = plan.steps.iter().find_map(|it| match it {
        Step::Switch { back, .. } => Some(*back),
        _ => None,
    });
    let staged = plan.steps.iter().flat_map(|it| match it {
        Step::StageRoutes { staged } => staged.as_slice(),
        _ => &[],
    });
    let mut routes = staged.map(|it| &it.routes).filter(|it| it.hold.is_none());
    let routes = routes.find(|it| Some(it.generation) == back);
    routes.map(|it| it.instances().into_iter().cloned().collect()).unwrap_or_default()
}

/// Makes an instance run that should, and restart when it exits.
pub(crate) async fn bring_back(
    ports: &Ports,
    instance: &Instance,
    life: &Life,
) -> Result<(), Failure> {
    let epoch = ports.journal.epoch();
    match life {
        // By us, and on purpose: a stop is on its way.
        Life::Running(_) | Life::Stopped => return Ok(()),
        // Its own supervisor starts it again, if there still is one.
        Life::Exited(_) if ports.runtime.keep(&instance.id, true, epoch).await.is_ok() => {
            return Ok(());
        }
        Life::Exited(_) | Life::Absent => {}
    }
    let release: &ReleaseId = &instance.release;
    let release = ports.releases.read(&instance.environment, release).await?;
    tracing::warn!(instance = %instance.id, "starting what should run and does not");
    ports.runtime.start(instance, &release, epoch).await?;
    ports.runtime.keep(&instance.id, true, epoch).await
}
