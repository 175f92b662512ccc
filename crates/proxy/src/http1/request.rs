//! Request heads: read strictly, and rewritten for the target.

use super::fields::{Facts, Field, classify};
use super::host;
use super::refusal::Refusal;
use super::{Framing, Version};
use crate::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};
use crate::trusted::Trusted;
use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::ops::Range;

/// Space that a head needs beyond the client's, for the fields we add.
const ADDED_BYTES: usize = 192;

/// A request as it will be sent on.
#[derive(Debug)]
pub struct Request {
    /// Bytes of the client's head, with its empty line.
    pub consumed: usize,
    /// The head for the target, without `Connection` and the empty line: see [`Request::finish`].
    pub head: Vec<u8>,
    /// Normalised; empty where an HTTP/1.0 client named none.
    pub host: String,
    /// The client's version.
    pub version: Version,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the client wants to go on after the response.
    pub keep_alive: bool,
    /// The client waits for a 100 before it sends its body.
    pub expects_continue: bool,
    /// The response has no body.
    pub is_head: bool,
    /// May be sent twice without harm.
    pub is_idempotent: bool,
    /// The protocols the client offers to change to.
    pub upgrade: Option<String>,
    /// It came over TLS, to us or to a proxy in front that is trusted.
    pub is_secure: bool,
    /// What `X-Cutover-Verify` says: a controller's request if it is our start nonce.
    pub verify: Option<String>,
    path: Range<usize>,
}

impl Request {
    /// `GET` or another, as it came.
    pub fn method(&self) -> &str {
        let end = self.path.start.saturating_sub(1);
        std::str::from_utf8(&self.head[..end]).unwrap_or_default()
    }

    /// What came behind the path's `?`.
    pub fn query(&self) -> Option<&str> {
        let line = self.head[self.path.end..].split(|it| *it == b' ').next()?;
        std::str::from_utf8(line.strip_prefix(b"?")?).ok()
    }

    /// The value of the first field of this name, which is in lower case, if it is text.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split(|it| *it == b'\n').skip(1);
        lines.find_map(|line| {
            let at = memchr::memchr(b':', line)?;
            let value = std::str::from_utf8(line.get(at + 1..)?).ok()?;
            line[..at].eq_ignore_ascii_case(name.as_bytes()).then_some(value.trim())
        })
    }

    /// Who asks, as the instance is told.
    pub fn client(&self) -> Option<IpAddr> {
        self.field("x-forwarded-for")?.parse().ok()
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        std::str::from_utf8(&self.head[self.path.clone()]).unwrap_or("/")
    }

    /// Appends the head with the fields for this one hop.
    pub fn finish(&self, out: &mut Vec<u8>, keep_alive: bool) {
        out.reserve(self.head.len() + ADDED_BYTES);
        out.extend_from_slice(&self.head);
        if let Some(protocols) = &self.upgrade {
            out.extend_from_slice(b"connection: upgrade\r\nupgrade: ");
            out.extend_from_slice(protocols.as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
        } else if keep_alive {
            out.extend_from_slice(b"\r\n");
        } else {
            out.extend_from_slice(b"connection: close\r\n\r\n");
        }
    }
}

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Its address, for `X-Forwarded-For`.
    pub address: &'a str,
    /// What it spoke to us.
    pub scheme: &'a str,
    /// Set where its word on who the client is counts, as theirs does.
    pub trusted: Option<&'a Trusted>,
}

/// Reads one head from the start of `input`; `None` until all of it is there.
///
/// `peer` says who sent it.
pub fn read(input: &[u8], peer: &Peer<'_>) -> Result<Option<Request>, Refusal> {
    let Some(length) = head_length(input)? else { return Ok(None) };
    let mut storage = [const { MaybeUninit::uninit() }; HEAD_FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(&input[..length], &mut storage) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal::MALFORMED),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HEAD_TOO_LARGE),
        Err(_) => return Err(Refusal::MALFORMED),
    }
    let version = match parsed.version {
        Some(0) => Version::Http10,
        _ => Version::Http11,
    };
    let method = parsed.method.unwrap_or_default();
    let facts = Facts::gather(parsed.headers, version).map_err(|_| Refusal::FRAMING)?;
    let target = Target::read(method, parsed.path.unwrap_or_default())?;
    let (authority, host) = authority(&target, parsed.headers, version)?;
    let framing = facts.framing().unwrap_or(Framing::None);
    let upgrades = version == Version::Http11 && framing == Framing::None;
    let mut request = Request {
        consumed: length,
        head: Vec::with_capacity(length + ADDED_BYTES),
        host: host.into_owned(),
        version,
        framing,
        keep_alive: facts.persists(version),
        expects_continue: facts.expects_continue
            && version == Version::Http11
            && framing != Framing::None,
        is_head: method == "HEAD",
        is_idempotent: matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE"),
        upgrade: facts.upgrade.filter(|_| upgrades).map(str::to_owned),
        is_secure: false,
        verify: verify(parsed.headers),
        path: 0..0,
    };
    write_line(&mut request, method, &target);
    let origin = Origin::of(peer, parsed.headers, authority);
    request.is_secure = origin.scheme == "https";
    write_fields(&mut request, parsed.headers, &facts, &origin);
    Ok(Some(request))
}

