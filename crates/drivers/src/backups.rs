//! Backups under `projects/PROJECT/ENVIRONMENT/backups/`.

mod bounds;
mod configuration;
mod create;
mod database;
pub mod drill;
mod files;
mod lock;
mod metadata;
mod open;
mod path;
mod port;
mod restore;
mod retain;
mod seal;
mod second_place;
mod tail;
mod tools;
pub mod verify;

use crate::{file, layout::Layout};
use bounds::Bounds;
pub use database::Table;
use drill::Drilled;
use lock::lock;
use model::{
    backup::{BackupName, BackupSpec, Part, SecondPlace, metadata::Metadata, retention::Keeping},
    failure::{Blame, Failure},
    id::{DeploymentId, ReleaseId},
    name::EnvironmentId,
    plan::ReleaseLabel,
    release::Release,
    service::EnvironmentSpec,
};
use open::Keys;
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};
use verify::Verified;

/// Directories in which something is worked on begin so, and go on with the process's number.
const WORK_PREFIX: &str = ".work-";
/// Names that are tried, a second apart, until one is free.
const NAMES_MAX: u64 = 120;

/// Makes, reads, restores and removes backups.
#[derive(Clone)]
pub struct DirectoryBackups {
    layout: Layout,
    /// Those that are being made, and how each is given up.
    making: Arc<Mutex<BTreeMap<PathBuf, Arc<AtomicBool>>>>,
}

/// A backup that is to be made.
pub struct Wanted<'w> {
    /// It.
    pub name: &'w BackupName,
    /// The release by whose configuration it is made, and whose variables lead to databases.
    pub by: &'w Release,
    /// What serves.
    pub serving: Option<ReleaseLabel>,
    /// The deployment that makes it.
    pub deployment: Option<&'w DeploymentId>,
    /// What that one brings.
    pub before: Option<ReleaseLabel>,
    /// In somebody's words.
    pub note: Option<String>,
    /// Kept until somebody deletes it.
    pub pinned: bool,
    /// What is gone is left out, although something serves that should have it.
    pub as_it_is: bool,
}

impl DirectoryBackups {
    /// Under this state directory.
    pub fn new(layout: Layout) -> DirectoryBackups {
        DirectoryBackups { layout, making: Arc::default() }
    }

    /// A name that none of the environment has.
    ///
    /// # Errors
    ///
    /// Where so many were made at once that there is none.
    pub fn free_name(
        &self,
        environment: &EnvironmentId,
        now_ms: u64,
    ) -> Result<BackupName, Failure> {
        let names = (0..NAMES_MAX).map(|it| BackupName::at(now_ms + it * 1000));
        let is_free = |it: &BackupName| {
            let taken = [
                self.layout.backup(environment, it),
                self.layout.unfinished_backup(environment, it),
            ];
            !taken.iter().any(|it| it.exists())
        };
        names.into_iter().find(is_free).ok_or_else(|| {
            let message = format!("name a backup of {environment}: those of now are taken");
            Failure::new(Blame::Platform, message).hint("wait a minute")
        })
    }

