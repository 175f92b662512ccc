//! Runs one-off processes: beside instances, and apart from them, so that nothing that counts,
//! drains or replaces instances ever sees one.

use async_trait::async_trait;
use model::{
    failure::Failure,
    id::{Epoch, InstanceId},
    one_off::{Life, OneOff},
    release::Release,
};

/// Runs one-off processes.
///
/// Contract: every call is idempotent by id.  What is begun is on disk before anything runs, so
/// that it is found again after a crash of the controller, and outlives it.  One is run at most
/// once: where it ended it is not begun again.
#[async_trait]
pub trait OneOffRunner: Send + Sync {
    /// Runs it, as its service in its release is run.  Done when the process exists, or when it is
    /// known that it cannot.
    async fn begin(&self, one_off: &OneOff, release: &Release, epoch: Epoch)
    -> Result<(), Failure>;
    /// How it is; none: it never was, or is forgotten.
    async fn look(&self, id: &InstanceId) -> Result<Option<Seen>, Failure>;
    /// All that are not forgotten, oldest first.
    async fn list(&self) -> Result<Vec<Seen>, Failure>;
    /// Sends a signal to it and what it has started; one that ended needs none.
    async fn signal(&self, id: &InstanceId, signal: i32, epoch: Epoch) -> Result<(), Failure>;
    /// Asks it to end, waits its grace, ends all its descendants; how it ended is kept.
    async fn stop(&self, id: &InstanceId, epoch: Epoch) -> Result<(), Failure>;
    /// Stops it, and removes its traces, output included.
    async fn forget(&self, id: &InstanceId, epoch: Epoch) -> Result<(), Failure>;
}

/// One as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What was asked for.
    pub one_off: OneOff,
    /// How it is.
    pub life: Life,
    /// Something of ours still watches over it.
    pub held: bool,
}
