//! Runs instances one by one: processes; later pm2, systemd, docker.

use async_trait::async_trait;
use model::{
    failure::Failure,
    id::{Epoch, InstanceId},
    instance::Instance,
    release::Release,
    role::QuietSignal,
};

/// Runs instances.
///
/// Contract: every call is idempotent by instance id.  `start` of what runs succeeds and starts
/// nothing; `stop` of what never ran succeeds.  The executor repeats calls after a crash, and
/// undoes steps that may have run in part or not at all.  A platform that does not answer is an
/// error, never "absent".  What it did not start it never touches.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Runs the instance with its release's command, without restarting it when it exits.  Done
    /// when the process exists, not when it is ready.  A port that somebody else holds is a failure
    /// that names the owner.
    async fn start(
        &self,
        instance: &Instance,
        release: &Release,
        epoch: Epoch,
    ) -> Result<(), Failure>;
    /// Asks it to end, waits its grace, ends all its descendants, and removes its traces but logs.
    async fn stop(&self, instance: &InstanceId, epoch: Epoch) -> Result<Stopped, Failure>;
    /// From now on restarts it when it exits, or not.
    async fn keep(&self, instance: &InstanceId, keep: bool, epoch: Epoch) -> Result<(), Failure>;
    /// Tells it to take no new job, and from now on leaves it when it exits.  What does not run is
    /// quiet already.
    async fn quiet(
        &self,
        instance: &InstanceId,
        signal: QuietSignal,
        epoch: Epoch,
    ) -> Result<(), Failure>;
    /// How it is now.
    async fn observe(&self, instance: &InstanceId) -> Result<Life, Failure>;
    /// Every instance that it ever started and did not remove.
    async fn list(&self) -> Result<Vec<(InstanceId, Life)>, Failure>;
    /// The last lines of its output, oldest first, terminal escapes removed.
    async fn last_lines(&self, instance: &InstanceId, lines: usize) -> Vec<String>;
    /// What of the release's users and limits cannot be enforced on this host, in words.
    fn unenforceable(&self, release: &Release) -> Vec<String>;
}

/// How an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Never started, or removed.
    Absent,
    /// Its process exists.
    Running(Running),
    /// Its process ended by itself, and is not restarted, or is waiting to be.
    Exited(Exited),
    /// It was stopped by us.
    Stopped,
}

/// An instance whose process exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process id.
    pub pid: u32,
    /// Unix time in ms.
    pub since_ms: u64,
    /// Times it was started again.
    pub restarts: u32,
    /// It said `READY=1`.
    pub notified: bool,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exited {
    /// `exit code 1`, `signal 9 (out of memory)`, `could not be executed: …`.
    pub how: String,
    /// Unix time in ms.
    pub at_ms: u64,
    /// Times it was started again.
    pub restarts: u32,
}

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The stop signal was not enough.
    pub killed: bool,
}
