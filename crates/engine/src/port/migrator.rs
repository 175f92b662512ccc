//! Brings databases to the state that a release needs.

use super::prober::Note;
use async_trait::async_trait;
use model::{
    failure::Failure,
    id::Epoch,
    migrate::{MigrateRun, Migrated},
    name::EnvironmentId,
    release::Release,
};

/// Migrates.
///
/// Contract: one of the same id is run once, whoever asks again, also after a crash of the
/// controller: what runs is waited for.  Where nobody saw how it ended, the tool's own word
/// decides.  Nothing is ever taken back by it.
#[async_trait]
pub trait Migrator: Send + Sync {
    /// Runs it to its end; `note` is told each line that it writes.
    async fn migrate(
        &self,
        environment: &EnvironmentId,
        run: &MigrateRun,
        release: &Release,
        epoch: Epoch,
        note: &Note,
    ) -> Result<Migrated, NotMigrated>;
    /// Waits until nothing of it runs any more; one that was never begun never will be by this.
    async fn settle(&self, run: &MigrateRun, epoch: Epoch) -> Result<(), Failure>;
}

/// Why it was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotMigrated {
    /// Whose move it is.
    pub failure: Failure,
    /// Nobody can say in which state the database is.
    pub unclear: bool,
}

impl NotMigrated {
    /// The database is as it was.
    pub fn untouched(failure: Failure) -> NotMigrated {
        NotMigrated { failure, unclear: false }
    }

    /// Somebody has to look at the database.
    pub fn unclear(failure: Failure) -> NotMigrated {
        NotMigrated { failure, unclear: true }
    }
}
