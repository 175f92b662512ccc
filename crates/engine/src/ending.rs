//! What is said and written when a deployment ends.

use crate::{
    execute::{Ended, aborted},
    manifest,
    port::{
        Ports,
        router::{Counters, InForce},
    },
};
use model::{
    deployment::{DeploymentRecord, News, Served, Traffic},
    failure::{Blame, Failure},
    hook,
    id::{InstanceId, ReleaseId},
    instance::Instance,
    journal::Outcome,
    plan::{Kind, Plan, ReleaseLabel, Step},
    release::Standing,
    roster::Roster,
};
use std::collections::BTreeMap;

/// Deployments whose instances' ports may still be leased.
const HISTORY_MAX: usize = 20;

/// What the router had counted when a deployment began.
pub(crate) type Before = Option<BTreeMap<ReleaseId, Counters>>;

/// Says how the releases stand, frees ports, ends the deployment in the journal, tells who watches.
pub(crate) async fn end(
    ports: &Ports,
    plan: &Plan,
    ended: Ended,
    by: Option<String>,
    before: Before,
) -> Result<Outcome, Failure> {
    let Ended { outcome, failure } = ended;
    let failure = match failure {
        None if outcome != Outcome::Deployed => first_failure(ports, plan, by).await,
        failure => failure,
    };
    for (label, standing) in standings(plan, outcome, failure.as_ref()) {
        let (environment, now_ms) = (&plan.environment, ports.clock.now_ms());
        let journal = &ports.journal;
        journal.set_standing(environment, &label.id, &label.version, standing, now_ms).await?;
    }
    if matches!(outcome, Outcome::Deployed | Outcome::DeployedUntidy) {
        forget_restored(ports, plan).await?;
    }
    let traffic = traffic(ports, plan, before).await;
    if outcome != Outcome::NeedsAttention {
        free_ports(ports, plan).await?;
    }
    run_hooks(ports, plan, outcome).await;
    let (id, now_ms) = (&plan.deployment, ports.clock.now_ms());
    let sequence =
        ports.journal.finish(id, outcome, failure.as_ref(), traffic.clone(), now_ms).await?;
    // What is in it is in the journal, too: where it cannot be written the deployment still ended.
    if let Err(failure) = manifest::write(ports, &plan.environment).await {
        tracing::warn!(deployment = %id, "failed to {}", failure.message);
    }
    if outcome != Outcome::NeedsAttention {
        let _ = ports.releases.discard_upload(&plan.environment, id).await;
    }
    let serving = serving(ports, plan, outcome).await;
    let warm = warm(ports, plan).await;
    let news = News::Ended { outcome, failure, traffic, serving, warm };
    ports.observer.tell(id, sequence, news);
    Ok(outcome)
}

/// What later releases did to a database that was brought back from a backup before them is gone.
async fn forget_restored(ports: &Ports, plan: &Plan) -> Result<(), Failure> {
    let restores = plan.steps.iter().any(|it| matches!(it, Step::Restore { .. }));
    let Some(to) = plan.to.as_ref().filter(|_| restores) else { return Ok(()) };
    let kept = ports.releases.list(&plan.environment).await?;
    let Some(since_ms) = kept.iter().find(|it| it.id == to.id).map(|it| it.created_at_ms) else {
        return Ok(());
    };
    for mut release in kept.into_iter().filter(|it| it.created_at_ms > since_ms) {
        let mut changed = false;
        for migrated in release.migrated.values_mut().filter(|it| !it.restored) {
            (migrated.restored, changed) = (true, true);
        }
        if changed {
            ports.releases.record(&release).await?;
        }
    }
    Ok(())
}

/// Runs the hooks of the outcome, which they cannot change: one that fails is told.
async fn run_hooks(ports: &Ports, plan: &Plan, outcome: Outcome) {
    let word = match outcome {
        Outcome::Deployed | Outcome::DeployedUntidy if plan.kind == Kind::Rollback => "rolled_back",
        Outcome::Deployed | Outcome::DeployedUntidy => "deployed",
        Outcome::RolledBack => "rolled_back",
        Outcome::Refused | Outcome::Aborted | Outcome::NeedsAttention => "failed",
    };
    let Some(to) = &plan.to else { return };
    let Ok(release) = ports.releases.read(&plan.environment, &to.id).await else { return };
    let (observer, deployment) = (ports.observer.clone(), plan.deployment.clone());
    let note = move |text| observer.tell(&deployment, 0, News::Note { text });
    for hook in hook::at_the_end(plan, &release, word) {
        let epoch = ports.journal.epoch();
        let run = ports.hooks.run(&plan.environment, &hook, &release, epoch, &note).await;
        if let Err(failure) = run {
            tracing::warn!(deployment = %plan.deployment, "failed to {}", failure.message);
            note(format!("warning: failed to {}; the outcome stays", failure.message));
        }
    }
}

/// The oldest failure that any life of the controller journaled.
async fn first_failure(ports: &Ports, plan: &Plan, by: Option<String>) -> Option<Failure> {
    let record = ports.journal.deployment(&plan.deployment).await.ok().flatten();
    let earlier = record.and_then(|it: DeploymentRecord| {
        let mut failed: Vec<_> = it.steps.into_iter().filter(|it| it.failure.is_some()).collect();
        failed.sort_by_key(|it| it.ended_at_ms);
        it.failure.or_else(|| failed.into_iter().next()?.failure)
    });
    earlier.or_else(|| Some(aborted(by.as_deref().unwrap_or("somebody"))))
}

