//! Which releases are kept, which of them serves, and how one is removed.

use super::{DirectoryReleases, segment, space::TRASH};
use crate::{file, runtime::OneOffProcesses};
use model::{
    failure::{Blame, Failure},
    name::EnvironmentId,
    release::Artifact,
};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

impl DirectoryReleases {
    /// What is in place under this version; none if nothing is.
    pub(super) fn kept_artifact(
        &self,
        environment: &EnvironmentId,
        version: &str,
    ) -> Result<Option<Artifact>, Failure> {
        let directory = self.layout.release(environment, version);
        if !is_directory(&directory)? {
            return Ok(None);
        }
        let path = self.layout.contents(environment).join(format!("{version}.json"));
        read_artifact(&path)
    }

    pub(super) fn link_now(
        &self,
        environment: &EnvironmentId,
        current: Option<&str>,
        previous: Option<&str>,
    ) -> Result<(), Failure> {
        self.environment_directory(environment)?;
        let links = [
            (self.layout.previous(environment), previous),
            (self.layout.current(environment), current),
        ];
        // All of it can be done, or none is begun.
        for version in links.iter().filter_map(|it| it.1) {
            let directory = self.layout.release(environment, segment("a version", version)?);
            if !is_directory(&directory)? {
                return Err(gone(version));
            }
        }
        for (link, version) in links {
            let Some(version) = version else {
                // Nothing to go back to must not look like something; what serves keeps its link.
                if link == self.layout.previous(environment) {
                    remove_link(&link)?;
                }
                continue;
            };
            refuse_what_is_no_link(&link)?;
            file::swap_link(&link, &Path::new("releases").join(version))
                .map_err(|error| file::failure("swap the link", &link, &error))?;
        }
        Ok(())
    }

    pub(super) fn links_now(
        &self,
        environment: &EnvironmentId,
    ) -> Result<(Option<String>, Option<String>), Failure> {
        let version = |link: PathBuf| match fs::read_link(&link) {
            Ok(target) => {
                let name = target.file_name().map(|it| it.to_string_lossy().into_owned());
                Ok(name.filter(|_| target.starts_with("releases")))
            }
            // Something that is no link is somebody else's: it points at no release of ours.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                Ok(None)
            }
            Err(error) => Err(file::failure("read the link", &link, &error)),
        };
        Ok((
            version(self.layout.current(environment))?,
            version(self.layout.previous(environment))?,
        ))
    }

    pub(super) fn remove_now(
        &self,
        environment: &EnvironmentId,
        version: &str,
    ) -> Result<(), Failure> {
        segment("a version", version)?;
        let (current, previous) = self.links_now(environment)?;
        if [current, previous].iter().flatten().any(|it| it == version) {
            let message = format!("remove release {version}: `current` or `previous` points at it");
            return Err(Failure::new(Blame::Request, message));
        }
        let one_offs = OneOffProcesses::onlooker(self.layout.clone());
        if let Some(id) = one_offs.running_in(environment, version)? {
            let message = format!("remove release {version}: {id} still runs in it");
            return Err(Failure::new(Blame::Request, message)
                .hint("the next deployment removes it, once that has ended")
                .hint(format!("`cutover run --stop {id}` ends it now")));
        }
        let records: Vec<_> = self
            .records(environment)?
            .into_iter()
            .filter(|record| record.version == version)
            .collect();
        let directory = self.layout.release(environment, version);
        let is_there = is_directory(&directory)?;
        if is_there && records.is_empty() {
            let message = format!("remove {}: it was not made here", directory.display());
            return Err(Failure::new(Blame::Request, message).hint("remove it by hand, if you may"));
        }
        if is_there {
            let trash = self.trash_place(environment, version);
            file::rename(&directory, &trash)
                .map_err(|error| file::failure("move away", &directory, &error))?;
        }
        for record in records {
            remove_file(&self.layout.record(environment, &record.id))?;
        }
        let brought = self.brought(environment, version);
        file::remove_tree(&brought).map_err(|error| file::failure("remove", &brought, &error))?;
        for kind in ["json", "list"] {
            remove_file(&self.layout.contents(environment).join(format!("{version}.{kind}")))?;
        }
        self.empty_trash(environment)
    }

    fn trash_place(&self, environment: &EnvironmentId, version: &str) -> PathBuf {
        let at_ms = crate::clock::unix_ms();
        self.layout.releases(environment).join(format!("{TRASH}{version}-{at_ms}"))
    }
}

pub(super) fn read_artifact(path: &Path) -> Result<Option<Artifact>, Failure> {
    let bytes = file::read(path).map_err(|error| file::failure("read", path, &error))?;
    bytes
        .map(|it| serde_json::from_slice(&it))
        .transpose()
        .map_err(|error| file::failure("understand", path, &error.into()))
}

pub(super) fn is_directory(path: &Path) -> Result<bool, Failure> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file::failure("look at", path, &error)),
    }
}

pub(super) fn remove_file(path: &Path) -> Result<(), Failure> {
    file::remove(path).map_err(|error| file::failure("remove", path, &error))
}

pub(super) fn gone(version: &str) -> Failure {
    Failure::new(Blame::Platform, format!("use release {version}: its content is missing"))
        .hint("deploy it again, or choose another of `cutover releases`")
}

/// Something that is no link is somebody else's, and stays.
fn remove_link(link: &Path) -> Result<(), Failure> {
    if !fs::symlink_metadata(link).is_ok_and(|it| it.is_symlink()) {
        return Ok(());
    }
    file::remove(link).map_err(|error| file::failure("remove the link", link, &error))
}

fn refuse_what_is_no_link(link: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(link) {
        Ok(metadata) if !metadata.is_symlink() => {
            let message = format!("swap {}: it is no link, and not made here", link.display());
            Err(Failure::new(Blame::Platform, message)
                .hint("move it away, then run the same command again"))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file::failure("look at", link, &error)),
    }
}
