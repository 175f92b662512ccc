//! A git repository that a test fills from an example, and changes.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What is no part of an example's sources, where somebody built it in place.
const MADE: [&str; 4] = ["node_modules", "dist", ".next", "generated"];

/// A repository with the branch `main`.
#[derive(Debug)]
pub struct Repository {
    /// Its work tree.
    pub path: PathBuf,
}

impl Repository {
    /// With the content of `examples/NAME` as its first commit, at this path.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn of(example: &str, path: &Path) -> Self {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        copy(&examples.join(example), path);
        let repository = Self { path: path.to_owned() };
        repository.git(&["init", "--quiet", "--initial-branch=main", "."]);
        repository.git(&["add", "--all"]);
        repository.git(&["commit", "--quiet", "--message", "first"]);
        repository
    }

    /// Writes files, and commits all that changed; gives the commit.
    ///
    /// # Panics
    /// If git refuses.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let path = self.path.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "next"]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Runs git there; what it prints.
    ///
    /// # Panics
    /// If it does not end well.
    pub fn git(&self, words: &[&str]) -> String {
        let who = ["-c", "user.name=ann", "-c", "user.email=ann@shop.example"];
        let mut git = Command::new("git");
        let output = git.args(who).args(words).current_dir(&self.path).output().unwrap();
        assert!(output.status.success(), "git {words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if MADE.iter().any(|it| name == *it) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
