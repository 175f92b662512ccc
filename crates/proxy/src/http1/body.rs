//! Carries a body from one framing to another, piece by piece.

use super::Framing;
use super::chunk::{BadChunk, ChunkScanner, Piece};
use std::io::IoSlice;

/// Pieces written with one call.
const PIECES_MAX: usize = 32;

/// Where a body is on its way.
#[derive(Debug)]
pub struct Body {
    source: Source,
    chunked_out: bool,
}

#[derive(Debug)]
enum Source {
    Length(u64),
    Chunked(ChunkScanner),
    UntilClose,
    Ended,
}

impl Body {
    /// A body that comes in as `source` and goes out as `sink`.
    pub fn new(source: Framing, sink: Framing) -> Self {
        Body {
            source: match source {
                Framing::None | Framing::Length(0) => Source::Ended,
                Framing::Length(length) => Source::Length(length),
                Framing::Chunked => Source::Chunked(ChunkScanner::new()),
                Framing::UntilClose => Source::UntilClose,
            },
            chunked_out: sink == Framing::Chunked,
        }
    }

    /// Whether all of it came in.
    pub fn is_done(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    /// Whether it goes out in chunks, so that it can be ended between two reads.
    pub fn is_chunked_out(&self) -> bool {
        self.chunked_out
    }

    /// Hands what `input` brings to `emit`, in the framing it goes out in; how much was used.
    pub fn relay<E: From<BadChunk>>(
        &mut self,
        input: &[u8],
        emit: &mut impl FnMut(&[IoSlice<'_>]) -> Result<(), E>,
    ) -> Result<usize, E> {
        match &mut self.source {
            Source::Ended => Ok(0),
            Source::UntilClose => {
                self.emit_data(input, emit)?;
                Ok(input.len())
            }
            Source::Length(remaining) => {
                let take = usize::try_from(*remaining).unwrap_or(usize::MAX).min(input.len());
                *remaining -= take as u64;
                if *remaining == 0 {
                    self.source = Source::Ended;
                }
                emit(&[IoSlice::new(&input[..take])])?;
                Ok(take)
            }
            Source::Chunked(_) => self.relay_chunks(input, emit),
        }
    }

    /// The source's connection ended: whether that is where the body ends.
    pub fn end_of_source<E>(
        &mut self,
        emit: &mut impl FnMut(&[IoSlice<'_>]) -> Result<(), E>,
    ) -> Result<bool, E> {
        if !matches!(self.source, Source::UntilClose) {
            return Ok(self.is_done());
        }
        self.source = Source::Ended;
        if self.chunked_out {
            emit(&[IoSlice::new(b"0\r\n\r\n")])?;
        }
        Ok(true)
    }

    fn emit_data<E>(
        &self,
        data: &[u8],
        emit: &mut impl FnMut(&[IoSlice<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.chunked_out {
            return emit(&[IoSlice::new(data)]);
        }
        // A chunk of nothing is the end of a body, and a head often comes alone.
        if data.is_empty() {
            return Ok(());
        }
        let mut size = [0; SIZE_BYTES];
        let size = write_size(data.len(), &mut size);
        emit(&[IoSlice::new(size), IoSlice::new(data), IoSlice::new(b"\r\n")])
    }

    fn relay_chunks<E: From<BadChunk>>(
        &mut self,
        input: &[u8],
        emit: &mut impl FnMut(&[IoSlice<'_>]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let Source::Chunked(scanner) = &mut self.source else { return Ok(0) };
        let mut rest = input;
        loop {
            // The first and the last place are for the framing.
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX + 2];
            let mut count = 0;
            let mut length = 0;
            let piece = loop {
                match scanner.next(&mut rest)? {
                    Piece::Data(data) => {
                        count += 1;
                        length += data.len();
                        pieces[count] = IoSlice::new(data);
                        if count == PIECES_MAX {
                            break Piece::Data(data);
                        }
                    }
                    other => break other,
                }
            };
            if count > 0 && self.chunked_out {
                let mut size = [0; SIZE_BYTES];
                pieces[0] = IoSlice::new(write_size(length, &mut size));
                pieces[count + 1] = IoSlice::new(b"\r\n");
                emit(&pieces[..count + 2])?;
            } else if count > 0 {
                emit(&pieces[1..=count])?;
            }
            match piece {
                Piece::Data(_) => {}
                Piece::More => return Ok(input.len()),
                Piece::End => break,
            }
        }
        if self.chunked_out {
            let trailers = IoSlice::new(scanner.trailers());
            emit(&[IoSlice::new(b"0\r\n"), trailers, IoSlice::new(b"\r\n")])?;
        }
        self.source = Source::Ended;
        Ok(input.len() - rest.len())
    }
}

/// Hexadecimal digits of a length, and the line end.
const SIZE_BYTES: usize = 18;

fn write_size(length: usize, buffer: &mut [u8; SIZE_BYTES]) -> &[u8] {
    let mut at = SIZE_BYTES - 2;
    buffer[at..].copy_from_slice(b"\r\n");
    let mut rest = length;
    loop {
        at -= 1;
        buffer[at] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
        if rest == 0 {
            return &buffer[at..];
        }
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
