//! Migrations by hand: no deployment goes on beside one, and what it did is kept in the record of
//! the release whose code did it.

use crate::controller::Controller;
use engine::port::{one_off::Seen, releases::Releases};
use model::{
    failure::{Blame, Failure},
    name::EnvironmentId,
    one_off::{Life, OneOff},
};

impl Controller {
    /// The migration that somebody runs by hand in the environment, if any does.  What ended is
    /// kept first.  To be asked in the environment's turn.
    ///
    /// # Errors
    ///
    /// Where processes cannot be listed, or what one did cannot be kept.
    pub async fn migrating(&self, environment: &EnvironmentId) -> Result<Option<OneOff>, Failure> {
        let mut goes_on = None;
        for seen in self.local.one_offs.list().await? {
            let one_off = &seen.one_off;
            if one_off.environment != *environment || one_off.migration.is_none() {
                continue;
            }
            match seen.life {
                Life::Ended(_) => self.keep_of_migration(&seen).await?,
                Life::Begun | Life::Running { .. } => goes_on = Some(seen.one_off),
            }
        }
        Ok(goes_on)
    }

    /// Keeps what a migration by hand did, in the record of its release.  Again is harmless.
    ///
    /// # Errors
    ///
    /// Where the record cannot be read or written.
    pub async fn settle_migration(&self, seen: &Seen) -> Result<(), Failure> {
        if seen.one_off.migration.is_none() || !matches!(seen.life, Life::Ended(_)) {
            return Ok(());
        }
        let _turn = self.gates.turn(&seen.one_off.environment).await;
        self.keep_of_migration(seen).await
    }

    /// As [`Controller::settle_migration`], of all that ended.
    ///
    /// # Errors
    ///
    /// Where they cannot be listed, or a record cannot be written.
    pub async fn settle_migrations(&self) -> Result<(), Failure> {
        for seen in self.local.one_offs.list().await? {
            self.settle_migration(&seen).await?;
        }
        Ok(())
    }

    async fn keep_of_migration(&self, seen: &Seen) -> Result<(), Failure> {
        let (one_off, Life::Ended(ended)) = (&seen.one_off, &seen.life) else { return Ok(()) };
        let Some(done) = one_off.migration else { return Ok(()) };
        let kept = self.local.releases.list(&one_off.environment).await?;
        // With the release its record is gone, and what it says stands in nobody's way.
        let Some(mut release) = kept.into_iter().find(|it| it.id == one_off.release) else {
            return Ok(());
        };
        let migrated = release.migrated.entry(one_off.service.clone()).or_default();
        if migrated.settle(&one_off.id, done, ended) {
            self.local.releases.record(&release).await?;
            tracing::info!(one_off = %one_off.id, ?done, "kept in the release's record");
        }
        Ok(())
    }
}

/// Why nothing else is begun beside it.
pub fn in_the_way(migration: &OneOff) -> Failure {
    let OneOff { environment, service, id, by, .. } = migration;
    let message =
        format!("take the lock of {environment}: {by} migrates the database of {service} by hand");
    Failure::new(Blame::Request, message)
        .hint(format!("`cutover run --attach {id}` shows it"))
        .hint("try again when it has ended; `--wait` waits for it")
}
