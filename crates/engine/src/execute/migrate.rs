//! Migrations: the one step whose outcome may be unknown to everybody.

use super::Execution;
use crate::port::migrator::NotMigrated;
use model::{failure::Failure, journal::Event, migrate::MigrateRun};

impl Execution<'_> {
    /// What came of it.  It does not hear an abort: half of a migration is worse than either end.
    pub(super) async fn migrate(&self, run: &MigrateRun) -> Event {
        match self.migrated(run).await {
            Ok(()) => Event::Done,
            Err(NotMigrated { failure, unclear: true }) => Event::Unclear(failure),
            Err(NotMigrated { failure, unclear: false }) => Event::Failed(failure),
        }
    }

    async fn migrated(&self, run: &MigrateRun) -> Result<(), NotMigrated> {
        let (ports, environment) = (self.ports, &self.plan.environment);
        let mut release = self.release(&run.release).await?;
        let note = self.noter();
        let epoch = ports.journal.epoch();
        let migrated = ports.migrator.migrate(environment, run, &release, epoch, &note).await?;
        release.migrated.insert(run.service.clone(), migrated);
        let recorded: Result<(), Failure> = ports.releases.record(&release).await;
        Ok(recorded?)
    }
}
