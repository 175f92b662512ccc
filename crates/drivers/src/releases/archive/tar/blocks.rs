//! The blocks of a tar stream.

use crate::releases::refusal::{cut, refused, unread};
use model::failure::Failure;
use std::io::{self, ErrorKind, Read};

pub(super) const BLOCK_BYTES: usize = 512;
pub(super) type Block = [u8; BLOCK_BYTES];

pub(super) struct Blocks<'a> {
    reader: &'a mut dyn Read,
    last: Vec<u8>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(reader: &'a mut dyn Read) -> Blocks<'a> {
        Blocks { reader, last: vec![] }
    }

    /// What is read now, for whoever is told that it cannot be.
    pub(super) fn name(&mut self, path: &[u8]) {
        self.last = path.to_vec();
    }

    /// The path that was named last.
    pub(super) fn after(&self) -> &[u8] {
        &self.last
    }

    /// The block of the next entry; none where the archive's end is marked.
    pub(super) fn head(&mut self) -> Result<Option<Block>, Failure> {
        let block = self.block()?;
        if block.iter().any(|byte| *byte != 0) {
            return Ok(Some(block));
        }
        if self.block()?.iter().any(|byte| *byte != 0) {
            return Err(refused(&self.last, "is followed by half of an end, and by more"));
        }
        Ok(None)
    }

    /// As many bytes of what follows.
    pub(super) fn data(&mut self, bytes: u64) -> io::Take<&mut dyn Read> {
        (&mut *self.reader as &mut dyn Read).take(bytes)
    }

    /// Skips what fills the last block of so many bytes; gives whether it is zeros.
    pub(super) fn skip_padding(&mut self, bytes: u64) -> Result<bool, Failure> {
        let padding = bytes.wrapping_neg() % BLOCK_BYTES as u64;
        let mut skipped = Vec::with_capacity(BLOCK_BYTES);
        let reading = self.data(padding).read_to_end(&mut skipped);
        reading.map_err(|error| unread(&self.last, &error))?;
        if (skipped.len() as u64) < padding {
            return Err(cut(&self.last, "is cut off at its end"));
        }
        Ok(skipped.iter().all(|byte| *byte == 0))
    }

    /// Reads the rest: zeros, as tapes are filled up.
    pub(super) fn expect_end(&mut self) -> Result<(), Failure> {
        let mut block = [0; BLOCK_BYTES];
        loop {
            match self.reader.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(read) if block[..read].iter().all(|byte| *byte == 0) => {}
                Ok(_) => return Err(refused(b"", "goes on after the end of the archive")),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unread(b"", &error)),
            }
        }
    }

    fn block(&mut self) -> Result<Block, Failure> {
        let mut block = [0; BLOCK_BYTES];
        self.reader.read_exact(&mut block).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof if error.get_ref().is_none() => {
                cut(&self.last, "is cut off before the end of the archive")
            }
            _ => unread(&self.last, &error),
        })?;
        Ok(block)
    }
}
