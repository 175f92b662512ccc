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

    /// The undo of one whose end no life of the controller came to hear: it is heard first.
    pub(super) async fn hear_migration(&self, run: &MigrateRun) -> Result<(), Failure> {
        match self.migrated(run).await {
            Err(NotMigrated { failure, unclear: true }) => Err(failure),
            _ => self.leave_migrated(run).await,
        }
    }

    /// The undo: what it made stays, since old code and data may rely on it by now.
    pub(super) async fn leave_migrated(&self, run: &MigrateRun) -> Result<(), Failure> {
        self.ports.migrator.settle(run, self.ports.journal.epoch()).await?;
        let release = self.release(&run.release).await?;
        let Some(migrated) = release.migrated.get(&run.service) else { return Ok(()) };
        let (service, version) = (&run.service, &run.version);
        self.note(format!("the database of {service} stays as {version} migrated it"));
        for file in &migrated.destructive {
            self.note(format!("warning: {file}: what serves now may need what that took away"));
        }
        Ok(())
    }

    async fn migrated(&self, run: &MigrateRun) -> Result<(), NotMigrated> {
        let (ports, environment) = (self.ports, &self.plan.environment);
        // What cannot be read was not begun by this; an earlier attempt is asked for all the same.
        let release = self.release(&run.release).await.map_err(NotMigrated::unclear)?;
        let note = self.noter();
        let epoch = ports.journal.epoch();
        let migrated = ports.migrator.migrate(environment, run, &release, epoch, &note).await?;
        let mut release = release;
        let before = release.migrated.get(&run.service);
        let migrated = migrated.after(before);
        release.migrated.insert(run.service.clone(), migrated);
        // It is done, whoever remembers what it brought.
        if let Err(failure) = ports.releases.record(&release).await {
            self.note(format!("warning: failed to {}", failure.message));
            return Err(NotMigrated::unclear(
                failure.hint("the database is migrated: deploy again, and it is recorded"),
            ));
        }
        Ok(())
    }
}
