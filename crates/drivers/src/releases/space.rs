//! What releases take of the disk, and what arrived and was never used.

use super::{DirectoryReleases, record::names, segment};
use crate::file;
use model::{failure::Failure, id::DeploymentId, name::EnvironmentId};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Bytes of a block, as `stat` counts.
const BLOCK_BYTES: u64 = 512;
/// A file's time is that of the last tick of the kernel's clock: at 100 Hz, the coarsest, so old.
const TICK_MS: u64 = 10;
/// What may stand behind an upload's name.
const PARTS: [&str; 4] = [".json", ".list", ".partial", ".archive"];
/// Leads the name of a directory that is being removed.
pub(super) const TRASH: &str = ".trash-";

/// Something under `incoming/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its name: a deployment's id, or `git-` and a commit.
    pub name: String,
    /// On the disk.
    pub bytes: u64,
    /// When anything of it last changed: Unix time in ms.
    pub changed_at_ms: u64,
}

impl Arrived {
    /// The deployment it was sent for; none: it was fetched from a repository.
    pub fn deployment(&self) -> Option<DeploymentId> {
        Some(DeploymentId(self.name.clone())).filter(DeploymentId::is_well_formed)
    }
}

impl DirectoryReleases {
    /// Bytes on the disk of a version's content.  Blocks.
    pub fn disk_bytes(&self, environment: &EnvironmentId, version: &str) -> u64 {
        usage(&self.layout.release(environment, version)).bytes
    }

    /// All that lies under `incoming/` and is not kept with a saved plan, by name.  Blocks.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub fn arrivals(&self, environment: &EnvironmentId) -> Result<Vec<Arrived>, Failure> {
        let directory = self.layout.incoming(environment);
        let mut arrived: Vec<Arrived> = vec![];
        let mut found = names(&directory)?;
        found.sort();
        let saved = self.saved_ids(environment)?;
        for file_name in found {
            let hidden = file_name.strip_prefix('.');
            let name = match hidden {
                None => Some(file_name.as_str()),
                Some(rest) => PARTS.iter().find_map(|it| rest.strip_suffix(it)),
            };
            let Some(name) = name.filter(|it| segment("an upload's name", it).is_ok()) else {
                continue;
            };
            if saved.iter().any(|it| it.0 == name) {
                continue;
            }
            let usage = usage(&directory.join(&file_name));
            match arrived.iter_mut().find(|it| it.name == name) {
                Some(known) => {
                    known.bytes += usage.bytes;
                    known.changed_at_ms = known.changed_at_ms.max(usage.changed_at_ms);
                }
                None => arrived.push(Arrived {
                    name: name.to_owned(),
                    bytes: usage.bytes,
                    changed_at_ms: usage.changed_at_ms,
                }),
            }
        }
        Ok(arrived)
    }

    /// Removes one of [`DirectoryReleases::arrivals`], by its name.  Blocks.
    ///
    /// # Errors
    ///
    /// Where it cannot be removed.
    pub fn discard_arrived(&self, environment: &EnvironmentId, name: &str) -> Result<(), Failure> {
        self.incoming(environment, name)?.discard()
    }

    /// What an interrupted removal left, with its bytes.  Blocks.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be read.
    pub fn trash(&self, environment: &EnvironmentId) -> Result<Vec<(PathBuf, u64)>, Failure> {
        let directory = self.layout.releases(environment);
        let names = names(&directory)?.into_iter().filter(|it| it.starts_with(TRASH));
        let with_bytes = |path: PathBuf| {
            let bytes = usage(&path).bytes;
            (path, bytes)
        };
        Ok(names.map(|it| with_bytes(directory.join(it))).collect())
    }

    /// Removes what an interrupted removal left.  Blocks.
    ///
    /// # Errors
    ///
    /// Where it cannot be removed.
    pub fn empty_trash(&self, environment: &EnvironmentId) -> Result<(), Failure> {
        for (path, _) in self.trash(environment)? {
            file::remove_tree(&path).map_err(|error| file::failure("remove", &path, &error))?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Usage {
    bytes: u64,
    changed_at_ms: u64,
}

/// Of a path and all below it; what is gone or cannot be read counts nothing.
fn usage(path: &Path) -> Usage {
    let mut total = Usage::default();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        // Content that another name holds too is not freed with this one.
        if metadata.is_dir() || metadata.nlink() == 1 {
            total.bytes += metadata.blocks() * BLOCK_BYTES;
        }
        // Not the time of its content, which an archive may name.
        let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
        let within_ms = u64::try_from(metadata.ctime_nsec()).unwrap_or(0) / 1_000_000;
        total.changed_at_ms = total.changed_at_ms.max(seconds * 1000 + within_ms + TICK_MS);
        if metadata.is_dir()
            && let Ok(entries) = fs::read_dir(&path)
        {
            open.extend(entries.flatten().map(|it| it.path()));
        }
    }
    total
}
