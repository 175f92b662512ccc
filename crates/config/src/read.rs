//! Reading files: the only part of this crate that touches the disk.

mod facts;

pub use facts::read_facts;

use crate::problem::{Problem, Severity};
use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The largest configuration file, in bytes.
pub const CONFIG_BYTES_MAX: usize = 8 << 20;

/// The largest env file, in bytes.
pub const ENV_FILE_BYTES_MAX: usize = 1 << 20;

/// What the configuration is called when nobody says, in the order of looking.
pub const FILE_NAMES: [&str; 4] = ["cutover.yml", "cutover.yaml", "projects.yml", "projects.yaml"];

/// An env file as it was found.  It has no `Debug`, because its text is secret.
pub struct EnvText {
    /// The whole file.
    pub text: String,
    /// The lower bits of its mode.
    pub mode: u32,
}

/// Why an env file was not read; each goes on from "the env file …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvReadError {
    /// Nothing is there.
    #[error("does not exist")]
    Missing,
    /// A directory, a device or the like.
    #[error("is not a file")]
    NotAFile,
    /// More than [`ENV_FILE_BYTES_MAX`].
    #[error("is larger than 1 MiB")]
    TooLarge,
    /// Not UTF-8.
    #[error("is not text in UTF-8")]
    NotText,
    /// As the system says.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// Where env files come from.
pub trait EnvFiles {
    /// `path` is as the configuration names it: relative to the configuration file.
    ///
    /// # Errors
    /// As [`EnvReadError`] says.
    fn read(&self, path: &str) -> Result<EnvText, EnvReadError>;
}

/// Env files on the disk.
#[derive(Clone, Debug)]
pub struct EnvFilesIn {
    directory: PathBuf,
}

impl EnvFilesIn {
    /// `directory` holds the configuration file.
    pub fn new(directory: impl Into<PathBuf>) -> EnvFilesIn {
        EnvFilesIn { directory: directory.into() }
    }

    /// Where a file lies that the configuration names.
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }
}

impl EnvFiles for EnvFilesIn {
    fn read(&self, path: &str) -> Result<EnvText, EnvReadError> {
        let (bytes, mode) = read_file(&self.path(path), ENV_FILE_BYTES_MAX)?;
        let text = String::from_utf8(bytes).map_err(|_| EnvReadError::NotText)?;
        Ok(EnvText { text, mode })
    }
}

/// The text of a configuration file.
///
/// # Errors
/// A problem that names the file if it is missing, too large or not text in UTF-8.
#[expect(clippy::result_large_err, reason = "once a run, and a problem is what callers collect")]
pub fn read_config(path: &Path) -> Result<String, Problem> {
    let file = path.display().to_string();
    let problem = |line, column, message: String, suggestion: &str| Problem {
        rule: None,
        file: file.clone(),
        line,
        column,
        length: 1,
        path: String::new(),
        severity: Severity::Error,
        message,
        suggestion: Some(suggestion.to_owned()),
        excerpt: None,
    };
    let (bytes, _) = read_file(path, CONFIG_BYTES_MAX).map_err(|error| match error {
        EnvReadError::Missing => problem(
            1,
            1,
            "there is no such configuration".to_owned(),
            "run `cutover init` to write one, or name one with `-f FILE`",
        ),
        EnvReadError::TooLarge => too_large(&file),
        other => problem(1, 1, format!("the configuration {other}"), "name another with `-f FILE`"),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let valid = String::from_utf8_lossy(valid);
        let line = valid.matches('\n').count() + 1;
        let column = valid.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let at = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        let message = "the text is not UTF-8 from here on".to_owned();
        problem(at(line), at(column), message, "save the file as UTF-8")
    })
}

pub(crate) fn too_large(file: &str) -> Problem {
    Problem {
        rule: None,
        file: file.to_owned(),
        line: 1,
        column: 1,
        length: 1,
        path: String::new(),
        severity: Severity::Error,
        message: format!("the file is larger than {} MiB", CONFIG_BYTES_MAX >> 20),
        suggestion: Some("divide it into several files, each with projects of its own".to_owned()),
        excerpt: None,
    }
}

/// The configuration of a directory, if it has one.
pub fn find_config(directory: &Path) -> Option<PathBuf> {
    FILE_NAMES.iter().map(|it| directory.join(it)).find(|it| it.is_file())
}

fn read_file(path: &Path, bytes_max: usize) -> Result<(Vec<u8>, u32), EnvReadError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => EnvReadError::Missing,
        _ => EnvReadError::Unreadable(error.to_string()),
    };
    // Looked at before it is opened: to open a FIFO waits for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(EnvReadError::NotAFile);
    }
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode();
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(EnvReadError::TooLarge);
    }
    Ok((bytes, mode))
}
