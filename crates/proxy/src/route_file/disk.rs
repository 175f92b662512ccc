//! Route files on disk: names, reading, and writing whole or not at all.

use super::{FellBack, RouteFile};
use crate::limits::ROUTE_FILE_BYTES_MAX;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why a route file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RouteFileError {
    /// It could not be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not the JSON of a route file.
    #[error("{path} is not a route file: {source}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// It was changed or cut off after it was written.
    #[error("{path}: the checksum does not match its content")]
    Checksum {
        /// The file.
        path: PathBuf,
    },
    /// What it says cannot be served.
    #[error("{path}: {reason}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Where route files live under the state directory.
pub fn routes_directory(root: &Path) -> PathBuf {
    root.join("routes")
}

/// The file that is in force.
pub fn live_path(directory: &Path, environment: &str) -> PathBuf {
    directory.join(format!("{environment}.json"))
}

/// One generation that is staged, or kept to fall back to.
pub fn generation_path(directory: &Path, environment: &str, generation: u64) -> PathBuf {
    directory.join(format!("{environment}.{generation}.json"))
}

/// The marker of a generation that was left.
pub fn marker_path(directory: &Path, environment: &str) -> PathBuf {
    directory.join(format!("{environment}.fellback"))
}

/// The generations of `environment` that are staged or kept, in ascending order.
///
/// # Errors
/// When the directory cannot be listed.
pub fn generations(directory: &Path, environment: &str) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let generation: Option<u64> = name.to_str().and_then(|name| {
            let middle = name.strip_prefix(environment)?.strip_prefix('.')?;
            middle.strip_suffix(".json")?.parse().ok()
        });
        found.extend(generation);
    }
    found.sort_unstable();
    Ok(found)
}

/// The environment whose live file has this name.
pub(crate) fn environment_of(file_name: &str) -> Option<&str> {
    let stem = file_name.strip_suffix(".json")?;
    let is_generation =
        stem.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (super::is_environment_name(stem) && !is_generation).then_some(stem)
}

impl RouteFile {
    /// The checksum of the content.
    fn digest(&self) -> String {
        let empty = RouteFile { checksum: String::new(), ..self.clone() };
        // Strings, numbers and lists in structs always have a JSON form.
        let json = serde_json::to_vec(&empty).unwrap_or_default();
        blake3::hash(&json).to_hex().to_string()
    }

    /// Puts the checksum of the content in.  Call it last.
    #[must_use]
    pub fn seal(mut self) -> Self {
        self.checksum = self.digest();
        self
    }

    /// Reads a route file and checks its checksum and that it can be served.
    ///
    /// # Errors
    /// When it is missing, broken, or names something that cannot be served.
    pub fn read(path: &Path) -> Result<Self, RouteFileError> {
        let bytes = read_bounded(path)
            .map_err(|source| RouteFileError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&bytes, path)
    }

    /// What [`RouteFile::read`] makes of a file's bytes; `path` is for what is said of them.
    ///
    /// # Errors
    /// When they are broken, or name something that cannot be served.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, RouteFileError> {
        let file: RouteFile = serde_json::from_slice(bytes)
            .map_err(|source| RouteFileError::Malformed { path: path.to_owned(), source })?;
        if file.checksum != file.digest() {
            return Err(RouteFileError::Checksum { path: path.to_owned() });
        }
        file.check_fitness()
            .map_err(|reason| RouteFileError::Unfit { path: path.to_owned(), reason })?;
        Ok(file)
    }

    /// Writes it whole as a staged generation into the routes directory; where it is.
    ///
    /// # Errors
    /// When the disk does not take it; then nothing of that name has changed.
    pub fn stage(&self, directory: &Path) -> io::Result<PathBuf> {
        let path = generation_path(directory, &self.environment, self.generation);
        let json = serde_json::to_vec_pretty(self)?;
        write_whole(&path, &json)?;
        Ok(path)
    }
}

/// The marker, if there is one.
pub(crate) fn read_marker(directory: &Path, environment: &str) -> io::Result<Option<FellBack>> {
    match read_bounded(&marker_path(directory, environment)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ROUTE_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > ROUTE_FILE_BYTES_MAX {
        return Err(io::Error::other("the file is larger than any route file"));
    }
    Ok(bytes)
}

/// Temporary file, fsync, rename, fsync of the directory.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let directory = path.parent().ok_or_else(invalid)?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(invalid)?;
    let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_new(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // What is left of it would take space that is short already.
        let _missing = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(directory)?.sync_all()
}

/// Removes what writers that were killed in the midst of it have left of this environment.
///
/// # Errors
/// When the directory cannot be listed, or a file not be removed.
pub fn remove_abandoned(directory: &Path, environment: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let writer = name.to_str().and_then(|name| {
            let rest = name.strip_prefix('.')?.strip_prefix(environment)?.strip_prefix('.')?;
            rest.strip_suffix(".tmp")?.rsplit('.').next()?.parse().ok()
        });
        // One that lives may be writing it now.
        if writer.is_some_and(|it| !is_alive(it)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// One that has ended and is not waited for writes nothing any more.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|it| !it.1.starts_with(['Z', 'X']))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
