//! What the controller does unasked: recovery, then keeping alive and reaping, each in turn.

use crate::{abandoned, controller::Controller, saved};
use engine::{port::journal::Journal, schedule::Schedules};
use model::failure::Failure;
use std::time::Duration;
use tokio::sync::watch;

/// How often what should run is looked at; a `supervise` that died is replaced within it.
const EVERY: Duration = Duration::from_millis(500);

/// How often what PM2 wrote is looked at.
const LINES_EVERY: Duration = Duration::from_millis(200);

/// How often the host's journal is read, which takes a program.
const JOURNAL_EVERY: Duration = Duration::from_secs(1);

/// Passes between two tries to make the journal's reserve whole again: once a minute.
const TOP_UP_PASSES: u32 = 120;

/// Passes between two looks for uploads that no deployment followed: ten minutes.
const ABANDONED_PASSES: u32 = 1200;

/// The pass by which who waited at an earlier controller has asked this one: after six seconds.
const FIRST_DISCARD_PASS: u32 = 12;

/// Runs for as long as the daemon does.
pub async fn run(controller: Controller, recovered: watch::Sender<bool>) {
    match controller.engine.recover().await {
        Ok(unfinished) => {
            recovered.send_replace(true);
            tokio::spawn(run_jobs(controller.clone()));
            tokio::spawn(take_lines(controller.clone()));
            tokio::spawn(take_lines_of_journal(controller.clone()));
            for deployment in unfinished {
                go_on(&controller, deployment);
            }
        }
        // Nothing is touched where the journal cannot be read; the traffic goes on.
        Err(failure) => {
            tracing::error!("recovery failed to {}", failure.message);
            return;
        }
    }
    let mut last = String::new();
    for number in 1_u32.. {
        tokio::time::sleep(EVERY).await;
        if number.is_multiple_of(TOP_UP_PASSES)
            && let Err(failure) = controller.store.top_up().await
        {
            tracing::warn!("the reserve failed to {}", failure.message);
        }
        if number == FIRST_DISCARD_PASS {
            // What came to an earlier life is known to none that asks now.
            discard_abandoned(&controller, controller.started_at_ms).await;
        }
        if number.is_multiple_of(ABANDONED_PASSES) {
            let patience_ms = u64::try_from(abandoned::PATIENCE.as_millis()).unwrap_or(u64::MAX);
            let now_ms = controller.local.clock.now_ms();
            discard_abandoned(&controller, now_ms.saturating_sub(patience_ms)).await;
        }
        let passed = pass(&controller).await;
        let now = passed.err().map(|it| it.message).unwrap_or_default();
        if now != last && !now.is_empty() {
            tracing::warn!("keeping alive failed to {now}");
        }
        last = now;
    }
}

async fn discard_abandoned(controller: &Controller, before_ms: u64) {
    if let Err(failure) = saved::expire(controller).await {
        tracing::warn!("what is kept for too long stays: failed to {}", failure.message);
    }
    if let Err(failure) = abandoned::discard(controller, before_ms).await {
        tracing::warn!("uploads that nobody needs stay: failed to {}", failure.message);
    }
}

fn go_on(controller: &Controller, deployment: model::id::DeploymentId) {
    let engine = controller.engine.clone();
    tokio::spawn(async move {
        match engine.resume(&deployment).await {
            Ok(outcome) => tracing::info!(%deployment, ?outcome, "ended"),
            Err(failure) => tracing::error!(%deployment, "failed to {}", failure.message),
        }
    });
}

/// Takes over what PM2 writes of its instances, for as long as the daemon runs.
async fn take_lines(controller: Controller) {
    let mut last = String::new();
    loop {
        let pm2 = controller.local.pm2.clone();
        let taken = tokio::task::spawn_blocking(move || pm2.take_lines()).await;
        let now = taken.ok().and_then(Result::err).map(|it| it.message).unwrap_or_default();
        if now != last && !now.is_empty() {
            tracing::warn!("lines of PM2: failed to {now}");
        }
        last = now;
        tokio::time::sleep(LINES_EVERY).await;
    }
}

/// The same of what instances in systemd wrote.
async fn take_lines_of_journal(controller: Controller) {
    let mut last = String::new();
    loop {
        let systemd = controller.local.systemd.clone();
        let taken = tokio::task::spawn_blocking(move || systemd.take_lines()).await;
        let now = taken.ok().and_then(Result::err).map(|it| it.message).unwrap_or_default();
        if now != last && !now.is_empty() {
            tracing::warn!("lines of the host's journal: failed to {now}");
        }
        last = now;
        tokio::time::sleep(JOURNAL_EVERY).await;
    }
}

/// Begins jobs that are due, for as long as the daemon runs.
pub async fn run_jobs(controller: Controller) {
    let schedules = Schedules {
        engine: controller.engine.clone(),
        runner: controller.local.one_offs.clone(),
        book: controller.store.clone(),
    };
    let mut last = String::new();
    loop {
        let tended = schedules.tend().await;
        let now = tended.err().map(|it| it.message).unwrap_or_default();
        if now != last && !now.is_empty() {
            tracing::warn!("jobs: failed to {now}");
        }
        last = now;
        tokio::time::sleep(EVERY).await;
    }
}

async fn pass(controller: &Controller) -> Result<(), Failure> {
    for request in controller.engine.keep_alive().await? {
        // Whoever keeps the lock by hand is at work there, and decides.
        if controller.store.marks(&request.environment).await?.lock.is_some() {
            continue;
        }
        // Nor does it go back beside a migration by hand: it is asked again.
        if controller.migrating(&request.environment).await?.is_some() {
            continue;
        }
        tracing::warn!(environment = %request.environment, "rolling back by itself");
        if let Err(refusal) = controller.take(request).await {
            return Err(refusal.into_failure());
        }
    }
    controller.engine.reap().await
}
