//! A request's fields, written as a head of HTTP/1.1.  Whether it is one that may be sent on is
//! judged where all heads are: see [`crate::http1::request::read`].

use crate::http1::fields::{Field, classify};
use crate::http1::host;
use crate::http1::refusal::Refusal;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method};

/// Appends the head; whether the body is to follow in chunks.
///
/// `ended` says that no body comes.
///
/// # Errors
/// What HTTP/1.1 has no form for, or what RFC 9113 calls malformed.
pub fn write(parts: &Parts, ended: bool, out: &mut Vec<u8>) -> Result<bool, Refusal> {
    let path = path(parts)?;
    let authority = authority(parts)?;
    for piece in [parts.method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
    if let Some(authority) = authority {
        put(out, "host", authority.as_bytes());
    }
    write_fields(&parts.headers, out)?;
    let has_length = parts.headers.contains_key(CONTENT_LENGTH);
    if ended && parts.headers.get_all(CONTENT_LENGTH).iter().any(|it| it != "0") {
        return Err(Refusal::FRAMING);
    }
    let chunked = !ended && !has_length;
    if chunked {
        put(out, "transfer-encoding", b"chunked");
    }
    out.extend_from_slice(b"\r\n");
    Ok(chunked)
}

/// As it stands in the request line: no method but OPTIONS asks for other than a path.
fn path(parts: &Parts) -> Result<&str, Refusal> {
    // A tunnel, also one that is extended for WebSockets, is nothing that we announce.
    if parts.method == Method::CONNECT {
        return Err(Refusal::MALFORMED);
    }
    let path = parts.uri.path_and_query().map_or("", |it| it.as_str());
    let is_one = path.starts_with('/') || (path == "*" && parts.method == Method::OPTIONS);
    let fits = path.bytes().all(|it| it > b' ' && it != 0x7f);
    if is_one && fits { Ok(path) } else { Err(Refusal::MALFORMED) }
}

/// `:authority`, else `host`; both must name the same.
fn authority(parts: &Parts) -> Result<Option<&str>, Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(one), None) => Some(one.to_str().map_err(|_| Refusal::HOST)?),
        (Some(_), Some(_)) => return Err(Refusal::HOST),
    };
    let asked = parts.uri.authority().map(http::uri::Authority::as_str);
    if let (Some(asked), Some(named)) = (asked, named)
        && !asked.eq_ignore_ascii_case(named)
    {
        return Err(Refusal::HOST);
    }
    let authority = asked.or(named);
    if authority.is_some_and(|it| host::normalise(it).is_none()) {
        return Err(Refusal::HOST);
    }
    Ok(authority)
}

fn write_fields(fields: &HeaderMap, out: &mut Vec<u8>) -> Result<(), Refusal> {
    for (name, value) in fields {
        let bytes = value.as_bytes();
        if bytes.trim_ascii().len() != bytes.len() {
            return Err(Refusal::MALFORMED);
        }
        match classify(name.as_str()) {
            Field::Connection | Field::KeepAlive | Field::Upgrade | Field::TransferEncoding => {
                return Err(Refusal::MALFORMED);
            }
            Field::Hop if name == "proxy-connection" => return Err(Refusal::MALFORMED),
            Field::Hop if name == "te" && bytes != b"trailers" => return Err(Refusal::MALFORMED),
            Field::Host => {}
            _ if name == COOKIE => {}
            _ => put(out, name.as_str(), bytes),
        }
    }
    write_cookies(fields, out);
    Ok(())
}

/// HTTP/2 lets a client cut them into several fields; HTTP/1.1 knows one.
fn write_cookies(fields: &HeaderMap, out: &mut Vec<u8>) {
    let crumbs: Vec<&[u8]> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if !crumbs.is_empty() {
        put(out, "cookie", &crumbs.join(&b"; "[..]));
    }
}

pub(crate) fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    crate::http1::request::write_field(out, name, value);
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
