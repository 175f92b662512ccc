//! One log file that several `supervise` processes append to, and that any of them rotates.

use rustix::fs::{FlockOperation, flock};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How often, and how far apart, a lock that another process holds is tried.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Held while lines are appended, so that nobody rotates in between.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: Option<File>,
    tries: u32,
}

impl Lock {
    /// One lock for the three files of an environment.
    pub(super) fn beside(combined: &Path) -> Self {
        Self { path: with_suffix(combined, "lock"), file: None, tries: LOCK_TRIES }
    }

    /// Whether it is ours now.  Its holder may be stopped by somebody: no app waits for that.
    pub(super) fn take(&mut self) -> bool {
        if self.file.is_none() {
            self.file = open_for_append(&self.path).ok();
        }
        let Some(file) = &self.file else { return false };
        for left in (0..self.tries).rev() {
            if flock(file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                self.tries = LOCK_TRIES;
                return true;
            }
            if left > 0 {
                thread::sleep(LOCK_PAUSE);
            }
        }
        self.tries = 1;
        false
    }

    pub(super) fn release(&self) {
        if let Some(file) = &self.file {
            // An unlock of what is not locked is no error, and nothing else can fail.
            let _ = flock(file, FlockOperation::Unlock);
        }
    }
}

/// A file of at most `bytes_max`, and `count` older ones: `NAME.1` is the youngest of them.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    bytes_max: u64,
    count: u32,
    file: Option<File>,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, bytes_max: u64, count: u32) -> Self {
        Self { path, bytes_max, count, file: None }
    }

    /// Appends whole lines.  Without the lock nothing is rotated; what does not fit is an error.
    pub(super) fn append(&mut self, lines: &[u8], may_rotate: bool) -> io::Result<()> {
        let mut rest = lines;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.piece_length(rest));
            self.append_piece(piece, may_rotate)?;
            rest = after;
        }
        Ok(())
    }

    fn append_piece(&mut self, piece: &[u8], may_rotate: bool) -> io::Result<()> {
        let mut size = self.open()?;
        if size > 0 && size + piece.len() as u64 > self.bytes_max {
            if !may_rotate {
                return Err(io::Error::from(io::ErrorKind::WouldBlock));
            }
            self.rotate()?;
            size = self.open()?;
        }
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let result = file.write_all(piece);
        if result.is_err() && may_rotate {
            // Half a line would run into the next one; under the lock nobody else's is behind it.
            let _ = file.set_len(size);
        }
        result
    }

    /// As many whole lines as fit into a file, at least one.
    fn piece_length(&self, lines: &[u8]) -> usize {
        let fitting = usize::try_from(self.bytes_max).unwrap_or(usize::MAX);
        if lines.len() <= fitting {
            return lines.len();
        }
        let is_end = |byte: &u8| *byte == b'\n';
        let end = lines[..fitting].iter().rposition(is_end);
        let end = end.or_else(|| lines.iter().position(is_end));
        end.map_or(lines.len(), |position| position + 1)
    }

    /// Its size; opened again where somebody rotated or removed it.
    fn open(&mut self) -> io::Result<u64> {
        if let (Some(file), Ok(named)) = (&self.file, fs::metadata(&self.path)) {
            let ours = file.metadata()?;
            if (ours.ino(), ours.dev()) == (named.ino(), named.dev()) {
                return Ok(ours.len());
            }
        }
        let file = open_for_append(&self.path)?;
        let size = file.metadata()?.len();
        self.file = Some(file);
        Ok(size)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |number: u32| with_suffix(&self.path, &number.to_string());
        if self.count == 0 {
            return self.file.as_ref().map_or(Ok(()), |file| file.set_len(0));
        }
        for number in (1..self.count).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, numbered(1))?;
        self.file = None;
        Ok(())
    }
}

fn open_for_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(Path::new("/"));
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            options.open(path)
        }
        result => result,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(".");
    name.push(suffix);
    name.into()
}
