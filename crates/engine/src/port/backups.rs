//! Makes, keeps and restores backups.

use super::prober::Note;
use async_trait::async_trait;
use model::{
    backup::{BackupName, BackupRun},
    failure::Failure,
    id::DeploymentId,
    name::EnvironmentId,
    plan::ReleaseLabel,
    release::Release,
};

/// Keeps backups under `projects/PROJECT/ENVIRONMENT/backups/`.
///
/// Contract: a backup's directory appears whole, by one rename, after it is on disk and was read
/// back.  Every call may be repeated.  Nothing is restored of a backup that is not what it was.
#[async_trait]
pub trait Backups: Send + Sync {
    /// A name that no backup of the environment has, for one that is begun now.
    async fn name(&self, environment: &EnvironmentId, now_ms: u64) -> Result<BackupName, Failure>;
    /// The backup that was made when `left` took over from `to`, if it is kept.
    async fn made_between(
        &self,
        environment: &EnvironmentId,
        left: &ReleaseLabel,
        to: &ReleaseLabel,
    ) -> Result<Option<BackupName>, Failure>;
    /// Makes it, by the configuration of the release, whose variables lead to the databases.  Where
    /// this deployment made it already, it is done.
    async fn create(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
        run: &BackupRun,
        by: &Release,
        note: &Note,
    ) -> Result<(), Failure>;
    /// Ends the making of it, if it goes on, and removes what is unfinished of it; one that is
    /// whole stays.
    async fn abandon(&self, environment: &EnvironmentId, run: &BackupRun) -> Result<(), Failure>;
    /// Puts the databases and files that it holds in place of those that are.
    async fn restore(
        &self,
        environment: &EnvironmentId,
        backup: &BackupName,
        by: &Release,
        note: &Note,
    ) -> Result<(), Failure>;
    /// Removes backups beyond what the release's configuration keeps; never one that is needed.
    async fn prune(&self, environment: &EnvironmentId, by: &Release) -> Result<(), Failure>;
}
