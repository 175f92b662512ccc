//! What was asked of the controller, by whom, and how it ended: a file that says when it was
//! changed afterwards.
//!
//! Each line is sealed by a hash of its words and of the seal before it.  Who may write the file
//! can write all of it anew; a seal that was noted elsewhere then stands in it no more.

mod line;
mod read;

pub use line::{Entry, Happened};
pub use read::{Audit, read};

use crate::file;
use line::Line;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A file that is larger is moved aside when the next line comes.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Files that were moved aside and are kept: `audit.log.1` is the newest.
const FILES_KEPT: u32 = 7;
/// Under the state directory.
const NAME: &str = "audit.log";

/// The one writer of an audit file; its controller has the lock of the state directory.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    number: u64,
    seal: String,
    bytes: u64,
}

impl AuditLog {
    /// Goes on after the last whole line.  What a power cut left of a line is taken away.  Blocks.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or cut.
    pub fn open(root: &Path) -> io::Result<AuditLog> {
        let path = root.join(NAME);
        let bytes = file::read(&path)?.unwrap_or_default();
        let whole = bytes.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        if whole < bytes.len() {
            let cut = OpenOptions::new().write(true).open(&path)?;
            cut.set_len(whole as u64)?;
            cut.sync_all()?;
        }
        let mut last = read::last_of(&bytes[..whole]);
        if whole == 0 {
            let before = file::read(&aside(&path, 1))?.unwrap_or_default();
            last = read::last_of(&before);
        }
        let (number, seal) = last.unwrap_or_default();
        let last = Last { number, seal, bytes: whole as u64 };
        Ok(AuditLog { path, last: Mutex::new(last) })
    }

    /// Writes one entry, durable when it returns.  Blocks.
    ///
    /// # Errors
    ///
    /// Where it cannot be written; then the file is as before, or ends in a part of a line.
    pub fn write(&self, entry: Entry) -> io::Result<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.bytes > FILE_BYTES_MAX {
            self.move_aside()?;
            last.bytes = 0;
        }
        let line = Line::after(last.number, &last.seal, entry);
        let mut text = serde_json::to_vec(&line).map_err(io::Error::other)?;
        text.push(b'\n');
        let is_new = last.bytes == 0;
        let mut file = self.appended()?;
        // What an earlier failure left of a line must not stand before this one.
        file.set_len(last.bytes)?;
        file.write_all(&text)?;
        file.sync_data()?;
        if is_new && let Some(directory) = self.path.parent() {
            file::sync_directory(directory)?;
        }
        *last =
            Last { number: line.number, seal: line.seal, bytes: last.bytes + text.len() as u64 };
        Ok(())
    }

    fn appended(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(file::MODE_PRIVATE).open(&self.path)
    }

    fn move_aside(&self) -> io::Result<()> {
        for number in (0..FILES_KEPT).rev() {
            let from = if number == 0 { self.path.clone() } else { aside(&self.path, number) };
            match fs::rename(&from, aside(&self.path, number + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => (),
            }
        }
        Ok(())
    }
}

fn aside(path: &Path, number: u32) -> PathBuf {
    path.with_file_name(format!("{NAME}.{number}"))
}

#[cfg(test)]
mod tests;
