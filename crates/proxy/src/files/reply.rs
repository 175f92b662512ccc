//! The head of an answer, and which bytes of the file follow it.

use super::{condition::Mark, date, find::Opened, kind, range, range::Ranged};
use crate::http1::Version;
use crate::http1::request::Request;
use std::{fs::File, io::Write, ops::Range, time::SystemTime};

/// What is sent behind a head.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) status: u16,
    /// None: nothing follows.
    pub(crate) file: Option<File>,
    /// Of the file.
    pub(crate) range: Range<u64>,
    /// The whole file, where it was read already.
    pub(crate) small: Option<Vec<u8>>,
}

/// Until when a name with a hash of its content is kept: for ever, as far as HTTP goes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// It may be kept, and is asked for whenever it is used.
const REVALIDATED: &str = "no-cache";
/// Methods that a file answers to.
const METHODS: &str = "GET, HEAD";

/// Writes the head for a file.
pub(crate) fn head(out: &mut Vec<u8>, request: &Request, opened: Opened, goes_on: bool) -> Part {
    let mark = Mark::of(opened.modified, opened.bytes, opened.inode);
    let field = |name: &str| request.field(name);
    let is_known =
        opened.status == 200 && mark.is_known(field("if-none-match"), field("if-modified-since"));
    let asked = field("range").filter(|_| opened.status == 200 && opened.encoding.is_none());
    let asked = asked.filter(|_| mark.goes_on(field("if-range")));
    let (status, range) = match range::read(asked, opened.bytes) {
        _ if is_known => (304, 0..0),
        Ranged::Whole => (opened.status, 0..opened.bytes),
        Ranged::Part(part) => (206, part),
        Ranged::Unsatisfiable => (416, 0..0),
    };
    line(out, status);
    if matches!(status, 206 | 416) {
        let what = match status {
            206 => format!("{}-{}", range.start, range.end.saturating_sub(1)),
            _ => "*".to_owned(),
        };
        put(out, "content-range", &format!("bytes {what}/{}", opened.bytes));
    }
    if !matches!(status, 304 | 416) {
        put(out, "content-type", &kind::content_type(&opened.path));
        if let Some(encoding) = opened.encoding {
            put(out, "content-encoding", encoding.word());
        }
    }
    if kind::may_be_compressed(&opened.path) {
        put(out, "vary", "accept-encoding");
    }
    if status != 416 && opened.status == 200 {
        put(out, "etag", &mark.tag);
        put(out, "last-modified", &mark.modified);
        put(out, "accept-ranges", "bytes");
    }
    let keeps = status != 416 && opened.status == 200 && kind::is_immutable(&opened.path);
    put(out, "cache-control", if keeps { IMMUTABLE } else { REVALIDATED });
    put(out, "x-content-type-options", "nosniff");
    let follows = !request.is_head && range.start < range.end;
    let length = (status != 304).then(|| range.end - range.start);
    end(out, request, goes_on, length);
    Part { status, file: follows.then_some(opened.file), range, small: opened.small }
}

/// Writes that there is a directory of this name.
pub(crate) fn redirect(out: &mut Vec<u8>, request: &Request, goes_on: bool) -> u16 {
    line(out, 301);
    // As it came, within its host: what it looks like is nothing that we made.  Two slashes at its
    // beginning would name a host.
    let path = request.path().trim_start_matches('/');
    let query = request.query().map(|it| format!("?{it}")).unwrap_or_default();
    put(out, "location", &format!("/{path}/{query}"));
    put(out, "cache-control", REVALIDATED);
    end(out, request, goes_on, Some(0));
    301
}

/// Writes that there is nothing.
pub(crate) fn not_found(out: &mut Vec<u8>, request: &Request, goes_on: bool) -> u16 {
    said(out, request, goes_on, 404, "Nothing is served here.")
}

/// Writes that files are only read.
pub(crate) fn not_allowed(out: &mut Vec<u8>, request: &Request, goes_on: bool) -> u16 {
    said(out, request, goes_on, 405, "Files are only read here: GET and HEAD.")
}

/// Writes that the file is there, or should be, and cannot be read.
pub(crate) fn failed(out: &mut Vec<u8>, request: &Request, goes_on: bool) -> u16 {
    said(out, request, goes_on, 500, "The file cannot be read.")
}

fn said(out: &mut Vec<u8>, request: &Request, goes_on: bool, status: u16, text: &str) -> u16 {
    line(out, status);
    if status == 405 {
        put(out, "allow", METHODS);
    }
    put(out, "content-type", "text/plain; charset=utf-8");
    put(out, "cache-control", "no-store");
    end(out, request, goes_on, Some(text.len() as u64 + 1));
    if !request.is_head {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }
    status
}

fn line(out: &mut Vec<u8>, status: u16) {
    let reason = match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        _ => "Internal Server Error",
    };
    let _infallible = write!(out, "HTTP/1.1 {status} {reason}\r\n");
}

fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    let _infallible = write!(out, "{name}: {value}\r\n");
}

fn end(out: &mut Vec<u8>, request: &Request, goes_on: bool, length: Option<u64>) {
    put(out, "date", &date::http(SystemTime::now()));
    match (goes_on, request.version) {
        (false, _) => put(out, "connection", "close"),
        (true, Version::Http10) => put(out, "connection", "keep-alive"),
        (true, Version::Http11) => {}
    }
    if let Some(length) = length {
        put(out, "content-length", &length.to_string());
    }
    out.extend_from_slice(b"\r\n");
}
