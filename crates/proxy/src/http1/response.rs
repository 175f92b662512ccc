//! Response heads: read, and rewritten for the client.

use super::fields::{Facts, Field, classify};
use super::protection::Protection;
use super::request::write_field;
use super::{Framing, Version};
use crate::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};
use std::mem::MaybeUninit;

/// What was asked, as far as it decides about the response.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The method was HEAD.
    pub is_head: bool,
    /// The client offered to change the protocol.
    pub upgrade: bool,
    /// The client's version.
    pub version: Version,
    /// What the response gets that the instance did not write.
    pub protection: Protection,
    /// The client's connection goes on after this response if its framing allows it.
    pub keep_alive: bool,
}

/// A response head, rewritten.
#[derive(Debug)]
pub struct Response {
    /// Bytes of the instance's head, with its empty line.
    pub consumed: usize,
    /// The status code.
    pub status: u16,
    /// How the instance's body ends.
    pub framing: Framing,
    /// How the client is told that it ends.
    pub client_framing: Framing,
    /// Whether the instance's connection may be kept.
    pub upstream_persists: bool,
    /// How long the instance says that it keeps an idle connection.
    pub upstream_idle_s: Option<u64>,
    /// Whether the client's connection goes on.
    pub client_persists: bool,
}

/// The instance's answer is not HTTP, or could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHttp;

/// Reads one head from the start of `input` and appends the head for the client to `out`; `None`
/// until all of it is there.
pub fn read(input: &[u8], asked: Asked, out: &mut Vec<u8>) -> Result<Option<Response>, NotHttp> {
    let mut storage = [const { MaybeUninit::uninit() }; HEAD_FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let consumed = match config.parse_response_with_uninit_headers(&mut parsed, input, &mut storage)
    {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
        Ok(httparse::Status::Partial) if input.len() <= HEAD_BYTES_MAX => return Ok(None),
        _ => return Err(NotHttp),
    };
    let status = parsed.code.ok_or(NotHttp)?;
    let version = match parsed.version {
        Some(0) => Version::Http10,
        _ => Version::Http11,
    };
    let facts = Facts::gather(parsed.headers, version).map_err(|_| NotHttp)?;
    if status < 100 || (status == 101 && !(asked.upgrade && facts.upgrade.is_some())) {
        return Err(NotHttp);
    }
    let framing = framing(status, asked.is_head, &facts);
    let client_framing = match (framing, asked.version) {
        (Framing::UntilClose, Version::Http11) => Framing::Chunked,
        (Framing::Chunked, Version::Http10) => Framing::UntilClose,
        (other, _) => other,
    };
    let response = Response {
        consumed,
        status,
        framing,
        client_framing,
        upstream_persists: facts.persists(version) && framing != Framing::UntilClose,
        upstream_idle_s: facts.idle_timeout_s,
        client_persists: asked.keep_alive && client_framing != Framing::UntilClose,
    };
    // An HTTP/1.0 client does not know interim responses.
    if status >= 200 || asked.version == Version::Http11 {
        write_head(&response, asked, &parsed, &facts, out);
    }
    Ok(Some(response))
}

fn framing(status: u16, is_head: bool, facts: &Facts<'_>) -> Framing {
    match status {
        100..=199 | 204 | 304 => Framing::None,
        _ if is_head => Framing::None,
        _ => facts.framing().unwrap_or(Framing::UntilClose),
    }
}

fn write_head(
    response: &Response,
    asked: Asked,
    parsed: &httparse::Response<'_, '_>,
    facts: &Facts<'_>,
    out: &mut Vec<u8>,
) {
    let status = response.status;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[
        b'0' + (status / 100 % 10) as u8,
        b'0' + (status / 10 % 10) as u8,
        b'0' + (status % 10) as u8,
        b' ',
    ]);
    out.extend_from_slice(parsed.reason.unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for field in parsed.headers.iter() {
        let passes = match classify(field.name) {
            Field::EndToEnd | Field::Host | Field::Expect | Field::Forwarded => true,
            // Without a body the length says what a GET would have brought.
            Field::ContentLength => {
                response.framing == Framing::None && status != 204 && status >= 200
            }
            _ => false,
        };
        if passes && !facts.is_named(field.name) {
            write_field(out, field.name, field.value);
        }
    }
    if status >= 200 && asked.protection != Protection::default() {
        let is_there =
            |name: &str| parsed.headers.iter().any(|it| it.name.eq_ignore_ascii_case(name));
        asked.protection.write(out, is_there);
    }
    match response.client_framing {
        Framing::Length(length) => {
            write_field(out, "content-length", length.to_string().as_bytes())
        }
        Framing::Chunked => write_field(out, "transfer-encoding", b"chunked"),
        Framing::None | Framing::UntilClose => {}
    }
    if status == 101 {
        write_field(out, "connection", b"upgrade");
        write_field(out, "upgrade", facts.upgrade.unwrap_or_default().as_bytes());
    } else if status >= 200 && !response.client_persists {
        write_field(out, "connection", b"close");
    } else if status >= 200 && asked.version == Version::Http10 {
        write_field(out, "connection", b"keep-alive");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
