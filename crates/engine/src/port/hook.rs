//! Runs the owner's programs beside the steps of a deployment.

use super::prober::Note;
use async_trait::async_trait;
use model::{failure::Failure, hook::HookRun, id::Epoch, name::EnvironmentId, release::Release};

/// Runs hooks.
///
/// Contract: one of the same id is run once, whoever asks again, also after a crash of the
/// controller: what runs is waited for, and what ended is not begun again.  It runs as its service
/// does, in the release's directory, without a shell of ours, and ends at its time limit.
#[async_trait]
pub trait HookRunner: Send + Sync {
    /// Runs it to its end; `note` is told each line that it writes.  Any other end than exit code
    /// 0 is a failure.
    async fn run(
        &self,
        environment: &EnvironmentId,
        hook: &HookRun,
        release: &Release,
        epoch: Epoch,
        note: &Note,
    ) -> Result<(), Failure>;
    /// Ends it, with all that it started; one that ended, or never was, needs nothing.
    async fn stop(&self, hook: &HookRun, epoch: Epoch) -> Result<(), Failure>;
}
