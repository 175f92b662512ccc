//! Builds releases' content on the host.

use super::prober::Note;
use async_trait::async_trait;
use model::{build::BuildRun, failure::Failure, id::Epoch, name::EnvironmentId, release::Release};

/// Builds.
///
/// Contract: each command is run once, whoever asks again, also after a crash of the controller:
/// what runs is waited for, and what ended is not begun again.  What it comes to is in the
/// release's record when it is done, and only then.  Nothing of a build outlives it.
#[async_trait]
pub trait Builder: Send + Sync {
    /// Runs the commands to their end, and sums up what they made; `note` is told each line that
    /// they write.  Any other end than exit code 0 is a failure.
    async fn build(
        &self,
        environment: &EnvironmentId,
        build: &BuildRun,
        release: &Release,
        epoch: Epoch,
        note: &Note,
    ) -> Result<(), Failure>;
    /// Ends what runs of it, and removes what was built in part; what was built whole stays, for
    /// the next try.
    async fn undo(
        &self,
        environment: &EnvironmentId,
        build: &BuildRun,
        epoch: Epoch,
    ) -> Result<(), Failure>;
}
