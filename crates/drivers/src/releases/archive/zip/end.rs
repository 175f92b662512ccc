//! The end of a zip archive, which says where its directory is.

use super::{broken, bytes_at, fields::Fields};
use crate::releases::{
    limits::ENTRIES_MAX,
    refusal::{beyond, unread},
};
use model::failure::Failure;
use std::fs::File;

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: usize = 20;
const LARGE_END: &[u8] = b"PK\x06\x06";
const LARGE_END_BYTES: usize = 56;
/// What the large end says of its own length: without these twelve bytes.
const LARGE_END_SAID_BYTES: u64 = 44;

/// Of the directory: it is held in memory.
const DIRECTORY_BYTES_MAX: u64 = 64 << 20;

/// Where the directory is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) entries: u64,
    pub(super) directory_at: u64,
    pub(super) directory_bytes: u64,
}

impl End {
    pub(super) fn find(file: &File) -> Result<End, Failure> {
        let length = file.metadata().map_err(|error| unread(b"", &error))?.len();
        let tail_bytes = length.min((END_BYTES + usize::from(u16::MAX)) as u64);
        let tail_at = length - tail_bytes;
        let tail = bytes_at(file, tail_at, usize::try_from(tail_bytes).unwrap_or(0), b"")?;
        let start = only_end(&tail)?;
        let at = tail_at + start as u64;
        let said = short(&tail[start..]).ok_or_else(|| broken("is one of several parts"))?;
        let (end, directory_end) = match large(file, at)? {
            Some((large_at, large)) if said.is_of(&large) => (large, large_at),
            Some(_) => return Err(broken("has two ends that say different things")),
            None => (said, at),
        };
        if end.directory_at.checked_add(end.directory_bytes) != Some(directory_end) {
            return Err(broken("does not end where its directory ends"));
        }
        if end.entries > ENTRIES_MAX as u64 {
            return Err(beyond(&format!("more than {ENTRIES_MAX} files and directories")));
        }
        if end.directory_bytes > DIRECTORY_BYTES_MAX {
            return Err(beyond(&format!("a directory of more than {DIRECTORY_BYTES_MAX} bytes")));
        }
        Ok(end)
    }

    /// Whether it is the short form of a large end: what does not fit is all ones.
    fn is_of(&self, large: &End) -> bool {
        let fits = |short: u64, large: u64, ones: u64| short == large || short == ones;
        fits(self.entries, large.entries, u16::MAX.into())
            && fits(self.directory_at, large.directory_at, u32::MAX.into())
            && fits(self.directory_bytes, large.directory_bytes, u32::MAX.into())
    }
}

/// Where the end starts in the last bytes: it is the only one that reaches to the last byte, and a
/// comment has nothing in it that looks like another.
fn only_end(tail: &[u8]) -> Result<usize, Failure> {
    let comment = |at: usize| Fields::new(tail.get(at + END_BYTES - 2..)?).u16();
    let starts: Vec<usize> = (0..tail.len()).filter(|at| tail[*at..].starts_with(END)).collect();
    let fits = |at: &&usize| comment(**at).map(|it| **at + END_BYTES + usize::from(it));
    let mut fitting = starts.iter().filter(|at| fits(at) == Some(tail.len()));
    match (fitting.next(), fitting.next()) {
        (Some(at), None) if starts.last() == Some(at) => Ok(*at),
        (None, _) => Err(broken("has no end, or more than a comment after it")),
        _ => Err(broken("has two ends")),
    }
}

fn short(bytes: &[u8]) -> Option<End> {
    let mut fields = Fields::new(bytes.get(END.len()..)?);
    let (disk, directory_disk) = (fields.u16()?, fields.u16()?);
    let (entries_here, entries) = (fields.u16()?, fields.u16()?);
    let (directory_bytes, directory_at) = (fields.u32()?.into(), fields.u32()?.into());
    let is_whole = disk == 0 && directory_disk == 0 && entries_here == entries;
    is_whole.then_some(End { entries: entries.into(), directory_at, directory_bytes })
}

/// The end of archives that do not fit into 32 bits, and where it starts, if the end at `at` is led
/// by one.
fn large(file: &File, at: u64) -> Result<Option<(u64, End)>, Failure> {
    let Some(locator_at) = at.checked_sub(LOCATOR_BYTES as u64) else { return Ok(None) };
    let locator = bytes_at(file, locator_at, LOCATOR_BYTES, b"")?;
    if !locator.starts_with(LOCATOR) {
        return Ok(None);
    }
    let odd = || broken("has a large end that is broken");
    let large_at = locator_at.checked_sub(LARGE_END_BYTES as u64).ok_or_else(odd)?;
    let bytes = bytes_at(file, large_at, LARGE_END_BYTES, b"")?;
    let is_located = located(&locator) == Some(large_at);
    let end = large_end(&bytes).filter(|_| is_located).ok_or_else(odd)?;
    Ok(Some((large_at, end)))
}

fn located(locator: &[u8]) -> Option<u64> {
    let mut fields = Fields::new(locator.get(LOCATOR.len()..)?);
    let (disk, at, disks) = (fields.u32()?, fields.u64()?, fields.u32()?);
    (disk == 0 && disks == 1).then_some(at)
}

fn large_end(bytes: &[u8]) -> Option<End> {
    let mut fields = Fields::new(bytes.strip_prefix(LARGE_END)?);
    let said_bytes = fields.u64()?;
    let _versions = fields.u32()?;
    let (disk, directory_disk) = (fields.u32()?, fields.u32()?);
    let (entries_here, entries) = (fields.u64()?, fields.u64()?);
    let (directory_bytes, directory_at) = (fields.u64()?, fields.u64()?);
    let is_whole = disk == 0
        && directory_disk == 0
        && entries_here == entries
        && said_bytes == LARGE_END_SAID_BYTES;
    is_whole.then_some(End { entries, directory_at, directory_bytes })
}
