//! A repository of generated files: what is about to be committed, and the hook that looks at it.

use super::place::failed;
use crate::{
    file,
    host::{Command, Finished, stream},
};
use model::failure::{Blame, Failure};
use std::{
    ffi::OsString,
    fs,
    io::Read,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

const GIT_TIME_MAX: Duration = Duration::from_secs(60);
/// All paths of a commit.
const LIST_BYTES_MAX: usize = 64 << 20;
/// Paths given to one process.
const PATHS_AT_ONCE: usize = 1000;
/// Of a file that is looked through for keys.
const LOOKED_BYTES_MAX: u64 = 8 << 20;
const MODE_PROGRAM: u32 = 0o755;

/// All of the hook: what it needs to know is in the repository's own settings.
const HOOK: &str = "#!/bin/sh\n\
                    # Installed by `cutover nginx guard`.\n\
                    exec cutover nginx guard --check\n";
const KEY_FILE: &str = "cutover.nginxFile";
const KEY_DIRECTORY: &str = "cutover.nginxDirectory";

/// What became of the hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookInstalled {
    /// It was written.
    Now,
    /// It was there.
    Before,
}

/// Something that is not to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// In the repository.
    pub path: String,
    /// Why not.
    pub why: &'static str,
}

/// A repository with a work tree.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its top.
    pub top: PathBuf,
}

impl Repository {
    /// The one that a directory is in.
    ///
    /// # Errors
    /// When it is in none.
    pub fn around(directory: &Path) -> Result<Repository, Failure> {
        let found = git(directory, &["rev-parse", "--show-toplevel"])?;
        if !found.0.success {
            return Err(found
                .0
                .failure(Blame::Request, "find a git repository")
                .hint("go into the repository that holds the generated files"));
        }
        let mut top = found.1;
        top.truncate(top.trim_ascii_end().len());
        Ok(Repository { top: PathBuf::from(OsString::from_vec(top)) })
    }

    /// Writes the hook, unless there is another.
    ///
    /// # Errors
    /// When another hook is there: it is left as it is.
    pub fn install(&self, file: &Path, directory: &Path) -> Result<HookInstalled, Failure> {
        let path = self.said(&["rev-parse", "--git-path", "hooks/pre-commit"])?;
        let path = self.top.join(path);
        let there = file::read(&path).map_err(|error| failed("read", &path, &error))?;
        let ours = there.as_deref() == Some(HOOK.as_bytes());
        if there.is_some() && !ours {
            let message = format!("install the hook: {} is another one", path.display());
            return Err(Failure::new(Blame::Request, message)
                .hint("add this line to it: cutover nginx guard --check"));
        }
        for (key, value) in [(KEY_FILE, file), (KEY_DIRECTORY, directory)] {
            let value = format!("./{}", self.relative(value)?.display());
            self.said(&["config", "--local", key, &value])?;
        }
        if ours {
            return Ok(HookInstalled::Before);
        }
        let parent = path.parent().unwrap_or(&self.top);
        file::make_directory(parent, file::MODE_PUBLIC_DIRECTORY)
            .and_then(|()| file::write(&path, HOOK.as_bytes(), MODE_PROGRAM))
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(MODE_PROGRAM)))
            .map_err(|error| failed("write", &path, &error))?;
        Ok(HookInstalled::Now)
    }

    /// Where the configuration and the generated files are in it, as the hook was told.
    ///
    /// # Errors
    /// When it was told nothing.
    pub fn told(&self) -> Result<(String, String), Failure> {
        let of = |key: &str| {
            let said = self.said(&["config", "--local", "--get", key]).map_err(|failure| {
                failure.hint("run `cutover -f FILE nginx guard -o DIR` in this repository once")
            })?;
            Ok::<String, Failure>(said.strip_prefix("./").unwrap_or(&said).to_owned())
        };
        Ok((of(KEY_FILE)?, of(KEY_DIRECTORY)?))
    }

    /// Paths that the next commit adds or changes.
    ///
    /// # Errors
    /// When git does not say.
    pub fn changed(&self) -> Result<Vec<String>, Failure> {
        self.listed(&["diff", "--cached", "--name-only", "-z", "--no-renames", "--diff-filter=d"])
    }

    /// Paths that the next commit touches at all.
    ///
    /// # Errors
    /// When git does not say.
    pub fn touched(&self) -> Result<Vec<String>, Failure> {
        self.listed(&["diff", "--cached", "--name-only", "-z", "--no-renames"])
    }

    /// Paths of the next commit below a directory.
    ///
    /// # Errors
    /// When git does not say.
    pub fn below(&self, directory: &str) -> Result<Vec<String>, Failure> {
        let mut arguments = vec!["ls-files", "-z", "--cached"];
        let literal = format!(":(top,literal){directory}");
        if !directory.is_empty() {
            arguments.extend(["--", &literal]);
        }
        self.listed(&arguments)
    }

    /// Writes files of the next commit below another directory, with their paths.
    ///
    /// # Errors
    /// When git does not.
    pub fn export(&self, paths: &[String], into: &Path) -> Result<(), Failure> {
        let prefix = format!("--prefix={}/", into.display());
        for some in paths.chunks(PATHS_AT_ONCE) {
            let mut arguments = vec!["checkout-index", "-f", &prefix, "--"];
            arguments.extend(some.iter().map(String::as_str));
            let finished = git(&self.top, &arguments)?.0;
            if !finished.success {
                return Err(finished.failure(Blame::Platform, "read what is to be committed"));
            }
        }
        Ok(())
    }

    fn relative(&self, path: &Path) -> Result<PathBuf, Failure> {
        let whole = fs::canonicalize(path).map_err(|error| failed("find", path, &error))?;
        let top = fs::canonicalize(&self.top).map_err(|error| failed("find", &self.top, &error))?;
        whole.strip_prefix(&top).map(Path::to_owned).map_err(|_| {
            let (path, top) = (path.display(), top.display());
            Failure::new(Blame::Request, format!("guard {path}: it is not in {top}"))
                .hint("keep the configuration and what is generated in one repository")
        })
    }

    fn said(&self, arguments: &[&str]) -> Result<String, Failure> {
        let (finished, output) = git(&self.top, arguments)?;
        if !finished.success {
            let doing = format!("run `git {}`", arguments.join(" "));
            return Err(finished.failure(Blame::Request, &doing));
        }
        Ok(String::from_utf8_lossy(&output).trim_end_matches('\n').to_owned())
    }

    fn listed(&self, arguments: &[&str]) -> Result<Vec<String>, Failure> {
        let (finished, output) = git(&self.top, arguments)?;
        if !finished.success {
            return Err(finished.failure(Blame::Platform, "list what is to be committed"));
        }
        let paths = output.split(|it| *it == 0).filter(|it| !it.is_empty());
        Ok(paths.map(|it| String::from_utf8_lossy(it).into_owned()).collect())
    }
}

