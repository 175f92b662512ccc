//! From a source to a directory under `releases/`, which appears whole.

use super::{
    DirectoryReleases,
    keep::{gone, is_directory, read_artifact},
    make, segment, unwritable,
    upload::Incoming,
};
use crate::file;
use model::{
    failure::{Blame, Failure},
    id::ReleaseId,
    name::EnvironmentId,
    release::{Artifact, Release, Source},
};
use std::{fs::File, path::Path};

impl DirectoryReleases {
    pub(super) fn inspect_now(
        &self,
        environment: &EnvironmentId,
        source: &Source,
    ) -> Result<Artifact, Failure> {
        match source {
            Source::Upload { upload, described, commit } => {
                let arrived = self.arrived(environment, upload)?.ok_or_else(|| unsent(upload))?;
                Ok(Artifact { described: described.clone(), commit: commit.clone(), ..arrived })
            }
            Source::Listed { upload, described, commit } => {
                let listed = self.listed_artifact(environment, upload)?;
                let listed = listed.ok_or_else(|| unsent(upload))?;
                Ok(Artifact { described: described.clone(), commit: commit.clone(), ..listed })
            }
            Source::Git { url, reference } => self.fetch(environment, url, reference),
            Source::Kept { version } => {
                segment("a version", version)?;
                let in_place =
                    self.kept_artifact(environment, version)?.ok_or_else(|| gone(version))?;
                // A record knows more of where the content came from than the content does.
                let recorded = self.list_now(environment)?.into_iter();
                let recorded = recorded.map(|it| (it.version, it.artifact));
                let found = recorded.filter(|(of, _)| of == version).map(|(_, it)| it).next();
                Ok(found.unwrap_or(in_place))
            }
        }
    }

    pub(super) fn stage_now(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
        version: &str,
        source: &Source,
    ) -> Result<(), Failure> {
        segment("a version", version)?;
        let record = self.read_record(environment, release)?;
        let wanted = &record.artifact;
        let incoming = match source {
            Source::Upload { upload, .. } => Some(self.incoming(environment, upload)?),
            Source::Git { .. } => {
                let commit = wanted.commit.as_deref().ok_or_else(uncommitted)?;
                Some(self.incoming(environment, &git_name(commit))?)
            }
            Source::Kept { .. } => None,
            Source::Listed { upload, .. } => return Err(unsent(upload)),
        };
        if is_directory(&self.layout.release(environment, version))? {
            self.must_hold(environment, version, wanted)?;
            return incoming.map_or(Ok(()), |it| it.discard());
        }
        let Some(incoming) = incoming else { return Err(gone(version)) };
        if read_artifact(&incoming.artifact)?.is_none()
            && let Source::Git { url, .. } = source
        {
            self.unpack_commit(environment, url, wanted.commit.as_deref().unwrap_or_default())?;
        }
        self.put_in_place(&record, &incoming)
    }

    /// The directory is there already: with this content, or the version is taken.
    fn must_hold(
        &self,
        environment: &EnvironmentId,
        version: &str,
        wanted: &Artifact,
    ) -> Result<(), Failure> {
        match self.kept_artifact(environment, version)? {
            Some(kept) if kept.digest == wanted.digest => Ok(()),
            Some(_) => {
                let message = format!("stage {version}: this version is kept with other content");
                Err(Failure::new(Blame::Request, message)
                    .hint("choose another version: a version's content never changes"))
            }
            None => {
                let path = self.layout.release(environment, version);
                let message = format!("stage {version}: {} was not made here", path.display());
                Err(Failure::new(Blame::Request, message)
                    .hint("choose another version, or move that directory away"))
            }
        }
    }

    fn put_in_place(&self, record: &Release, incoming: &Incoming) -> Result<(), Failure> {
        let (environment, version, wanted) = (&record.spec.id, &record.version, &record.artifact);
        let artifact = read_artifact(&incoming.artifact)?
            .ok_or_else(|| unsent(&incoming.directory.to_string_lossy()))?;
        if artifact.digest != wanted.digest {
            let message = format!("stage {version}: what arrived is not what was planned for");
            return Err(Failure::new(Blame::Request, message).hint("deploy again"));
        }
        let contents = self.layout.contents(environment);
        make(&contents, file::MODE_PRIVATE_DIRECTORY)?;
        make(&self.layout.releases(environment), file::MODE_PUBLIC_DIRECTORY)?;
        self.forget_other_content(environment, version, wanted)?;
        let list = file::read(&incoming.list).ok().flatten().unwrap_or_default();
        let text = serde_json::to_vec(wanted).map_err(|error| unwritable(&error))?;
        for (kind, bytes) in [("list", &list), ("json", &text)] {
            let path = contents.join(format!("{version}.{kind}"));
            file::write(&path, bytes, file::MODE_PRIVATE)
                .map_err(|error| file::failure("write", &path, &error))?;
        }
        self.link_shared(&incoming.directory, &record.spec, version)?;
        sync_file_system(&incoming.directory)?;
        let place = self.layout.release(environment, version);
        file::rename(&incoming.directory, &place)
            .map_err(|error| file::failure("move into place", &place, &error))?;
        incoming.discard()
    }

    /// What another content of this version, which was never in its place, brought at shared paths.
    fn forget_other_content(
        &self,
        environment: &EnvironmentId,
        version: &str,
        wanted: &Artifact,
    ) -> Result<(), Failure> {
        let path = self.layout.contents(environment).join(format!("{version}.json"));
        if read_artifact(&path)?.is_some_and(|it| it.digest == wanted.digest) {
            return Ok(());
        }
        let brought = self.brought(environment, version);
        file::remove_tree(&brought).map_err(|error| file::failure("remove", &brought, &error))
    }
}

/// One call for all files: a release may have very many.
pub(super) fn sync_file_system(directory: &Path) -> Result<(), Failure> {
    File::open(directory)
        .and_then(|it| Ok(rustix::fs::syncfs(it)?))
        .map_err(|error| file::failure("write to the disk", directory, &error))
}

/// The name under `incoming/` of a commit's content.
pub(super) fn git_name(commit: &str) -> String {
    format!("git-{commit}")
}

fn unsent(upload: &str) -> Failure {
    Failure::new(Blame::Request, format!("find what was sent for {upload}"))
        .hint("run the same deploy again: it sends the content first")
}

fn uncommitted() -> Failure {
    Failure::new(Blame::Us, "stage from a repository: the release's record names no commit")
}
