//! The configuration file, found and read on this side: the controller never reads it.

use crate::{cli::verbs, halt::Halt, session::Session};
use config::{
    Document, EnvFilesIn, Problem, Resolved,
    read::{FILE_NAMES, find_config, read_config},
};
use model::name::EnvironmentId;
use std::{
    env,
    path::{Path, PathBuf},
};

/// A configuration file that could be read.
pub struct Configuration {
    /// Where it is.
    pub path: PathBuf,
    /// Errors are among its problems, perhaps.
    pub document: Document,
}

/// The file that is meant: `-f`, or the one of the current directory, if it has one.
pub fn path(session: &Session) -> Option<PathBuf> {
    session.file.clone().or_else(|| {
        let here = find_config(Path::new("."))?;
        Some(here.strip_prefix(".").map(Path::to_owned).unwrap_or(here))
    })
}

/// Another file here that would be read, were it not for the one before it.
pub fn passed_over(session: &Session) -> Option<PathBuf> {
    let taken = path(session).filter(|_| session.file.is_none())?;
    FILE_NAMES.iter().map(PathBuf::from).find(|it| *it != taken && it.is_file())
}

/// Reads the configuration, if there is one.
///
/// # Errors
///
/// All problems that forbid to use it.
pub fn read(session: &Session) -> Result<Option<Configuration>, Halt> {
    let Some(path) = path(session) else { return Ok(None) };
    let (document, problems) = read_all(&path);
    if config::any_error(&problems) {
        return Err(Halt::Problems(problems));
    }
    Ok(document.map(|document| Configuration { path, document }))
}

/// Reads the configuration.
///
/// # Errors
///
/// As [`read`], and where there is none.
pub fn expect(session: &Session) -> Result<Configuration, Halt> {
    read(session)?.ok_or_else(|| {
        let here = env::current_dir().map(|it| it.display().to_string());
        let here = here.unwrap_or_else(|_| "the current directory".to_owned());
        Halt::usage(format!("find a configuration: there is no `{}` in {here}", FILE_NAMES[0]))
            .hint("go to the project's directory, or name its file: `cutover -f FILE …`")
            .hint("`cutover init` writes one")
    })
}

/// The document and all its problems; no document where it is not even YAML.
pub fn read_all(path: &Path) -> (Option<Document>, Vec<Problem>) {
    match read_config(path) {
        Ok(text) => {
            let (document, problems) = Document::read(&path.display().to_string(), &text);
            let document = document.map(|it| it.with_verbs(&verbs()));
            let problems = document.as_ref().map_or(problems, |it| it.problems().to_vec());
            (document, problems)
        }
        Err(problem) => (None, vec![problem]),
    }
}

impl Configuration {
    /// What its paths are relative to.
    pub fn directory(&self) -> PathBuf {
        let parent = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).to_owned()
    }

    /// Where env files are read.
    pub fn env_files(&self) -> EnvFilesIn {
        EnvFilesIn::new(self.directory())
    }

    /// The environment with every value filled in.
    ///
    /// # Errors
    ///
    /// All problems.
    pub fn resolve(&self, id: &EnvironmentId) -> Result<Resolved, Halt> {
        self.document.resolve(id, &self.env_files(), is_root()).map_err(Halt::Problems)
    }
}

/// Whether low ports are ours to use.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
