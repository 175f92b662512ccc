//! Watches the new release under its traffic, while it is on probation.

use super::{
    LocalProber, Notes,
    explain::{LINES_SHOWN, stopped, with_lines},
};
use engine::port::runtime::{Life, Runtime};
use model::{
    failure::{Blame, Failure},
    id::{Generation, InstanceId},
    name::EnvironmentId,
    service::Millis,
};
use proxy::control::{EnvironmentStatus, Status};
use std::time::{Duration, Instant};

/// How often instances are looked at.
const INSTANCE_INTERVAL: Duration = Duration::from_millis(40);
/// How often the proxy is asked.
const ROUTE_INTERVAL: Duration = Duration::from_millis(250);

impl LocalProber {
    /// Returns when one of them has ended, or was started again.
    pub(super) async fn first_end_of(&self, instances: &[InstanceId]) -> Failure {
        let mut pids: Vec<Option<u32>> = vec![None; instances.len()];
        loop {
            for (instance, known) in instances.iter().zip(&mut pids) {
                match self.runtime.observe(instance).await {
                    Ok(Life::Running(running)) => {
                        let before = known.replace(running.pid);
                        if before.is_some_and(|it| it != running.pid) {
                            return self.started_again(instance).await;
                        }
                    }
                    Ok(Life::Exited(exited)) => return self.exited(instance, &exited).await,
                    Ok(Life::Absent | Life::Stopped) => return stopped(instance),
                    Err(failure) => return failure,
                }
            }
            tokio::time::sleep(INSTANCE_INTERVAL).await;
        }
    }

    /// What the proxy turned back from, told by the instance that ended, if one did: that
    /// is why requests failed.
    pub(super) async fn explained_by_ends(
        &self,
        instances: &[InstanceId],
        failure: Failure,
    ) -> Failure {
        for instance in instances {
            if let Ok(Life::Exited(exited)) = self.runtime.observe(instance).await {
                let mut ended = self.exited(instance, &exited).await;
                ended.evidence.insert(0, failure.message);
                return ended;
            }
        }
        failure
    }

    async fn started_again(&self, instance: &InstanceId) -> Failure {
        let message = format!("keep {instance} running: it ended, and was started again");
        let lines = self.runtime.last_lines(instance, LINES_SHOWN).await;
        with_lines(Failure::new(Blame::Release, message), instance, &lines)
    }

    /// Gives the nonce of the start of the proxy under which it was watched long enough.
    pub(super) async fn watch_route(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        for_at_least: Millis,
        notes: &Notes<'_>,
    ) -> Result<String, Failure> {
        // What a probation says is left, against what it had: so a resumed bake goes on.
        let file = self.router.read_generation(environment, generation).ok();
        let expires_ms = file.and_then(|it| it.probation).map(|it| it.expires_ms);
        let wanted = for_at_least.duration();
        let mut nonce = String::new();
        let mut since = Instant::now();
        loop {
            let status = self.router.status().await?.ok_or_else(gone)?;
            let known = in_force(&status, environment, generation)?;
            if status.nonce != nonce {
                since = Instant::now();
                nonce.clone_from(&status.nonce);
            }
            let by_probation = known
                .probation
                .as_ref()
                .zip(expires_ms)
                .map_or(0, |(it, whole)| whole.saturating_sub(it.expires_in_ms));
            let watched = Duration::from_millis(by_probation).max(since.elapsed());
            if watched >= wanted {
                notes.now(format!("{} in {:.1} s", traffic(known), watched.as_secs_f64()));
                return Ok(nonce);
            }
            notes.sometimes(|| {
                format!("{} ({} of {} s)", traffic(known), watched.as_secs(), wanted.as_secs())
            });
            let left = wanted.saturating_sub(watched).max(Duration::from_millis(1));
            tokio::time::sleep(left.min(ROUTE_INTERVAL)).await;
        }
    }
}

/// What the proxy says of the environment, if the generation is still in force.
fn in_force<'a>(
    status: &'a Status,
    environment: &EnvironmentId,
    generation: Generation,
) -> Result<&'a EnvironmentStatus, Failure> {
    let known = status.environments.get(&environment.stem()).ok_or_else(|| {
        Failure::new(Blame::Platform, format!("watch {environment}: the proxy does not know it"))
    })?;
    if known.generation == generation.0 {
        return Ok(known);
    }
    let doing = format!("keep {environment} on the new release");
    match known.fell_back.as_ref().filter(|it| it.generation == generation.0) {
        Some(left) => {
            let message = format!("{doing}: the proxy went back to the old: {}", left.reason);
            Err(Failure::new(Blame::Release, message).evidence(left.reason.clone()))
        }
        None => {
            let now = known.generation;
            let message = format!("{doing}: generation {now} is in force instead of {generation}");
            Err(Failure::new(Blame::Platform, message))
        }
    }
}

/// Too little is said to be too little, never taken for healthy.
fn traffic(known: &EnvironmentStatus) -> String {
    match &known.probation {
        Some(probation) if probation.requests == 0 => "undecided: 0 requests".to_owned(),
        Some(probation) => {
            format!("{} requests, {} failed", probation.requests, probation.failures)
        }
        None => "not on probation".to_owned(),
    }
}

fn gone() -> Failure {
    Failure::new(Blame::Platform, "watch the new release: the proxy is not running")
        .hint("see proxy/proxy.log in the state directory")
}
