//! What holds for one piece of work: where, how long, and whether it is still wanted.

use model::failure::{Blame, Failure};
use std::{
    io::{self, ErrorKind, Read, Write},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Copied at a time.
const CHUNK_BYTES: usize = 128 * 1024;
/// Of what a program says, where we read it as text.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// Where it is done, how long it may take, and who ends it.
pub(super) struct Bounds<'b> {
    /// A directory that only we read, and that goes when the work ends.
    pub(super) work: &'b Path,
    /// For one program.
    pub(super) time_limit: Duration,
    /// Somebody does not want it any more.
    pub(super) cancelled: &'b AtomicBool,
}

impl Bounds<'_> {
    /// Fails once it is not wanted any more.
    pub(super) fn wanted(&self) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Failure::new(Blame::Request, "go on: it was given up"));
        }
        Ok(())
    }

    /// Copies everything.
    pub(super) fn copied(&self, from: &mut dyn Read, to: &mut dyn Write) -> Result<(), Failure> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            self.wanted()?;
            let read = match from.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => self.done("read", read)?,
            };
            self.done("write", to.write_all(&chunk[..read]))?;
        }
    }

    /// What a call that writes came to.
    pub(super) fn written<T>(&self, result: io::Result<T>) -> Result<T, Failure> {
        self.done("write", result)
    }

    /// All of it, as text.
    pub(super) fn text(&self, from: &mut dyn Read) -> Result<String, Failure> {
        let mut text = vec![];
        self.done("read", from.take(TEXT_BYTES_MAX).read_to_end(&mut text))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn done<T>(&self, doing: &str, result: io::Result<T>) -> Result<T, Failure> {
        result.map_err(|error| {
            let failure = Failure::new(Blame::Platform, format!("{doing}: {error}"));
            match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    failure.hint("free space on this file system, then try again")
                }
                ErrorKind::TimedOut => failure.hint("raise `time_limit` of the `backup:`"),
                _ => failure,
            }
        })
    }
}