/// How the releases stand after it; the last is the one that changed last.
fn standings(
    plan: &Plan,
    outcome: Outcome,
    failure: Option<&Failure>,
) -> Vec<(ReleaseLabel, Standing)> {
    let Some(to) = &plan.to else { return vec![] };
    let same = plan.from.as_ref().is_some_and(|from| from.id == to.id);
    let brings = matches!(plan.kind, Kind::Initial | Kind::Update | Kind::Rollback);
    let mut all = vec![];
    match outcome {
        Outcome::Deployed | Outcome::DeployedUntidy => {
            // A release's id begins with the time it was made: going forward again by `rollback`
            // says nothing against the one that is left.
            let left = plan.from.iter().filter(|it| plan.kind == Kind::Rollback && it.id > to.id);
            all.extend(left.map(|it| (it.clone(), Standing::Refused)));
            all.extend(brings.then(|| (to.clone(), Standing::Accepted)));
        }
        Outcome::Aborted | Outcome::RolledBack if brings && !same => {
            let its_own = failure.is_some_and(|it| it.blame == Blame::Release);
            all.extend(its_own.then(|| (to.clone(), Standing::Refused)));
        }
        _ => {}
    }
    all
}

/// What the router counted since: of all releases, and how long the new one took.
async fn traffic(ports: &Ports, plan: &Plan, before: Before) -> Option<Traffic> {
    let (before, now) = (before?, ports.router.counters(&plan.environment).await.ok()?);
    let mut traffic = Traffic::default();
    for (release, now) in &now {
        let mut then = before.get(release).copied().unwrap_or_default();
        // A router that was started anew counts from nothing.
        if then.completed > now.completed {
            then = Counters::default();
        }
        let since = |now: u64, then: u64| now.saturating_sub(then);
        let aborted = since(now.aborted, then.aborted);
        let requests = since(now.completed, then.completed) + aborted;
        let failed = since(now.server_errors, then.server_errors) + aborted;
        traffic.requests += requests;
        traffic.failed += failed;
        if let Some(version) = plan.version_of(release).filter(|_| requests > 0) {
            let version = version.to_owned();
            traffic.served.push(Served { version, requests, failed });
        }
        traffic.held += since(now.held, then.held);
    }
    let new = plan.to.as_ref().and_then(|to| now.get(&to.id));
    traffic.p99_us = new.map_or(0, |it| it.p99_us);
    Some(traffic)
}

/// The ports of instances that are gone: those of the plan, and of earlier ones that got stuck.
async fn free_ports(ports: &Ports, plan: &Plan) -> Result<(), Failure> {
    let named = ports.router.named_on_disk().await?;
    let lives = ports.runtime.list().await?;
    let retired = ports.journal.retired().await?;
    let history = ports.journal.history(&plan.environment, HISTORY_MAX).await?;
    let known = Roster::new(&history).known.into_iter().map(|it| it.id);
    let is_gone = |id: &InstanceId| {
        !named.contains(id)
            && !lives.iter().any(|(it, _)| it == id)
            && !retired.iter().any(|(it, _)| it.id == *id)
    };
    let gone: Vec<InstanceId> = known.filter(is_gone).collect();
    if gone.is_empty() { Ok(()) } else { ports.journal.free_ports(&gone).await }
}

/// The release that routes in force lead to; of several the newest, which left services to the
/// others.
pub(crate) fn routed(in_force: &InForce) -> Option<ReleaseLabel> {
    if in_force.answers_nothing() {
        return None;
    }
    let routed = in_force.routes.as_ref()?.instances();
    // A release's id begins with the time it was made.
    let newest = routed.into_iter().max_by(|a, b| a.release.cmp(&b.release))?;
    Some(ReleaseLabel { id: newest.release.clone(), version: newest.version.clone() })
}

/// What the router says it serves, never what was hoped.
async fn serving(ports: &Ports, plan: &Plan, outcome: Outcome) -> Option<ReleaseLabel> {
    let in_force = ports.router.in_force(&plan.environment).await.ok()?;
    if in_force.answers_nothing() {
        return None;
    }
    let leads_to = |it: &&ReleaseLabel| {
        let routes = in_force.routes.iter().flat_map(|it| it.instances());
        routes.into_iter().any(|one| one.release == it.id)
    };
    let stays = |one: &Instance| plan.stays.values().any(|it| it.id == one.release);
    let explained = |to: &&ReleaseLabel| {
        let routes = in_force.routes.iter().flat_map(|it| it.instances());
        routes.into_iter().all(|one| one.release == to.id || stays(one))
    };
    let deployed = matches!(outcome, Outcome::Deployed | Outcome::DeployedUntidy);
    // What it brought may have no routes at all.
    if let Some(to) = plan.to.as_ref().filter(|_| deployed && !plan.stays.is_empty())
        && explained(&to)
    {
        return Some(to.clone());
    }
    if let Some(label) = plan.to.iter().chain(&plan.from).find(leads_to) {
        return Some(label.clone());
    }
    if let Some(label) = routed(&in_force) {
        return Some(label);
    }
    // Where nothing is routed, what works is what the plan brought, or else what it found.
    let works =
        plan.steps.iter().any(|it| matches!(it, Step::Keep { instances } if !instances.is_empty()));
    let label = match outcome {
        Outcome::Deployed | Outcome::DeployedUntidy => plan.to.clone(),
        Outcome::Refused | Outcome::Aborted | Outcome::RolledBack => plan.from.clone(),
        Outcome::NeedsAttention => None,
    };
    label.filter(|_| works && in_force.probation.is_none())
}

async fn warm(ports: &Ports, plan: &Plan) -> Vec<(InstanceId, u64)> {
    let retired = ports.journal.retired().await.unwrap_or_default();
    let mine = retired.into_iter().filter(|(it, _)| it.environment == plan.environment);
    mine.map(|(it, until_ms)| (it.id, until_ms)).collect()
}