fn git(directory: &Path, arguments: &[&str]) -> Result<(Finished, Vec<u8>), Failure> {
    let mut command = Command::new("git", GIT_TIME_MAX).arguments(arguments.iter().copied());
    command.directory = Some(directory.to_owned());
    // A hook is told by variables which index is to be committed.
    for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
        if let Ok(value) = std::env::var(name) {
            let whole = match name {
                "GIT_INDEX_FILE" | "GIT_DIR" if !value.starts_with('/') => here(&value),
                _ => value,
            };
            command = command.variable(name, &whole);
        }
    }
    let (output, finished) = stream(&command, |output| {
        let mut bytes = Vec::new();
        let read = output.take(LIST_BYTES_MAX as u64).read_to_end(&mut bytes);
        read.map_err(|error| Failure::new(Blame::Platform, format!("read git's word: {error}")))?;
        Ok(bytes)
    })?;
    Ok((finished, output))
}

/// Relative to where we were started.
fn here(path: &str) -> String {
    std::env::current_dir().map_or(path.to_owned(), |it| it.join(path).display().to_string())
}

impl Found {
    /// Whether a file may not be committed, by its name or what is in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &str, content: &Path) -> Result<Option<Found>, Failure> {
        let found = |why| Some(Found { path: path.to_owned(), why });
        if let Some(why) = by_name(path) {
            return Ok(found(why));
        }
        let link = fs::symlink_metadata(content).is_ok_and(|it| it.is_symlink());
        if link || !content.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read = fs::File::open(content)
            .and_then(|it| it.take(LOOKED_BYTES_MAX).read_to_end(&mut bytes));
        read.map_err(|error| failed("read", content, &error))?;
        Ok(by_content(&bytes).and_then(found))
    }
}

fn by_name(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let env = name == ".env" || name.starts_with(".env.");
    if env && name != ".env.example" {
        return Some("holds values of variables");
    }
    let stores = [".p12", ".pfx", ".jks"];
    stores.iter().any(|it| name.ends_with(it)).then_some("is a store of keys")
}

fn by_content(bytes: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(bytes);
    let is_key = |line: &str| {
        let line = line.trim();
        line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----")
    };
    if text.lines().any(is_key) || text.contains("PuTTY-User-Key-File-") {
        return Some("holds a private key");
    }
    text.contains(concat!("AGE-SECRET", "-KEY-1")).then_some("holds an identity of age")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name_and_by_content() {
        for path in [".env", "a/.env.production", ".env.local", "x/keys.p12"] {
            assert!(by_name(path).is_some(), "{path}");
        }
        for path in [".env.example", "a/.env.example", "environment.yml", "env"] {
            assert_eq!(by_name(path), None, "{path}");
        }
        let key = |kind: &str| format!("x\n-----BEGIN {kind}PRIVATE KEY-----\nMII\n");
        for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
            assert!(by_content(key(kind).as_bytes()).is_some(), "{kind}");
        }
        let identity = ["AGE-SECRET", "-KEY-1QQQ"].concat();
        assert!(by_content(identity.as_bytes()).is_some());
        for text in ["-----BEGIN CERTIFICATE-----\n", "a private key", ""] {
            assert_eq!(by_content(text.as_bytes()), None, "{text}");
        }
    }
}
