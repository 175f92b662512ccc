//! Whether a release's directory still holds what was put there.

use super::{
    DirectoryReleases,
    content::{Content, Entry},
    keep::{gone, is_directory},
    shared::is_shared,
    walk,
};
use crate::file;
use model::{
    failure::{Blame, Failure},
    release::Release,
};
use std::{ffi::OsStr, fs, io::ErrorKind, os::unix::ffi::OsStrExt, path::Path};

/// Differences that are shown.
const DIFFERENCES_MAX: usize = 10;

impl DirectoryReleases {
    /// What an application wrote beside the release's own files does not count: many keep caches
    /// there, and none of it was part of the release.
    pub(super) fn verify_now(&self, release: &Release) -> Result<(), Failure> {
        let environment = &release.spec.id;
        let version = &release.version;
        let directory = self.layout.release(environment, super::segment("a version", version)?);
        if !is_directory(&directory)? {
            return Err(gone(version));
        }
        let path = self.layout.contents(environment).join(format!("{version}.list"));
        let list = file::read(&path).map_err(|error| file::failure("read", &path, &error))?;
        let content = list
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .filter(|text| {
                blake3::hash(text.as_bytes()).to_hex().as_str() == release.artifact.digest
            })
            .and_then(|text| Content::parse(&text));
        let Some(content) = content else {
            let message =
                format!("verify release {version}: what is kept is not what its record names");
            return Err(Failure::new(Blame::Platform, message).hint(ANOTHER));
        };
        let differences = differences(&directory, &content)?;
        if differences.is_empty() {
            return Ok(());
        }
        let message = format!("verify release {version}: its content was altered");
        let failure = Failure::new(Blame::Platform, message).hint(ANOTHER);
        Err(differences.into_iter().fold(failure, Failure::evidence))
    }
}

const ANOTHER: &str =
    "choose another of `cutover rollback --list`, or deploy it again as a new version";

fn differences(directory: &Path, content: &Content) -> Result<Vec<String>, Failure> {
    let mut differences = vec![];
    for (relative, wanted) in &content.entries {
        let path = directory.join(OsStr::from_bytes(relative));
        let shown = String::from_utf8_lossy(relative);
        match found(&path) {
            Ok(Some(found)) if found == *wanted => {}
            // What all releases share changes, and is nobody's content.
            Ok(_) if is_shared(directory, relative) => {}
            Ok(Some(found)) if found.kind == wanted.kind => differences.push(format!(
                "`{shown}` has mode {:03o} instead of {:03o}",
                found.mode, wanted.mode
            )),
            Ok(Some(_)) => differences.push(format!("`{shown}` has other content")),
            Ok(None) => differences.push(format!("`{shown}` is missing")),
            Err(error) => return Err(file::failure("read", &path, &error)),
        }
        if differences.len() >= DIFFERENCES_MAX {
            break;
        }
    }
    Ok(differences)
}

fn found(path: &Path) -> std::io::Result<Option<Entry>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => walk::entry_of(path, &metadata),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
