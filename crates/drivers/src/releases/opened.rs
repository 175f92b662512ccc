//! A directory that whoever sends it opened and handed over: read, hashed and written at once.
//!
//! Nothing outside it can be reached by it: no link is followed, and no other file system entered.

mod copying;
mod survey;

pub use copying::Told;

use super::{
    DirectoryReleases,
    arrival::Arrival,
    content::{Content, Entry},
    links::refuse_links_out,
    refusal::refused,
    upload::{Incoming, Received},
};
use crate::file;
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    name::EnvironmentId,
};
use rustix::{fs as unix, io::Errno};
use std::{
    ffi::OsStr,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

/// Of file systems that answer by themselves: reading from them waits for no other machine, and for
/// no program.
const LOCAL: [u64; 7] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs
    0x794c_7630, // overlay
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
];

/// What came of a directory that was handed over.
#[derive(Debug)]
pub enum Taken {
    /// All of it was taken.
    Received(Received),
    /// It cannot be read this way, for a reason that is nobody's fault: it must be sent.
    SendIt(String),
}

/// Why a directory was not taken.
enum Stop {
    Failure(Failure),
    SendIt(String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failure(failure)
    }
}

/// Whether a directory may be handed over: one that others serve could hold up who reads it.
pub fn may_hand_over(directory: &OwnedFd) -> bool {
    let kind = unix::fstatfs(directory).map(|it| u64::try_from(it.f_type).unwrap_or(0));
    kind.is_ok_and(|it| LOCAL.contains(&it))
}

/// Opens a directory to hand it over.
///
/// # Errors
///
/// As the system says.
pub fn open(directory: &Path) -> io::Result<OwnedFd> {
    use unix::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(unix::open(directory, flags, Mode::empty())?)
}

impl DirectoryReleases {
    /// Copies an open directory into `incoming/DEPLOYMENT/`, without what never becomes part of a
    /// release.
    ///
    /// Nothing in it is trusted.  `admit` is asked before anything is written whether so many bytes
    /// have room.  Taking again replaces what was taken.  Blocks.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, is refused, or cannot be written.
    pub fn take_opened(
        &self,
        environment: &EnvironmentId,
        deployment: &DeploymentId,
        directory: &OwnedFd,
        admit: &dyn Fn(u64) -> Result<(), Failure>,
        told: &Told,
    ) -> Result<Taken, Failure> {
        let mut elsewhere = None;
        let taken = self.take_in(environment, &deployment.0, None, "an upload", |incoming| {
            self.copied(directory, incoming, admit, told).map_err(|stop| match stop {
                Stop::Failure(failure) => failure,
                Stop::SendIt(why) => {
                    elsewhere = Some(why);
                    Failure::new(Blame::Platform, "take a directory that must be sent")
                }
            })
        });
        match elsewhere {
            Some(why) => Ok(Taken::SendIt(why)),
            None => taken.map(Taken::Received),
        }
    }

    fn copied(
        &self,
        directory: &OwnedFd,
        incoming: &Incoming,
        admit: &dyn Fn(u64) -> Result<(), Failure>,
        told: &Told,
    ) -> Result<Arrival, Stop> {
        let root = self.layout.root();
        let own = unix::stat(root).map_err(|it| file::failure("look at", root, &it.into()))?;
        let survey = survey::look(directory, (own.st_dev, own.st_ino))?;
        let link =
            |(path, target): &(Vec<u8>, Vec<u8>)| (path.clone(), Entry::link(target.clone()));
        refuse_links_out(&Content { entries: survey.links.iter().map(link).collect() })?;
        admit(survey.bytes)?;
        told.begin(survey.bytes);
        let entries = copying::copy(directory, &incoming.partial, survey, told)?;
        let content = Content { entries };
        Ok(Arrival { content, directory: incoming.partial.clone(), notes: vec![] })
    }
}

/// What an error at a path in the directory means.
fn unread(path: &[u8], error: Errno) -> Stop {
    match error {
        // Another file system begins there; or the kernel, or a filter before it, does not know how
        // to stay below a directory.
        Errno::XDEV => Stop::SendIt(format!("`{}` is on another file system", shown(path))),
        Errno::NOSYS | Errno::PERM => Stop::SendIt(format!("reading it is refused: {error}")),
        // A link took the place of what was there.
        Errno::LOOP | Errno::NOENT | Errno::NOTDIR => Stop::Failure(changed(path)),
        _ => {
            let message = format!("read `{}` of the directory to send: {error}", shown(path));
            Stop::Failure(Failure::new(Blame::Request, message))
        }
    }
}

fn changed(path: &[u8]) -> Failure {
    refused(path, "changed while it was read").hint("send a directory that nothing writes to")
}

fn shown(path: &[u8]) -> String {
    super::refusal::shown(if path.is_empty() { b"." } else { path })
}

/// A directory in it, reached through directories alone.
fn below(root: &OwnedFd, path: &[u8], flags: unix::OFlags) -> Result<OwnedFd, Errno> {
    use unix::{Mode, OFlags, ResolveFlags};
    let stay = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let path = if path.is_empty() { b".".as_slice() } else { path };
    let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
    unix::openat2(root, OsStr::from_bytes(path), flags, Mode::empty(), stay)
}
