//! Backing up, and bringing data back.

use super::Execution;
use model::{
    backup::{BackupName, BackupRun},
    failure::Failure,
    id::ReleaseId,
};

impl Execution<'_> {
    pub(super) async fn back_up(&self, run: &BackupRun) -> Result<(), Failure> {
        let by = self.release(&run.by).await?;
        let (plan, note) = (self.plan, self.noter());
        let work = self.ports.backups.create(&plan.environment, &plan.deployment, run, &by, &note);
        self.noted(&format!("Backing up as {}", run.name), work).await
    }

    pub(super) async fn restore(&self, backup: &BackupName, by: &ReleaseId) -> Result<(), Failure> {
        let by = self.release(by).await?;
        let note = self.noter();
        let work = self.ports.backups.restore(&self.plan.environment, backup, &by, &note);
        self.noted(&format!("Restoring {backup}"), work).await
    }
}
