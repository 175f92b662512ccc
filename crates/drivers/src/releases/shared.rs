//! What all releases of an environment share: links into `shared/`, made while a release is
//! staged.
//!
//! What the release itself brought at such a path is kept beside its list, so that its content is
//! whole wherever it is sent on to.  Nothing here removes, or is done to, what is shared already.

use super::DirectoryReleases;
use crate::{
    account::{Account, account},
    file,
};
use model::{
    failure::{Blame, Failure},
    name::EnvironmentId,
    service::EnvironmentSpec,
    shared::{DIRECTORY, target},
};
use rustix::fs::{AtFlags, CWD, Gid, Uid, chownat};
use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    io::{self, ErrorKind},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

impl DirectoryReleases {
    /// `shared/` of an environment.
    pub(super) fn shared_root(&self, environment: &EnvironmentId) -> PathBuf {
        self.layout.environment(environment).join(DIRECTORY)
    }

    /// What a version brought at shared paths, in [`ORIGINALS`].
    pub(super) fn brought(&self, environment: &EnvironmentId, version: &str) -> PathBuf {
        self.layout.contents(environment).join(format!("{version}.{DIRECTORY}"))
    }

    /// Puts a link in the place of everything that is shared, in content that is about to be put
    /// in its place.  What is not shared yet is copied from the content; what is, stays as it is.
    /// May be repeated, wherever it was cut short.
    pub(super) fn link_shared(
        &self,
        directory: &Path,
        spec: &EnvironmentSpec,
        version: &str,
    ) -> Result<(), Failure> {
        if spec.shared.is_empty() {
            return Ok(());
        }
        if let Some((name, why)) = spec.shared.problem() {
            let message = format!("share `{}`: it {why}", name.escape_debug());
            return Err(Failure::new(Blame::Request, message));
        }
        let root = self.shared_root(&spec.id);
        let brought = self.brought(&spec.id, version);
        let owner = owner(spec)?;
        for (name, is_directory) in spec.shared.all() {
            let sharing = Sharing {
                directory,
                root: &root,
                brought: &brought,
                name,
                is_directory,
                owner: &owner,
            };
            sharing.share()?;
        }
        Ok(())
    }
}

/// Who runs all services, if that is one user.
fn owner(spec: &EnvironmentSpec) -> Result<Option<Account>, Failure> {
    let users: Vec<_> = spec.services.iter().map(|it| it.user.as_deref()).collect();
    match users.first() {
        Some(Some(user)) if users.iter().all(|it| *it == Some(user)) => account(user).map(Some),
        _ => Ok(None),
    }
}

/// One name.
struct Sharing<'a> {
    /// The release's content.
    directory: &'a Path,
    /// `shared/`.
    root: &'a Path,
    /// Where what the release brings is kept.
    brought: &'a Path,
    name: &'a str,
    is_directory: bool,
    owner: &'a Option<Account>,
}

impl Sharing<'_> {
    fn share(&self) -> Result<(), Failure> {
        let place = self.directory.join(self.name);
        let kept = self.root.join(self.name);
        self.make_parents(self.directory, "the release", file::MODE_PUBLIC_DIRECTORY)?;
        make(self.root, file::MODE_PUBLIC_DIRECTORY)?;
        self.make_parents(self.root, "`shared/`", file::MODE_PUBLIC_DIRECTORY)?;
        let target = target(self.name.as_bytes());
        if is_link_to(&place, &target) {
            return Ok(());
        }
        self.put_aside(&place)?;
        let original = self.original();
        match (look(&kept)?, look(&original)?) {
            (Some(_), Some(_)) => tracing::info!(
                "`{}` is shared and stays as it is: what the release brings there is left out",
                self.name
            ),
            (Some(_), None) => {}
            (None, Some(_)) => self.begin_with(&original, &kept)?,
            (None, None) if self.is_directory => {
                make(&kept, file::MODE_PUBLIC_DIRECTORY)?;
                self.give(&kept)?;
            }
            // The application makes it.
            (None, None) => {}
        }
        symlink(OsStr::from_bytes(&target), &place)
            .map_err(|error| file::failure("make the link", &place, &error))
    }

    /// Nothing is made or found through a link, which may lead anywhere.
    fn make_parents(&self, below: &Path, what: &str, mode: u32) -> Result<(), Failure> {
        let mut at = below.to_owned();
        let parents = Path::new(self.name).parent().into_iter().flat_map(Path::components);
        for part in parents {
            at.push(part);
            match look(&at)? {
                Some(metadata) if metadata.is_dir() => {}
                None => make(&at, mode)?,
                Some(_) => {
                    let parent = at.strip_prefix(below).unwrap_or(&at).display();
                    let message = format!(
                        "share `{}`: it lies below `{parent}`, which is no directory of {what}",
                        self.name
                    );
                    return Err(Failure::new(Blame::Release, message)
                        .hint("a shared path goes through no file and no link"));
                }
            }
        }
        Ok(())
    }

    fn original(&self) -> PathBuf {
        self.brought.join(ORIGINALS).join(self.name)
    }

    /// Takes what the release brings out of the link's way.
    fn put_aside(&self, place: &Path) -> Result<(), Failure> {
        let Some(metadata) = look(place)? else { return Ok(()) };
        let fits = if self.is_directory { metadata.is_dir() } else { metadata.is_file() };
        if !fits {
            let kind = if self.is_directory { "directory" } else { "file" };
            let message = format!("share `{}`: in the release it is no {kind}", self.name);
            return Err(Failure::new(Blame::Release, message)
                .hint("name it under the other of `shared: { files, directories }`"));
        }
        let originals = self.brought.join(ORIGINALS);
        make(self.brought, file::MODE_PRIVATE_DIRECTORY)?;
        make(&originals, file::MODE_PRIVATE_DIRECTORY)?;
        self.make_parents(&originals, "its content", file::MODE_PRIVATE_DIRECTORY)?;
        let original = self.original();
        // The same content was staged before, as far as this.
        remove(&original)?;
        file::rename(place, &original).map_err(|error| file::failure("move", place, &error))
    }

    /// The first release that has it brings what all will share: whole, or not at all.
    fn begin_with(&self, original: &Path, kept: &Path) -> Result<(), Failure> {
        let half = self.brought.join(HALF);
        remove(&half)?;
        copy(original, &half)?;
        self.give(&half)?;
        super::stage::sync_file_system(self.brought)?;
        file::rename(&half, kept).map_err(|error| file::failure("move", &half, &error))
    }

    /// To who runs the services, with all below it.
    fn give(&self, path: &Path) -> Result<(), Failure> {
        let Some(owner) = self.owner else { return Ok(()) };
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        let mut open: Vec<PathBuf> = vec![path.to_owned()];
        while let Some(path) = open.pop() {
            let failed = |error: io::Error| file::failure("give away", &path, &error);
            chownat(CWD, &path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| failed(error.into()))?;
            if look(&path)?.is_some_and(|it| it.is_dir()) {
                open.extend(entries(&path)?);
            }
        }
        Ok(())
    }
}

