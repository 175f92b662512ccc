//! Applications that other people wrote and published, as they are: fetched once by their own
//! tools from lock files, and packed as an archive.

use crate::time::within;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// A registry may be slow; each try has this long.
const FETCH_MAX: Duration = Duration::from_secs(240);
const FETCH_TRIES: u32 = 3;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// An editor and runner of flows, on Node and Express; from npm, about 8,400 files.
    NodeRed,
    /// A browser of SQLite databases, on uvicorn and Starlette's protocol; from PyPI.
    Datasette,
}

impl Published {
    /// Two versions of which there are lock files, the older one first.
    pub fn versions(self) -> [&'static str; 2] {
        match self {
            Self::NodeRed => ["4.1.14", "4.1.15"],
            Self::Datasette => ["0.65.4", "0.65.5"],
        }
    }

    /// Its archive: made once for all tests, below the build's folder.
    ///
    /// # Panics
    /// If it can be neither fetched nor packed.
    pub fn archive(self, version: &str) -> PathBuf {
        let directory = self.fetched(version);
        let archive = directory.with_added_extension("tar.gz");
        if !archive.exists() {
            pack(&directory, &archive, &[]);
        }
        archive
    }

    /// An archive of it in which these paths are missing.
    ///
    /// # Panics
    /// If it can be neither fetched nor packed.
    pub fn archive_without(self, version: &str, missing: &[&str], archive: &Path) {
        pack(&self.fetched(version), archive, missing);
    }

    fn fetched(self, version: &str) -> PathBuf {
        let name = match self {
            Self::NodeRed => "node-red",
            Self::Datasette => "datasette",
        };
        let directory = folder().join(format!("{name}-{version}"));
        if directory.exists() {
            return directory;
        }
        let partial = directory.with_added_extension("partial");
        for attempt in 1..=FETCH_TRIES {
            if partial.exists() {
                fs::remove_dir_all(&partial).expect("it is ours");
            }
            fs::create_dir_all(&partial).expect("the build's folder is writable");
            if self.fetch(&locks().join(name), version, &partial) {
                fs::rename(&partial, &directory).expect("both are in one folder");
                return directory;
            }
            assert!(attempt < FETCH_TRIES, "{name} {version} could not be fetched");
        }
        directory
    }

    fn fetch(self, locks: &Path, version: &str, into: &Path) -> bool {
        let mut command;
        match self {
            Self::NodeRed => {
                for file in ["package.json", "package-lock.json"] {
                    fs::copy(locks.join(version).join(file), into.join(file)).expect("it is there");
                }
                fs::copy(locks.join("settings.js"), into.join("settings.js")).expect("it is there");
                command = Command::new("npm");
                command.args(["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]);
            }
            Self::Datasette => {
                command = Command::new("python3");
                command.args(["-m", "pip", "install", "--quiet", "--no-compile"]);
                command.args(["--require-hashes", "--target", "lib", "--requirement"]);
                command.arg(locks.join(format!("{version}.txt")));
            }
        }
        ended_well(command.current_dir(into))
    }
}

/// Where the lock files are.
fn locks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/published")
}

fn folder() -> PathBuf {
    // Beside the built programs, so that a clean build is a clean fetch.
    let built = crate::app::built("cutover", "cutover");
    built.parent().expect("a program is in a folder").join("published")
}

fn pack(directory: &Path, archive: &Path, missing: &[&str]) {
    let partial = archive.with_added_extension("partial");
    let mut command = Command::new("tar");
    command.args(["--create", "--use-compress-program", "gzip -1", "--file"]).arg(&partial);
    command.args(missing.iter().map(|it| format!("--exclude=./{it}")));
    command.arg("--directory").arg(directory).arg(".");
    assert!(ended_well(&mut command), "{} could not be packed", directory.display());
    fs::rename(&partial, archive).expect("both are in one folder");
}

fn ended_well(command: &mut Command) -> bool {
    let mut ended = || -> io::Result<bool> {
        let mut child = crate::guard::Killed::start(command.stdin(Stdio::null()))?;
        let status = within(FETCH_MAX, || child.exited());
        Ok(status.is_some_and(|it| it.success()))
    };
    ended().unwrap_or(false)
}
