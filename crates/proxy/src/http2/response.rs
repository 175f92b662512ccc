//! An answer in the form of HTTP/1.1, as the data plane writes it, taken apart for a stream.

use crate::http1::chunk::{BadChunk, ChunkScanner, Piece};
use crate::http1::fields::{Field, classify};
use crate::http1::response::NotHttp;
use crate::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::mem::MaybeUninit;

/// What the proxy adds to the fields of an instance.
const ADDED_FIELDS_MAX: usize = 16;
const ADDED_BYTES_MAX: usize = 4096;

/// What comes next.
#[derive(Debug)]
pub enum Part<'a> {
    /// Status and fields; another one follows where the status is below 200.
    Head {
        /// As the stream's client shall see them.
        response: Response<()>,
        /// Nothing follows.
        ended: bool,
    },
    /// A piece of the body.
    Data(&'a [u8]),
    /// The body has ended, with trailers or without.
    End(Option<HeaderMap>),
}

/// Where in the answer we are.
#[derive(Debug)]
pub struct Reader {
    is_head: bool,
    /// What has come of a head.
    partial: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(ChunkScanner),
    Done,
}

impl From<BadChunk> for NotHttp {
    fn from(_: BadChunk) -> Self {
        NotHttp
    }
}

impl Reader {
    /// `is_head`: the answer has no body, whatever it says of one.
    pub fn new(is_head: bool) -> Self {
        Reader { is_head, partial: Vec::new(), state: State::Head }
    }

    /// Takes the next part from the front of `input`; none where more is needed, or all is there.
    ///
    /// # Errors
    /// When it is not what the data plane writes.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Part<'a>>, NotHttp> {
        match &mut self.state {
            State::Head => self.head(input),
            State::Length(0) => Ok(Some(self.end(None))),
            State::Length(_) if input.is_empty() => Ok(None),
            State::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                let (data, rest) = input.split_at(take);
                (*left, *input) = (*left - take as u64, rest);
                Ok(Some(Part::Data(data)))
            }
            State::Chunked(scanner) => match scanner.next(input)? {
                Piece::Data(data) => Ok(Some(Part::Data(data))),
                Piece::More => Ok(None),
                Piece::End => {
                    let trailers = trailers(scanner.trailers())?;
                    Ok(Some(self.end(trailers)))
                }
            },
            State::Done => {
                *input = &[];
                Ok(None)
            }
        }
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Part<'static> {
        self.state = State::Done;
        Part::End(trailers)
    }

    fn head<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Part<'a>>, NotHttp> {
        const END: &[u8] = b"\r\n\r\n";
        // The end may lie across two pieces.
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let from = before.saturating_sub(END.len() - 1);
        let Some(end) = memchr::memmem::find(&self.partial[from..], END) else {
            *input = &[];
            let fits = self.partial.len() <= HEAD_BYTES_MAX + ADDED_BYTES_MAX;
            return if fits { Ok(None) } else { Err(NotHttp) };
        };
        let length = from + end + END.len();
        *input = &input[length - before..];
        let mut whole = std::mem::take(&mut self.partial);
        whole.truncate(length);
        let (response, length) = parse(&whole)?;
        let status = response.status().as_u16();
        let bodiless = self.is_head || matches!(status, 204 | 304);
        self.state = match (status, length) {
            (..200, _) => State::Head,
            _ if bodiless => State::Done,
            (_, Length::Bytes(length)) => State::Length(length),
            (_, Length::Chunks) => State::Chunked(ChunkScanner::new()),
            (_, Length::Unknown) => return Err(NotHttp),
        };
        let ended = matches!(self.state, State::Done | State::Length(0));
        if ended {
            self.state = State::Done;
        }
        Ok(Some(Part::Head { response, ended }))
    }
}

enum Length {
    Bytes(u64),
    Chunks,
    Unknown,
}

fn parse(head: &[u8]) -> Result<(Response<()>, Length), NotHttp> {
    let mut storage = [const { MaybeUninit::uninit() }; HEAD_FIELDS_MAX + ADDED_FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let complete = config.parse_response_with_uninit_headers(&mut parsed, head, &mut storage);
    if !matches!(complete, Ok(httparse::Status::Complete(_))) {
        return Err(NotHttp);
    }
    let mut response = Response::new(());
    let status = parsed.code.ok_or(NotHttp)?;
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| NotHttp)?;
    let mut length = Length::Unknown;
    for field in parsed.headers.iter() {
        match classify(field.name) {
            Field::TransferEncoding => {
                length = Length::Chunks;
                continue;
            }
            Field::Connection | Field::KeepAlive | Field::Upgrade | Field::Hop => continue,
            Field::ContentLength => {
                let text = std::str::from_utf8(field.value).map_err(|_| NotHttp)?;
                length = Length::Bytes(text.parse().map_err(|_| NotHttp)?);
            }
            _ => {}
        }
        append(response.headers_mut(), field)?;
    }
    Ok((response, length))
}

fn append(fields: &mut HeaderMap, field: &httparse::Header<'_>) -> Result<(), NotHttp> {
    let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NotHttp)?;
    let value = HeaderValue::from_bytes(field.value).map_err(|_| NotHttp)?;
    fields.append(name, value);
    Ok(())
}

/// None where there are no fields.
fn trailers(lines: &[u8]) -> Result<Option<HeaderMap>, NotHttp> {
    if lines.is_empty() {
        return Ok(None);
    }
    let section = [lines, b"\r\n"].concat();
    let mut storage = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
    let Ok(httparse::Status::Complete((_, found))) =
        httparse::parse_headers(&section, &mut storage)
    else {
        return Err(NotHttp);
    };
    let mut fields = HeaderMap::new();
    for field in found {
        append(&mut fields, field)?;
    }
    Ok(Some(fields))
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