/// By their paths in the release.
pub(super) const ORIGINALS: &str = "originals";
/// A copy that is not whole yet.
const HALF: &str = "half";

/// Copies a file or a directory with all that it holds; links are copied as they are.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut open = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        let failed = |error: io::Error| file::failure("copy", &from, &error);
        let metadata = fs::symlink_metadata(&from).map_err(failed)?;
        if metadata.is_symlink() {
            fs::read_link(&from).and_then(|it| symlink(it, &to)).map_err(failed)?;
        } else if metadata.is_dir() {
            let mode = fs::Permissions::from_mode(metadata.permissions().mode() & 0o777);
            fs::create_dir(&to).and_then(|()| fs::set_permissions(&to, mode)).map_err(failed)?;
            for entry in entries(&from)? {
                let name = entry.file_name().unwrap_or_default().to_owned();
                open.push((entry, to.join(name)));
            }
        } else {
            fs::copy(&from, &to).map_err(failed)?;
        }
    }
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    fs::read_dir(directory)
        .and_then(|it| it.map(|it| Ok(it?.path())).collect())
        .map_err(|error| file::failure("read", directory, &error))
}

/// Whether something in a release leads to what is shared under the same path; `relative` is its
/// path in the release.
pub(super) fn is_shared_link(directory: &Path, relative: &[u8]) -> bool {
    is_link_to(&directory.join(OsStr::from_bytes(relative)), &target(relative))
}

/// Whether it, or a directory that it lies in, is shared.
pub(super) fn is_shared(directory: &Path, relative: &[u8]) -> bool {
    let ends = relative.iter().enumerate().filter(|it| *it.1 == b'/').map(|it| it.0);
    ends.chain([relative.len()]).any(|end| is_shared_link(directory, &relative[..end]))
}

/// Whether a directory holds nothing but links to what is shared, and directories of such.
pub(super) fn holds_only_shared(directory: &Path, relative: &Path) -> bool {
    let path = directory.join(relative);
    if !fs::symlink_metadata(&path).is_ok_and(|it| it.is_dir()) {
        return is_shared_link(directory, relative.as_os_str().as_bytes());
    }
    let Ok(entries) = entries(&path) else { return false };
    let below = |it: &PathBuf| relative.join(it.file_name().unwrap_or_default());
    !entries.is_empty() && entries.iter().all(|it| holds_only_shared(directory, &below(it)))
}

pub(super) fn look(path: &Path) -> Result<Option<Metadata>, Failure> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(file::failure("look at", path, &error)),
    }
}

fn is_link_to(path: &Path, target: &[u8]) -> bool {
    fs::read_link(path).is_ok_and(|it| it.as_os_str().as_bytes() == target)
}

fn make(path: &Path, mode: u32) -> Result<(), Failure> {
    super::make(path, mode)
}

fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match look(path)? {
        None => return Ok(()),
        Some(metadata) if metadata.is_dir() => file::remove_tree(path),
        Some(_) => file::remove(path),
    };
    removed.map_err(|error| file::failure("remove", path, &error))
}
