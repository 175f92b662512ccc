//! What an open directory holds: names, kinds and sizes, nothing read of any file yet.

use super::{Stop, below, unread};
use crate::releases::{
    content::Entry,
    left_out,
    limits::{BYTES_MAX, DEPTH_MAX, ENTRIES_MAX, NAMES_BYTES_MAX, PATH_BYTES_MAX},
    refusal::{beyond, refused},
};
use rustix::{
    fs::{self as unix, AtFlags, Dir, FileType, OFlags},
    io::Errno,
};
use std::{ffi::CString, os::fd::OwnedFd};

/// All that will be taken.
#[derive(Default)]
pub(super) struct Survey {
    /// Parents first; the first is the directory itself.
    pub(super) directories: Vec<Directory>,
    /// Path and target.
    pub(super) links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Sum of the files.
    pub(super) bytes: u64,
    entries: usize,
    names_bytes: usize,
}

/// One directory.
pub(super) struct Directory {
    /// Empty: the one that was handed over.
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    pub(super) files: Vec<Found>,
}

/// One file in a directory.
pub(super) struct Found {
    pub(super) name: CString,
    pub(super) bytes: u64,
}

/// Looks through it; `own`, by device and inode, is our own state directory and stays behind.
pub(super) fn look(root: &OwnedFd, own: (u64, u64)) -> Result<Survey, Stop> {
    let mut survey = Survey::default();
    survey.directories.push(Directory { path: vec![], mode: 0o755, files: vec![] });
    let mut at = 0;
    while at < survey.directories.len() {
        survey.look_into(root, at, own)?;
        at += 1;
    }
    Ok(survey)
}

impl Survey {
    fn look_into(&mut self, root: &OwnedFd, at: usize, own: (u64, u64)) -> Result<(), Stop> {
        let parent = self.directories[at].path.clone();
        let odd = |it: Errno| unread(&parent, it);
        let open = below(root, &parent, OFlags::RDONLY).map_err(odd)?;
        let listed = Dir::read_from(&open).map_err(odd)?;
        for entry in listed {
            let entry = entry.map_err(odd)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || left_out::is_left_out(name.to_bytes()) {
                continue;
            }
            let path = joined(&parent, name.to_bytes());
            let found = unix::statat(&open, name, AtFlags::SYMLINK_NOFOLLOW);
            let found = found.map_err(|it| unread(&path, it))?;
            match FileType::from_raw_mode(found.st_mode) {
                FileType::RegularFile => {
                    self.admit(&path)?;
                    let bytes = u64::try_from(found.st_size).unwrap_or(0);
                    self.count_bytes(&path, bytes)?;
                    self.directories[at].files.push(Found { name: name.to_owned(), bytes });
                }
                FileType::Directory if (found.st_dev, found.st_ino) != own => {
                    self.admit(&path)?;
                    let mode = Entry::directory(found.st_mode).mode;
                    self.directories.push(Directory { path, mode, files: vec![] });
                }
                FileType::Symlink => {
                    self.admit(&path)?;
                    let target = unix::readlinkat(&open, name, vec![]);
                    let target = target.map_err(|it| unread(&path, it))?.into_bytes();
                    self.count_name(&target)?;
                    self.links.push((path, target));
                }
                // Sockets, FIFOs, devices, and our own state.
                _ => {}
            }
        }
        Ok(())
    }

    fn admit(&mut self, path: &[u8]) -> Result<(), Stop> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(beyond(&format!("more than {ENTRIES_MAX} files and directories")).into());
        }
        if path.len() > PATH_BYTES_MAX {
            return Err(refused(path, "has too long a path").into());
        }
        if path.iter().filter(|it| **it == b'/').count() >= DEPTH_MAX {
            let why = format!("lies more than {DEPTH_MAX} directories deep");
            return Err(refused(path, &why).into());
        }
        self.count_name(path)
    }

    fn count_name(&mut self, name: &[u8]) -> Result<(), Stop> {
        self.names_bytes += name.len();
        if self.names_bytes > NAMES_BYTES_MAX {
            return Err(beyond(&format!("more than {NAMES_BYTES_MAX} bytes of names")).into());
        }
        Ok(())
    }

    fn count_bytes(&mut self, path: &[u8], bytes: u64) -> Result<(), Stop> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > BYTES_MAX {
            let most = format!("would make it more than {BYTES_MAX} bytes");
            return Err(refused(path, &most)
                .hint("leave out what the release does not need")
                .into());
        }
        Ok(())
    }
}

pub(super) fn joined(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}
