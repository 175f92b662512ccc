//! What the engine asks for.

use super::{DirectoryBackups, Wanted, lock::lock};
use crate::{blocking::blocking, file};
use async_trait::async_trait;
use engine::port::{backups::Backups, prober::Note};
use model::{
    backup::{BackupName, BackupRun, Part, retention},
    failure::Failure,
    id::DeploymentId,
    name::EnvironmentId,
    plan::ReleaseLabel,
    release::Release,
};
use std::{
    sync::{PoisonError, atomic::Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

#[async_trait]
impl Backups for DirectoryBackups {
    async fn name(&self, environment: &EnvironmentId, now_ms: u64) -> Result<BackupName, Failure> {
        self.free_name(environment, now_ms)
    }

    async fn made_between(
        &self,
        environment: &EnvironmentId,
        left: &ReleaseLabel,
        to: &ReleaseLabel,
    ) -> Result<Option<BackupName>, Failure> {
        let all = self.list(environment)?;
        let found = retention::to_restore(&all, &left.id, &to.id);
        Ok(found.map(|it| it.name.clone()))
    }

    async fn create(
        &self,
        _: &EnvironmentId,
        deployment: &DeploymentId,
        run: &BackupRun,
        by: &Release,
        note: &Note,
    ) -> Result<(), Failure> {
        let (backups, deployment, run, by) =
            (self.clone(), deployment.clone(), run.clone(), by.clone());
        let (told, notes) = tokio::sync::mpsc::unbounded_channel::<String>();
        let made = blocking(move || {
            let wanted = Wanted {
                name: &run.name,
                by: &by,
                serving: run.serving.clone(),
                deployment: Some(&deployment),
                before: run.before.clone(),
                note: None,
                pinned: false,
                as_it_is: false,
            };
            // Nobody listens any more where it was given up.
            let note = move |text: String| drop(told.send(text));
            backups.make(&wanted, &note).map(|_| ())
        });
        heard(made, notes, note).await
    }

    async fn abandon(&self, environment: &EnvironmentId, run: &BackupRun) -> Result<(), Failure> {
        let place = self.layout.backup(environment, &run.name);
        if let Some(making) = self.making.lock().unwrap_or_else(PoisonError::into_inner).get(&place)
        {
            making.store(true, Ordering::Relaxed);
        }
        let (backups, environment, run) = (self.clone(), environment.clone(), run.clone());
        blocking(move || {
            // Until the other has ended.
            let _lock = lock(&backups.layout, &environment)?;
            let unfinished = backups.layout.unfinished_backup(&environment, &run.name);
            let removed = file::remove_tree(&unfinished);
            removed.map_err(|error| file::failure("remove", &unfinished, &error))
        })
        .await
    }

    async fn restore(
        &self,
        _: &EnvironmentId,
        backup: &BackupName,
        by: &Release,
        note: &Note,
    ) -> Result<(), Failure> {
        let (backups, backup, by) = (self.clone(), backup.clone(), by.clone());
        let (told, notes) = tokio::sync::mpsc::unbounded_channel::<String>();
        let restored = blocking(move || {
            let note = move |text: String| drop(told.send(text));
            let only = [Part::Databases, Part::Files];
            backups.put_back(&backup, &by, &only, None, &note).map(|_| ())
        });
        heard(restored, notes, note).await
    }

    async fn prune(&self, environment: &EnvironmentId, by: &Release) -> Result<(), Failure> {
        let Some(spec) = by.spec.backup.clone() else { return Ok(()) };
        let (backups, environment) = (self.clone(), environment.clone());
        blocking(move || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            backups.thin_out(&environment, &spec, now_ms, false).map(|_| ())
        })
        .await
    }
}

/// Passes on what is told while the work goes on.
async fn heard(
    work: impl Future<Output = Result<(), Failure>>,
    mut notes: tokio::sync::mpsc::UnboundedReceiver<String>,
    note: &Note,
) -> Result<(), Failure> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            told = notes.recv() => match told {
                Some(told) => note(told),
                None => return work.await,
            },
            done = &mut work => {
                while let Ok(told) = notes.try_recv() {
                    note(told);
                }
                return done;
            }
        }
    }
}
