//! Watches the new release under its traffic, while it is on probation.

use super::{
    LocalProber, Notes,
    explain::{LINES_SHOWN, stopped, with_lines},
};
use engine::port::{
    prober::Baked,
    runtime::{Life, Runtime},
};
use model::{
    bake::{
        BakeRule, Evidence, HOLD_MAX, OnUndecided, REQUESTS_MIN, SAMPLES_MIN, Times, Verdict,
        judge, told,
    },
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

    /// Ends when it was watched long enough under one start of the proxy, and is decided.
    pub(super) async fn watch_route(
        &self,
        mut watch: Watch<'_>,
        notes: &Notes<'_>,
    ) -> Result<Baked, Failure> {
        // What a probation says is left, against what it had: so a resumed bake goes on.
        let file = self.router.read_generation(watch.environment, watch.generation).ok();
        let expires_ms = file.and_then(|it| it.probation).map(|it| it.expires_ms);
        let wanted = watch.for_at_least.duration();
        loop {
            let status = self.router.status().await?.ok_or_else(gone)?;
            let known = in_force(&status, watch.environment, watch.generation)?;
            watch.look(&status.nonce, known);
            let by_probation = known
                .probation
                .as_ref()
                .zip(expires_ms)
                .map_or(0, |(it, whole)| whole.saturating_sub(it.expires_in_ms));
            let watched = Duration::from_millis(by_probation).max(watch.since.elapsed());
            if watched >= wanted
                && let Some(decided) = watch.decided(watched - wanted)
            {
                return decided;
            }
            notes.sometimes(|| {
                format!("{} ({} of {} s)", traffic(known), watched.as_secs(), wanted.as_secs())
            });
            let left = wanted.saturating_sub(watched).max(Duration::from_millis(1));
            let pause = if watched >= wanted { ROUTE_INTERVAL } else { left.min(ROUTE_INTERVAL) };
            tokio::time::sleep(pause).await;
        }
    }
}

/// What is watched, and what was seen of it.
pub(super) struct Watch<'w> {
    environment: &'w EnvironmentId,
    generation: Generation,
    for_at_least: Millis,
    rule: &'w BakeRule,
    /// Of the start of the proxy that is watched.
    nonce: String,
    since: Instant,
    seen: Evidence,
    /// At half of the time: what came before was a cold start.
    at_half: Option<(Times, Times)>,
    beside: Times,
    before: Times,
}

impl<'w> Watch<'w> {
    pub(super) fn new(
        environment: &'w EnvironmentId,
        generation: Generation,
        for_at_least: Millis,
        rule: &'w BakeRule,
    ) -> Watch<'w> {
        Watch {
            environment,
            generation,
            for_at_least,
            rule,
            nonce: String::new(),
            since: Instant::now(),
            seen: Evidence::default(),
            at_half: None,
            beside: Times::default(),
            before: Times::default(),
        }
    }

    fn look(&mut self, nonce: &str, known: &EnvironmentStatus) {
        if self.nonce != nonce {
            self.since = Instant::now();
            nonce.clone_into(&mut self.nonce);
            self.at_half = None;
        }
        let Some(probation) = &known.probation else { return };
        self.seen.requests = probation.requests;
        self.seen.failures = probation.failures;
        self.seen.new = Times(probation.times.clone());
        self.beside = Times(probation.beside.clone());
        self.before = Times(probation.before.clone());
        let half = self.since.elapsed() >= self.for_at_least.duration() / 2;
        if half && self.at_half.is_none() {
            self.at_half = Some((self.seen.new.clone(), self.beside.clone()));
        }
    }

    /// By the second half, when caches are warm, where that is enough; and against what the old
    /// does at the same time, where it has enough to do.
    fn evidence(&self) -> Evidence {
        let (new_half, old_half) = self.at_half.clone().unwrap_or_default();
        let enough = |it: &Times| it.count() >= SAMPLES_MIN;
        let late = self.seen.new.since(&new_half);
        let new = if enough(&late) { late } else { self.seen.new.clone() };
        let beside = self.beside.since(&old_half);
        let mut candidates = [beside, self.beside.clone()].into_iter();
        let old = candidates.find(enough).unwrap_or_else(|| self.before.clone());
        Evidence { requests: self.seen.requests, failures: self.seen.failures, new, old }
    }

    /// What comes of it, once it was watched long enough; none: it is watched on.
    fn decided(&self, longer: Duration) -> Option<Result<Baked, Failure>> {
        let holds = self.rule.on_undecided == OnUndecided::Hold;
        let enough = self.seen.requests >= REQUESTS_MIN;
        let lasts = holds && longer < HOLD_MAX.duration();
        if !enough && lasts {
            return None;
        }
        let evidence = self.evidence();
        let verdict = judge(self.rule, &evidence);
        let said = told(&verdict, self.rule, &evidence);
        let keep = || format!("keep {} on the new release: it is {said}", self.environment);
        let baked = |verdict| Ok(Baked { nonce: self.nonce.clone(), verdict });
        Some(match (verdict, self.rule.on_undecided) {
            (Verdict::Slower(_), _) => Err(Failure::new(Blame::Release, keep())
                .hint("`bake: { slower_by: … }` says how much later its answers may be")),
            (Verdict::Undecided, OnUndecided::Rollback | OnUndecided::Hold) => {
                Err(Failure::new(Blame::Request, keep())
                    .hint("deploy when there is traffic, watch longer, or `on_undecided: confirm`"))
            }
            (Verdict::Undecided, OnUndecided::Confirm) => {
                baked(format!("{said}; it stays all the same"))
            }
            (Verdict::Good, _) => baked(said),
        })
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
        Some(probation) => {
            let undecided = if probation.requests < REQUESTS_MIN { "undecided: " } else { "" };
            format!("{undecided}{} requests, {} failed", probation.requests, probation.failures)
        }
        None => "not on probation".to_owned(),
    }
}

fn gone() -> Failure {
    Failure::new(Blame::Platform, "watch the new release: the proxy is not running")
        .hint("see proxy/proxy.log in the state directory")
}