    /// All that are whole, newest first; what cannot be understood is left out.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub fn list(&self, environment: &EnvironmentId) -> Result<Vec<Metadata>, Failure> {
        list(&self.layout, environment)
    }

    /// Where one lies.
    pub fn directory(&self, environment: &EnvironmentId, name: &BackupName) -> PathBuf {
        self.layout.backup(environment, name)
    }

    /// What is told of one.
    ///
    /// # Errors
    ///
    /// Where there is none, or it was altered.
    pub fn show(
        &self,
        environment: &EnvironmentId,
        name: &BackupName,
    ) -> Result<Metadata, Failure> {
        metadata::read(&self.layout.backup(environment, name), environment, name)
    }

    /// How each stands, newest first.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub fn standing(
        &self,
        environment: &EnvironmentId,
        spec: &BackupSpec,
        now_ms: u64,
    ) -> Result<Vec<(Metadata, Keeping)>, Failure> {
        retain::standing(&self.layout, environment, spec, now_ms)
    }

    /// Makes one, and copies it to the second place.  Blocks.
    ///
    /// # Errors
    ///
    /// Where any part of it cannot be read or written: then nothing is left of it.
    pub fn make(&self, wanted: &Wanted<'_>, note: &dyn Fn(String)) -> Result<Metadata, Failure> {
        let environment = &wanted.by.spec.id;
        let lock = lock(&self.layout, environment)?;
        // Under the lock nobody makes another: what is unfinished is a dead one's.
        remove_unfinished(&self.layout.backups(environment));
        let making = Making::new(self, self.layout.backup(environment, wanted.name));
        let made = create::create(&self.layout, wanted, &making.cancelled, note)?;
        drop(lock);
        let place = wanted.by.spec.backup.as_ref().and_then(|it| it.second_place.as_ref());
        if let Some(place) = place {
            let copied = self.working(&wanted.by.spec, |bounds| {
                second_place::copy(&self.layout, bounds, &made, place)
            });
            if let Err(failure) = copied {
                let evidence = failure.evidence.first().map(|it| format!(" ({it})"));
                let evidence = evidence.unwrap_or_default();
                note(format!(
                    "warning: failed to {}{evidence}; the backup itself is whole",
                    failure.message
                ));
            }
        }
        Ok(made)
    }

    /// Names of those in the second place, newest first; none where there is no such place.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// Where it cannot be asked.
    pub fn elsewhere(&self, by: &EnvironmentSpec) -> Result<Vec<BackupName>, Failure> {
        let place = second_place_of(by)?;
        self.working(by, |bounds| second_place::list(bounds, &by.id, place))
    }

    /// Brings one back from the second place.  Blocks.
    ///
    /// # Errors
    ///
    /// Where it is here, or is not there, or is not what it was: then nothing is left of it.
    pub fn fetch(&self, by: &EnvironmentSpec, name: &BackupName) -> Result<Metadata, Failure> {
        let place = second_place_of(by)?;
        let _lock = lock(&self.layout, &by.id)?;
        self.working(by, |bounds| second_place::fetch(&self.layout, bounds, &by.id, name, place))
    }

    /// What lies among backups and is none of ours that could be read: nothing here ever removes
    /// it.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub fn others(&self, environment: &EnvironmentId) -> Result<Vec<String>, Failure> {
        let directory = self.layout.backups(environment);
        let ours = list(&self.layout, environment)?;
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(|it| file::failure("read", &directory, &it))?,
        };
        let names = entries.flatten().map(|it| it.file_name().to_string_lossy().into_owned());
        let is_ours = |name: &String| ours.iter().any(|it| it.name.as_str() == name);
        let mut names: Vec<String> =
            names.filter(|it| !it.starts_with('.') && !is_ours(it)).collect();
        names.sort();
        Ok(names)
    }

    /// Reads all of it.  Blocks.
    ///
    /// # Errors
    ///
    /// Where there is none, or what is told of it was altered, or the identity cannot be read.
    pub fn verify(
        &self,
        name: &BackupName,
        by: &EnvironmentSpec,
        identity: Option<&Path>,
    ) -> Result<Verified, Failure> {
        let metadata = self.show(&by.id, name)?;
        let keys = keys(by, identity)?;
        let directory = self.layout.backup(&by.id, name);
        self.working(by, |bounds| Ok(verify::all(bounds, &directory, &metadata, &keys)))
    }

    /// Puts parts of it in the place of what is there.  What is there is the caller's to back up
    /// first.  Blocks.
    ///
    /// # Errors
    ///
    /// Where a part is not what it was, before anything is touched; or it cannot be put in place.
    pub fn put_back(
        &self,
        name: &BackupName,
        by: &Release,
        only: &[Part],
        identity: Option<&Path>,
        note: &dyn Fn(String),
    ) -> Result<Vec<String>, Failure> {
        let environment = &by.spec.id;
        let metadata = self.show(environment, name)?;
        let keys = keys(&by.spec, identity)?;
        let directory = self.layout.backup(environment, name);
        let _lock = lock(&self.layout, environment)?;
        self.working(&by.spec, |bounds| {
            let restore = restore::Restore { layout: &self.layout, bounds, keys: &keys, by };
            restore.run(&directory, &metadata, only, note)
        })
    }

    /// Restores all of it elsewhere, counts, and removes it again.  Blocks.
    ///
    /// # Errors
    ///
    /// Where any of it cannot be restored.
    pub fn drill(
        &self,
        name: &BackupName,
        by: &Release,
        identity: Option<&Path>,
    ) -> Result<Vec<Drilled>, Failure> {
        let metadata = self.show(&by.spec.id, name)?;
        let keys = keys(&by.spec, identity)?;
        let directory = self.layout.backup(&by.spec.id, name);
        self.working(&by.spec, |bounds| {
            drill::drill(&self.layout, bounds, &directory, &metadata, by, &keys)
        })
    }

    /// Removes what is beyond the limits; never the newest, a pinned or a needed one.
    ///
    /// # Errors
    ///
    /// Where one cannot be removed.
    pub fn thin_out(
        &self,
        environment: &EnvironmentId,
        spec: &BackupSpec,
        now_ms: u64,
        dry_run: bool,
    ) -> Result<Vec<Metadata>, Failure> {
        retain::prune(&self.layout, environment, spec, now_ms, dry_run)
    }

    /// Removes one.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be removed.
    pub fn delete(&self, environment: &EnvironmentId, name: &BackupName) -> Result<(), Failure> {
        retain::delete(&self.layout, environment, name)
    }

    /// In a directory of its own, which goes when the work ends.
    fn working<T>(
        &self,
        by: &EnvironmentSpec,
        work: impl FnOnce(&Bounds<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let place = self.layout.backups(&by.id);
        file::make_directory(&place, file::MODE_PRIVATE_DIRECTORY)
            .map_err(|it| file::failure("make", &place, &it))?;
        abandoned(&place);
        let prefix = format!("{WORK_PREFIX}{}-", std::process::id());
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir_in(&place);
        let directory = directory.map_err(|it| file::failure("work in", &place, &it))?;
        let time_limit = by.backup.as_ref().map_or(model::backup::TIME_LIMIT, |it| it.time_limit);
        work(&Bounds {
            work: directory.path(),
            time_limit: time_limit.duration(),
            cancelled: &AtomicBool::new(false),
        })
    }
}