fn verify(fields: &[httparse::Header<'_>]) -> Option<String> {
    let field = fields.iter().find(|field| classify(field.name) == Field::Verify)?;
    std::str::from_utf8(field.value).ok().map(str::to_owned)
}

/// Where the head ends, its empty line included.  Line ends must be CRLF, and no line may continue
/// another.
fn head_length(input: &[u8]) -> Result<Option<usize>, Refusal> {
    let mut line = 0;
    for end in memchr::memchr_iter(b'\n', input) {
        if end == 0 || input[end - 1] != b'\r' {
            return Err(Refusal::MALFORMED);
        }
        match end - line {
            1 if line > 0 => return check_size(end + 1).map(|()| Some(end + 1)),
            1 => return Err(Refusal::MALFORMED),
            _ => {}
        }
        if matches!(input[line], b' ' | b'\t') {
            return Err(Refusal::MALFORMED);
        }
        line = end + 1;
    }
    check_size(input.len())?;
    Ok(None)
}

fn check_size(length: usize) -> Result<(), Refusal> {
    if length > HEAD_BYTES_MAX { Err(Refusal::HEAD_TOO_LARGE) } else { Ok(()) }
}

struct Target<'a> {
    /// Where the target was given in absolute form.
    authority: Option<&'a str>,
    /// With its query.
    path: Cow<'a, str>,
}

impl<'a> Target<'a> {
    fn read(method: &str, text: &'a str) -> Result<Self, Refusal> {
        if method == "CONNECT" || text.contains('#') {
            return Err(Refusal::MALFORMED);
        }
        if text.starts_with('/') || (text == "*" && method == "OPTIONS") {
            return Ok(Target { authority: None, path: Cow::Borrowed(text) });
        }
        let rest = strip_scheme(text).ok_or(Refusal::MALFORMED)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = match path {
            "" if method == "OPTIONS" => Cow::Borrowed("*"),
            path if path.starts_with('/') => Cow::Borrowed(path),
            query => Cow::Owned(format!("/{query}")),
        };
        Ok(Target { authority: Some(authority), path })
    }
}

fn strip_scheme(text: &str) -> Option<&str> {
    ["http://", "https://"].iter().find_map(|scheme| {
        let head = text.as_bytes().get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme.as_bytes()).then(|| &text[scheme.len()..])
    })
}

/// The authority as the client wrote it, and the host in it.
fn authority<'a>(
    target: &Target<'a>,
    fields: &[httparse::Header<'a>],
    version: Version,
) -> Result<(&'a str, Cow<'a, str>), Refusal> {
    let mut hosts = fields.iter().filter(|field| classify(field.name) == Field::Host);
    let named = match (hosts.next(), hosts.next()) {
        (Some(field), None) => std::str::from_utf8(field.value).map_err(|_| Refusal::HOST)?,
        (None, _) if version == Version::Http10 => "",
        _ => return Err(Refusal::HOST),
    };
    if !named.is_empty() && host::normalise(named).is_none() {
        return Err(Refusal::HOST);
    }
    let authority = target.authority.unwrap_or(named);
    match host::normalise(authority) {
        Some(host) => Ok((authority, host)),
        None if authority.is_empty() && version == Version::Http10 => Ok(("", Cow::Borrowed(""))),
        None => Err(Refusal::HOST),
    }
}

fn write_line(request: &mut Request, method: &str, target: &Target<'_>) {
    let out = &mut request.head;
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    let start = out.len();
    out.extend_from_slice(target.path.as_bytes());
    let path = target.path.split('?').next().unwrap_or_default();
    request.path = start..start + path.len();
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// What the instance is told of the client.
struct Origin<'a> {
    authority: &'a str,
    client: Cow<'a, str>,
    scheme: &'a str,
    /// What the client asked for, where a proxy in front asked us for something else.
    asked: &'a str,
}

impl<'a> Origin<'a> {
    /// A proxy that is trusted says it; anybody else's word on itself is nothing.
    fn of(peer: &Peer<'a>, fields: &[httparse::Header<'a>], authority: &'a str) -> Origin<'a> {
        let client = Cow::Borrowed(peer.address);
        let own = Origin { authority, client, scheme: peer.scheme, asked: authority };
        let Some(trusted) = peer.trusted else { return own };
        let said = |name: &str| {
            let named = fields.iter().filter(move |it| it.name.eq_ignore_ascii_case(name));
            named.filter_map(|it| std::str::from_utf8(it.value).ok()).collect::<Vec<&'a str>>()
        };
        let one = |name: &str| match said(name).as_slice() {
            [one] => Some(one.trim()),
            _ => None,
        };
        let client = trusted.client(&said("x-forwarded-for"));
        let scheme = one("x-forwarded-proto").filter(|it| matches!(*it, "http" | "https"));
        let asked = one("x-forwarded-host").filter(|it| host::normalise(it).is_some());
        Origin {
            authority,
            client: client.map_or(own.client, |it| Cow::Owned(it.to_canonical().to_string())),
            scheme: scheme.unwrap_or(own.scheme),
            asked: asked.unwrap_or(own.asked),
        }
    }
}

fn write_fields(
    request: &mut Request,
    fields: &[httparse::Header<'_>],
    facts: &Facts<'_>,
    origin: &Origin<'_>,
) {
    let expects_continue = request.expects_continue;
    let framing = request.framing;
    let out = &mut request.head;
    write_field(out, "host", origin.authority.as_bytes());
    for field in fields {
        if classify(field.name) == Field::EndToEnd && !facts.is_named(field.name) {
            write_field(out, field.name, field.value);
        }
    }
    write_field(out, "x-forwarded-for", origin.client.as_bytes());
    write_field(out, "x-forwarded-proto", origin.scheme.as_bytes());
    write_field(out, "x-forwarded-host", origin.asked.as_bytes());
    if expects_continue {
        write_field(out, "expect", b"100-continue");
    }
    match framing {
        Framing::Length(length) => {
            write_field(out, "content-length", length.to_string().as_bytes())
        }
        Framing::Chunked => write_field(out, "transfer-encoding", b"chunked"),
        Framing::None | Framing::UntilClose => {}
    }
}

pub(crate) fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
