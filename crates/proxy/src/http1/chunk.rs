//! Finds the data in a chunked body, strictly, however it is cut into pieces.

use super::fields::{Field, classify};
use crate::limits::{HEAD_FIELDS_MAX, TRAILER_BYTES_MAX};

/// Digits of a chunk's length.
const SIZE_DIGITS_MAX: u8 = 15;
/// Bytes of a chunk's extensions, which are not passed on.
const EXTENSION_BYTES_MAX: u16 = 1024;

/// What the scanner found next.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Data of the body.
    Data(&'a [u8]),
    /// The input is used up, and the body goes on.
    More,
    /// The last chunk and the trailers are behind us: see [`ChunkScanner::trailers`].
    End,
}

/// The chunks, or the trailers, can be read in more than one way or are over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadChunk;

/// Where in a chunked body we are.
#[derive(Debug, Default)]
pub struct ChunkScanner {
    state: State,
    remaining: u64,
    digits: u8,
    extension: u16,
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    Done,
}

impl ChunkScanner {
    /// At the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the end was found.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailer fields that may be passed on, each with its line end.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Takes the next piece from the front of `input`.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, BadChunk> {
        loop {
            match self.state {
                State::Done => return Ok(Piece::End),
                State::Data if !input.is_empty() => return Ok(self.data(input)),
                State::Trailers if !input.is_empty() => self.trailer(input)?,
                _ => {
                    let Some((&byte, rest)) = input.split_first() else {
                        return Ok(Piece::More);
                    };
                    *input = rest;
                    self.step(byte)?;
                }
            }
        }
    }

    fn data<'a>(&mut self, input: &mut &'a [u8]) -> Piece<'a> {
        let take = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        let (data, rest) = input.split_at(take);
        *input = rest;
        self.remaining -= take as u64;
        if self.remaining == 0 {
            self.state = State::DataCr;
        }
        Piece::Data(data)
    }

    fn step(&mut self, byte: u8) -> Result<(), BadChunk> {
        self.state = match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digits += 1;
                if self.digits > SIZE_DIGITS_MAX {
                    return Err(BadChunk);
                }
                let digit = (byte as char).to_digit(16).ok_or(BadChunk)?;
                self.remaining = self.remaining * 16 + u64::from(digit);
                State::Size
            }
            (State::Size, b';') if self.digits > 0 => State::Extension,
            (State::Size, b'\r') if self.digits > 0 => State::SizeLf,
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extension += 1;
                if self.extension > EXTENSION_BYTES_MAX {
                    return Err(BadChunk);
                }
                State::Extension
            }
            (State::SizeLf, b'\n') if self.remaining == 0 => State::Trailers,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.digits = 0;
                self.extension = 0;
                State::Size
            }
            _ => return Err(BadChunk),
        };
        Ok(())
    }

    fn trailer(&mut self, input: &mut &[u8]) -> Result<(), BadChunk> {
        let (line, rest) = match memchr::memchr(b'\n', input) {
            Some(end) => input.split_at(end + 1),
            None => (*input, &[][..]),
        };
        *input = rest;
        self.trailers.extend_from_slice(line);
        if self.trailers.len() > TRAILER_BYTES_MAX {
            return Err(BadChunk);
        }
        if !self.trailers.ends_with(b"\n") {
            return Ok(());
        }
        if !self.trailers.ends_with(b"\r\n") {
            return Err(BadChunk);
        }
        if self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n") {
            self.trailers = passed_trailers(&self.trailers)?;
            self.state = State::Done;
        }
        Ok(())
    }
}

fn passed_trailers(section: &[u8]) -> Result<Vec<u8>, BadChunk> {
    let mut storage = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
    let Ok(httparse::Status::Complete((length, fields))) =
        httparse::parse_headers(section, &mut storage)
    else {
        return Err(BadChunk);
    };
    if length != section.len() {
        return Err(BadChunk);
    }
    let mut passed = Vec::new();
    for field in fields {
        match classify(field.name) {
            Field::EndToEnd => super::request::write_field(&mut passed, field.name, field.value),
            Field::Host | Field::ContentLength | Field::TransferEncoding => return Err(BadChunk),
            _ => {}
        }
    }
    Ok(passed)
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
