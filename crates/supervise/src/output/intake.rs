//! One FIFO: its reading end, and what is not yet a whole line.

use crate::spec::User;
use model::redact::Redactor;
use rustix::{
    fs::{CWD, Gid, Mode, OFlags, Uid, mkfifoat},
    io::Errno,
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

/// A longer line is split.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024;
/// Room for what the child writes while nobody reads.
const FIFO_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Intake {
    path: PathBuf,
    descriptor: OwnedFd,
    buffer: Vec<u8>,
    filled: usize,
    spare: Vec<u8>,
}

impl Intake {
    pub(super) fn open(path: PathBuf, owner: Option<User>) -> io::Result<Self> {
        match mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // Both ends are ours, too, so that it never reports a hang-up while no child runs.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(&path, flags, Mode::empty())?;
        if let Some(owner) = owner {
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            // Only for apps that open /dev/stdout again; all others have the descriptor.
            let _ = rustix::fs::fchown(&descriptor, Some(uid), Some(gid));
        }
        // Refused beyond a user's quota of pipe memory: then it is shorter, and works as well.
        let _ = rustix::pipe::fcntl_setpipe_size(&descriptor, FIFO_BYTES);
        Ok(Self { path, descriptor, buffer: Vec::new(), filled: 0, spare: Vec::new() })
    }

    /// Opened for reading and writing, so that the writer outlives every reader.
    pub(super) fn writer(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&self.path, flags, Mode::empty())?)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The next whole lines, maybe none of them yet; none at all where the FIFO is empty.  A line
    /// that is too long is split, but not within what `redactor` masks.
    pub(super) fn next_lines(&mut self, redactor: &Redactor) -> Option<Vec<u8>> {
        self.buffer.resize(LINE_BYTES_MAX, 0);
        let read = rustix::io::read(&self.descriptor, &mut self.buffer[self.filled..]).ok()?;
        if read == 0 {
            return None;
        }
        let end = self.filled + read;
        let new = &self.buffer[self.filled..end];
        let whole = match new.iter().rposition(|byte| *byte == b'\n') {
            Some(position) => self.filled + position + 1,
            None if end == LINE_BYTES_MAX => redactor.cut(&self.buffer[..end]),
            None => 0,
        };
        let mut lines = std::mem::take(&mut self.spare);
        lines.clear();
        lines.extend_from_slice(&self.buffer[..whole]);
        if lines.last().is_some_and(|last| *last != b'\n') {
            lines.push(b'\n');
        }
        self.buffer.copy_within(whole..end, 0);
        self.filled = end - whole;
        Some(lines)
    }

    /// The memory of written lines, for the next ones.
    pub(super) fn give_back(&mut self, lines: Vec<u8>) {
        self.spare = lines;
    }

    /// The last, unended line, ended.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        if self.filled == 0 {
            return None;
        }
        let mut line = self.buffer[..self.filled].to_vec();
        line.push(b'\n');
        self.filled = 0;
        Some(line)
    }
}