/// Removes what the work of a process left that was killed.
fn abandoned(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|it| it.strip_prefix(WORK_PREFIX));
        let process = process.and_then(|it| it.split('-').next()?.parse::<u32>().ok());
        if process.is_some_and(|it| !Path::new("/proc").join(it.to_string()).exists()) {
            // Whoever works next tries again.
            let _ = file::remove_tree(&entry.path());
        }
    }
}

/// Removes what those left who were killed while they made or removed a backup.
fn remove_unfinished(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let inner = name.to_str().and_then(|it| it.strip_prefix('.')?.strip_suffix(".unfinished"));
        if inner.is_some_and(|it| it.parse::<BackupName>().is_ok()) {
            // Where it cannot be removed it costs space, and nothing else.
            let _ = file::remove_tree(&entry.path());
        }
    }
}

fn list(layout: &Layout, environment: &EnvironmentId) -> Result<Vec<Metadata>, Failure> {
    let directory = layout.backups(environment);
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(|it| file::failure("read", &directory, &it))?,
    };
    let names = entries.flatten().filter_map(|it| it.file_name().to_str()?.parse().ok());
    let mut names: Vec<BackupName> = names.collect();
    names.sort_by(|one, other| other.cmp(one));
    let read = |name: &BackupName| {
        metadata::read(&layout.backup(environment, name), environment, name).ok()
    };
    Ok(names.iter().filter_map(read).collect())
}

fn second_place_of(by: &EnvironmentSpec) -> Result<&SecondPlace, Failure> {
    let place = by.backup.as_ref().and_then(|it| it.second_place.as_ref());
    place.ok_or_else(|| {
        let message = format!("look in the second place of {}: it has none", by.id);
        Failure::new(Blame::Request, message)
            .hint("name one by `second_place` of its `backup:`, and deploy with that")
    })
}

/// What the caller names, else the configuration; none where neither does.
fn keys(by: &EnvironmentSpec, identity: Option<&Path>) -> Result<Keys, Failure> {
    let configured = by.backup.as_ref().and_then(|it| it.identity.as_ref()).map(Path::new);
    identity.or(configured).map(Keys::read).transpose().map(Option::unwrap_or_default)
}

/// A release's record, where it is kept.
fn read_release(
    layout: &Layout,
    environment: &EnvironmentId,
    release: &ReleaseId,
) -> Option<Release> {
    let text = file::read(&layout.record(environment, release)).ok()??;
    serde_json::from_slice(&text).ok()
}

/// One that is being made, known by its place until it ends.
struct Making<'m> {
    backups: &'m DirectoryBackups,
    place: PathBuf,
    cancelled: Arc<AtomicBool>,
}

impl Making<'_> {
    fn new(backups: &DirectoryBackups, place: PathBuf) -> Making<'_> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let mut making = backups.making.lock().unwrap_or_else(PoisonError::into_inner);
        making.insert(place.clone(), cancelled.clone());
        Making { backups, place, cancelled }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let mut making = self.backups.making.lock().unwrap_or_else(PoisonError::into_inner);
        making.remove(&self.place);
    }
}
