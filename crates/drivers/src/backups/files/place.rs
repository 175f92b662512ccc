//! An archive, in the place of a directory or a file.

use super::{DEPTH_MAX, ROOT, unreadable};
use crate::{backups::bounds::Bounds, file};
use model::failure::{Blame, Failure};
use rustix::{
    fd::OwnedFd,
    fs::{
        AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, chownat, fchmod,
        fchown, futimens, mkdirat, openat, renameat, renameat_with, symlinkat, syncfs,
    },
    io::Errno,
    process::geteuid,
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::{Component, Path},
};

/// Unpacks beside `path`, and exchanges the two in one step; what was there is removed.
pub(in crate::backups) fn place(
    bounds: &Bounds<'_>,
    path: &Path,
    from: &mut dyn Read,
) -> Result<(), Failure> {
    let failed = |error: io::Error| file::failure("restore", path, &error);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Failure::new(Blame::Request, "restore a path without a name"));
    };
    file::make_directory(parent, file::MODE_PUBLIC_DIRECTORY).map_err(failed)?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(".cutover-restore");
    let temporary = Removed(parent.join(&beside));
    file::remove_tree(&temporary.0).map_err(failed)?;
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = || -> io::Result<(OwnedFd, OwnedFd)> {
        let parent = openat(CWD, parent, directory, Mode::empty())?;
        mkdirat(&parent, &beside, Mode::from_raw_mode(file::MODE_PRIVATE_DIRECTORY))?;
        let work = openat(&parent, &beside, directory | OFlags::NOFOLLOW, Mode::empty())?;
        Ok((parent, work))
    };
    let (parent, work) = open().map_err(failed)?;
    unpack(bounds, &work, from)?;
    let swap = || -> io::Result<()> {
        syncfs(&work)?;
        match renameat_with(&work, ROOT, &parent, name, RenameFlags::EXCHANGE) {
            Err(Errno::NOENT) => renameat(&work, ROOT, &parent, name)?,
            swapped => swapped?,
        }
        File::from(parent.try_clone()?).sync_all()
    };
    swap().map_err(|error| {
        let failure = failed(error);
        failure.hint("a mount point cannot be exchanged: name the directories below it")
    })
}

fn unpack(bounds: &Bounds<'_>, work: &OwnedFd, from: &mut dyn Read) -> Result<(), Failure> {
    let mut archive = tar::Archive::new(from);
    let mut directories = vec![];
    for entry in archive.entries().map_err(|it| unreadable(&it))? {
        bounds.wanted()?;
        let mut entry = entry.map_err(|it| unreadable(&it))?;
        let shown = String::from_utf8_lossy(&entry.path_bytes()).escape_debug().to_string();
        let placed = parts(&entry).and_then(|parts| one(work, &parts, &mut entry));
        let placed = placed.map_err(|error| {
            Failure::new(Blame::Platform, format!("restore `{shown}`: {error}"))
        })?;
        directories.extend(placed);
    }
    // Last, since a directory's own mode may forbid to write into it.
    for (parts, owner) in directories.iter().rev() {
        let given = parent(work, parts).and_then(|it| owner.give(&it));
        given.map_err(|it| file::failure("restore", Path::new(ROOT), &it))?;
    }
    Ok(())
}

/// The names on the way to an entry; what could lead elsewhere is refused.
pub(super) fn parts<R: Read>(entry: &tar::Entry<'_, R>) -> io::Result<Vec<OsString>> {
    let path = entry.path()?;
    let mut parts = vec![];
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_owned()),
            _ => return Err(io::Error::other("its path leads elsewhere")),
        }
    }
    let kind = entry.header().entry_type();
    if !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
        return Err(io::Error::other("it is neither a file, a directory nor a link"));
    }
    if parts.first().is_none_or(|it| it != ROOT) || parts.len() > DEPTH_MAX + 1 {
        return Err(io::Error::other("its path is none of ours"));
    }
    Ok(parts)
}

/// Whose it is, and since when.
struct Owner {
    mode: u32,
    uid: u32,
    gid: u32,
    modified_s: i64,
}

impl Owner {
    fn of(header: &tar::Header) -> io::Result<Owner> {
        let number = |it: u64| u32::try_from(it).map_err(io::Error::other);
        Ok(Owner {
            mode: header.mode()? & 0o7777,
            uid: number(header.uid()?)?,
            gid: number(header.gid()?)?,
            modified_s: i64::try_from(header.mtime()?).map_err(io::Error::other)?,
        })
    }

    fn give(&self, opened: &OwnedFd) -> io::Result<()> {
        if geteuid().is_root() {
            fchown(opened, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
        }
        fchmod(opened, Mode::from_raw_mode(self.mode))?;
        let time = Timespec { tv_sec: self.modified_s, tv_nsec: 0 };
        Ok(futimens(opened, &Timestamps { last_access: time, last_modification: time })?)
    }
}

/// Places one entry; gives a directory, which is given to its owner at the end.
fn one<R: Read>(
    work: &OwnedFd,
    parts: &[OsString],
    entry: &mut tar::Entry<'_, R>,
) -> io::Result<Option<(Vec<OsString>, Owner)>> {
    let owner = Owner::of(entry.header())?;
    let (Some(name), flags) = (parts.last(), OFlags::NOFOLLOW | OFlags::CLOEXEC) else {
        return Ok(None);
    };
    let parent = parent(work, &parts[..parts.len() - 1])?;
    let kind = entry.header().entry_type();
    if kind.is_dir() {
        mkdirat(&parent, name, Mode::from_raw_mode(file::MODE_PRIVATE_DIRECTORY))?;
        return Ok(Some((parts.to_vec(), owner)));
    }
    if kind.is_symlink() {
        let target = entry.link_name_bytes().ok_or_else(|| io::Error::other("it leads nowhere"))?;
        symlinkat(OsStr::from_bytes(&target), &parent, name)?;
        if geteuid().is_root() {
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            chownat(&parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        return Ok(None);
    }
    let flags = flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let opened = openat(&parent, name, flags, Mode::from_raw_mode(file::MODE_PRIVATE))?;
    let mut file = File::from(opened);
    io::copy(entry, &mut file)?;
    owner.give(&file.into())?;
    Ok(None)
}

/// The directory that the names lead to, by no link.
fn parent(work: &OwnedFd, parts: &[OsString]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut opened = work.as_fd().try_clone_to_owned()?;
    for part in parts {
        opened = openat(&opened, part, flags, Mode::empty())?;
    }
    Ok(opened)
}

/// What is left beside goes, however the call ends.
struct Removed(std::path::PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = file::remove_tree(&self.0);
    }
}
