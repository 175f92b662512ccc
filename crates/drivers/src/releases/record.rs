//! Releases' records: written once, read by rollback, restart and boot.

use super::{DirectoryReleases, make, segment, unwritable};
use crate::file;
use model::{
    failure::{Blame, Failure},
    id::ReleaseId,
    name::EnvironmentId,
    release::{Artifact, Release},
};
use std::{fs, io::ErrorKind, path::Path};

impl DirectoryReleases {
    pub(super) fn write_record(&self, release: &Release) -> Result<(), Failure> {
        let environment = &release.spec.id;
        segment("a release's id", &release.id.0)?;
        segment("a version", &release.version)?;
        self.environment_directory(environment)?;
        make(&self.layout.records(environment), file::MODE_PRIVATE_DIRECTORY)?;
        let path = self.layout.record(environment, &release.id);
        let text = serde_json::to_vec_pretty(release).map_err(|error| unwritable(&error))?;
        file::write(&path, &text, file::MODE_PRIVATE)
            .map_err(|error| file::failure("write", &path, &error))
    }

    pub(super) fn read_record(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
    ) -> Result<Release, Failure> {
        segment("a release's id", &release.0)?;
        let path = self.layout.record(environment, release);
        read_one(&path)?.ok_or_else(|| {
            Failure::new(Blame::Request, format!("find release {release} of {environment}"))
                .hint("it was removed since: deploy its version again")
        })
    }

    /// Every record, newest first, whether or not its content is in place.
    pub(super) fn records(&self, environment: &EnvironmentId) -> Result<Vec<Release>, Failure> {
        let directory = self.layout.records(environment);
        let mut records = vec![];
        for name in names(&directory)? {
            if name.ends_with(".json")
                && !name.starts_with('.')
                && let Some(record) = read_one(&directory.join(&name))?
            {
                records.push(record);
            }
        }
        records.sort_by(|one, other| {
            (other.created_at_ms, &other.id).cmp(&(one.created_at_ms, &one.id))
        });
        Ok(records)
    }

    pub(super) fn list_now(&self, environment: &EnvironmentId) -> Result<Vec<Release>, Failure> {
        let mut kept = vec![];
        for record in self.records(environment)? {
            let fits = |it: &Artifact| {
                it.digest == record.artifact.digest && it.built == record.artifact.built
            };
            let in_place = self.kept_artifact(environment, &record.version)?;
            if record.is_whole() && in_place.as_ref().is_some_and(fits) {
                kept.push(record);
            }
        }
        Ok(kept)
    }
}

/// The names in a directory; none if there is no directory.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, Failure> {
    let failed = |error| file::failure("read", directory, &error);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(failed)?,
    };
    let mut names = vec![];
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

fn read_one(path: &Path) -> Result<Option<Release>, Failure> {
    let bytes = file::read(path).map_err(|error| file::failure("read", path, &error))?;
    bytes
        .map(|it| serde_json::from_slice(&it))
        .transpose()
        .map_err(|error| file::failure("understand", path, &error.into()))
}
