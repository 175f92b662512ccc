//! The content of a zip entry, unpacked and summed up.

use super::directory::{Entry, Method};
use crate::releases::refusal::refused;
use flate2::{Crc, bufread::DeflateDecoder};
use model::failure::Failure;
use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
};

const BUFFER_BYTES: usize = 64 * 1024;

/// Reads one entry's content.
pub(super) struct Contents<'a> {
    packed: Packed<'a>,
    checksum: Crc,
}

enum Packed<'a> {
    Stored(Stretch<'a>),
    Deflated(DeflateDecoder<BufReader<Stretch<'a>>>),
}

impl<'a> Contents<'a> {
    pub(super) fn new(file: &'a File, entry: &Entry, at: u64) -> Contents<'a> {
        let stretch = Stretch { file, at, left: entry.packed_bytes };
        let packed = match entry.method {
            Method::Stored => Packed::Stored(stretch),
            Method::Deflated => Packed::Deflated(DeflateDecoder::new(BufReader::with_capacity(
                BUFFER_BYTES,
                stretch,
            ))),
        };
        Contents { packed, checksum: Crc::new() }
    }

    /// All of it was read, and is what was packed.
    pub(super) fn expect_whole(self, entry: &Entry) -> Result<(), Failure> {
        let read_bytes = match &self.packed {
            Packed::Stored(stretch) => entry.packed_bytes - stretch.left,
            Packed::Deflated(decoder) => decoder.total_in(),
        };
        if read_bytes != entry.packed_bytes {
            return Err(refused(&entry.path, "is shorter than the bytes that it was packed to"));
        }
        if self.checksum.sum() != entry.checksum {
            return Err(refused(&entry.path, "has a wrong checksum")
                .hint("make the archive anew and send it again: it is damaged"));
        }
        Ok(())
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.packed {
            Packed::Stored(stretch) => stretch.read(into),
            Packed::Deflated(decoder) => decoder.read(into),
        }?;
        self.checksum.update(&into[..read]);
        Ok(read)
    }
}

/// Some bytes of a file.
struct Stretch<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(&mut into[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
