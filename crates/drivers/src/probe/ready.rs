//! From a process that runs to an instance that may get traffic.

use super::{LocalProber, Notes, way};
use crate::clock::unix_ms;
use engine::port::runtime::{Life, Runtime};
use model::{
    failure::{Blame, Failure},
    instance::Instance,
    plan::ReadyCheck,
    release::Release,
    service::{ALIVE, HealthSpec, Millis, Readiness},
};
use std::time::{Duration, Instant};
use supervise::port::Belongs;
use tokio::time::timeout;

/// At first it is asked so often …
const ASK_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// … and at last so seldom.
const ASK_INTERVAL_MAX: Duration = Duration::from_millis(500);
/// In between after this part of the time that has passed: so much later it is seen to be ready.
const ASK_PART: u32 = 20;
/// A process table that is read while it changes may show our own as a stranger's: so often in a
/// row it is true.
const STRANGER_SIGHTS: u32 = 3;
const CONNECT_WAIT: Duration = Duration::from_secs(1);

impl LocalProber {
    pub(super) async fn until_ready(
        &self,
        instance: &Instance,
        release: &Release,
        check: &ReadyCheck,
        notes: &Notes<'_>,
    ) -> Result<(), Failure> {
        self.until_it_says_so(instance, check, notes).await?;
        match &check.health {
            Some(health) => self.until_healthy(instance, release, health, notes).await,
            None => Ok(()),
        }
    }

    async fn until_it_says_so(
        &self,
        instance: &Instance,
        check: &ReadyCheck,
        notes: &Notes<'_>,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut strangers = 0;
        loop {
            let Some(missing) = self.what_is_missing(instance, &check.readiness).await? else {
                return Ok(());
            };
            strangers = if let Missing::Ours { .. } = missing { strangers + 1 } else { 0 };
            if strangers >= STRANGER_SIGHTS {
                return Err(self.stranger(instance, &missing).await);
            }
            if begun.elapsed() >= check.start_timeout.duration() {
                return Err(self.overdue(instance, check, &missing).await);
            }
            notes.sometimes(|| {
                format!("{}: {} ({} s)", instance.id, missing.text(), begun.elapsed().as_secs())
            });
            let interval = begun.elapsed() / ASK_PART;
            tokio::time::sleep(interval.clamp(ASK_INTERVAL_MIN, ASK_INTERVAL_MAX)).await;
        }
    }

    /// What is not so yet; none: it is ready.
    async fn what_is_missing(
        &self,
        instance: &Instance,
        readiness: &Readiness,
    ) -> Result<Option<Missing>, Failure> {
        let life = self.runtime.observe(&instance.id).await?;
        let Life::Running(running) = life else { return Ok(Some(Missing::Process)) };
        let lived = Millis(unix_ms().saturating_sub(running.since_ms));
        match readiness {
            Readiness::Notify if !running.notified => return Ok(Some(Missing::Notification)),
            Readiness::Running if lived < ALIVE => return Ok(Some(Missing::Life(ALIVE))),
            Readiness::Alive(least) if lived < *least => return Ok(Some(Missing::Life(*least))),
            Readiness::Log(pattern) if !self.has_said(instance, pattern).await? => {
                return Ok(Some(Missing::Line(pattern.clone())));
            }
            _ => {}
        }
        let Some(address) = self.layout().address(instance) else { return Ok(None) };
        // Nothing is ever sent to an address before its listener is known to be the instance's.
        match self.listener(instance).await? {
            Belongs::Yes => {}
            Belongs::NobodyListens => return Ok(Some(Missing::Listener { address })),
            Belongs::No { pid, name } => return Ok(Some(Missing::Ours { address, pid, name })),
        }
        match timeout(CONNECT_WAIT, way::to(&address)).await {
            Ok(Ok(_)) => Ok(None),
            _ => Ok(Some(Missing::Listener { address })),
        }
    }

    async fn stranger(&self, instance: &Instance, missing: &Missing) -> Failure {
        let message = format!("reach {}: {}", instance.id, missing.text());
        let failure = Failure::new(Blame::Platform, message)
            .hint("deploy again: another port is chosen; or end that process");
        self.explained(instance, failure).await
    }

    async fn overdue(&self, instance: &Instance, check: &ReadyCheck, missing: &Missing) -> Failure {
        let message = format!(
            "see {} ready within {} s: {}",
            instance.id,
            check.start_timeout.duration().as_secs_f64(),
            missing.text()
        );
        let failure = Failure::new(Blame::Release, message);
        let failure = match missing {
            Missing::Listener { .. } => failure.hint(self.why_nobody_listens(instance).await),
            Missing::Notification => failure.hint(
                "make it send `READY=1` to the socket named by NOTIFY_SOCKET, or use \
                 `readiness: port`",
            ),
            Missing::Line(_) => failure
                .hint("make it write such a line when it is ready, or use another `readiness`"),
            Missing::Process | Missing::Life(_) | Missing::Ours { .. } => failure,
        };
        self.explained(instance, failure).await
    }

    /// So many passes in a row, before so many askings failed.
    async fn until_healthy(
        &self,
        instance: &Instance,
        release: &Release,
        health: &HealthSpec,
        notes: &Notes<'_>,
    ) -> Result<(), Failure> {
        let wanted = health.successes.max(1);
        let mut passes = 0;
        let mut failures = 0;
        loop {
            match self.ask_once(instance, release, health).await {
                Ok(()) => {
                    passes += 1;
                    if passes >= wanted {
                        return Ok(());
                    }
                    notes.sometimes(|| format!("{}: healthy {passes} of {wanted}", instance.id));
                }
                Err(failure) => {
                    passes = 0;
                    failures += 1;
                    if failures >= health.tries.max(1) {
                        let message = format!("{} ({failures} askings failed)", failure.message);
                        let failure = Failure { message, ..failure };
                        return Err(self.explained(instance, failure).await);
                    }
                    let tries = health.tries;
                    let text = format!(
                        "{}: failed to {} (asking {failures} of {tries})",
                        instance.id, failure.message
                    );
                    notes.now(text);
                }
            }
            pause(health.interval.duration(), notes, &instance.id.0).await;
        }
    }
}

async fn pause(time: Duration, notes: &Notes<'_>, instance: &str) {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(super::NOTE_INTERVAL)).await;
        notes.sometimes(|| format!("{instance}: waiting to be asked again"));
    }
}

/// What keeps an instance from being ready.
enum Missing {
    Process,
    Notification,
    Life(Millis),
    Line(String),
    Listener { address: String },
    Ours { address: String, pid: u32, name: String },
}

impl Missing {
    fn text(&self) -> String {
        match self {
            Missing::Process => "its process does not run yet".to_owned(),
            Missing::Notification => "it has not said READY=1 yet".to_owned(),
            Missing::Life(least) => {
                format!("it has not lived {} s yet", least.duration().as_secs_f64())
            }
            Missing::Line(pattern) => format!("it has written no line like `{pattern}` yet"),
            Missing::Listener { address } => format!("nobody accepts on {address} yet"),
            Missing::Ours { address, pid, name } => {
                format!("{address} is held by {name} (pid {pid}), which is not the instance")
            }
        }
    }
}
