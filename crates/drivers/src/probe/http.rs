//! One HTTP request, bounded in time and in bytes.  Redirects are told, not followed.

use super::way;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use proxy::address::UNIX;
use std::{
    fmt::{self, Write},
    io,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
    time::timeout_at,
};

/// Of one response.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Of a body that is shown.
const BODY_BYTES_SHOWN: usize = 512;
/// Of a silence.
pub(super) const REFUSED: &str = "refused the connection";
/// Said instead of an address that is a path.
const LOCAL: &str = "localhost";
const HEADERS_SHOWN: usize = 20;
const HEADER_CHARACTERS_SHOWN: usize = 200;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) method: String,
    /// `127.0.0.1:20001`, or `unix:` and a path.
    pub(super) address: String,
    /// Sent as `Host`; none: the address.
    pub(super) host: Option<String>,
    pub(super) path: String,
    /// Sent besides those that every request has.
    pub(super) headers: Vec<(String, String)>,
    /// Sent with it.
    pub(super) body: Vec<u8>,
    /// What is said instead of the path, where that holds what is not to be shown.
    pub(super) shown: Option<String>,
    /// Sent as `X-Cutover-Verify`: the proxy counts such a request apart.
    pub(super) verify: Option<String>,
    pub(super) timeout: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) elapsed: Duration,
}

/// Why no whole response came.
#[derive(Clone, Debug)]
pub(super) struct Silence {
    /// A fragment that reads on from "it".
    pub(super) what: String,
    /// What had come until then.
    pub(super) seen: Option<Response>,
}

impl Question {
    pub(super) fn get(address: &str, path: &str, timeout: Duration) -> Question {
        Question {
            scheme: "http",
            method: "GET".to_owned(),
            address: address.to_owned(),
            host: None,
            path: path.to_owned(),
            headers: vec![],
            body: vec![],
            shown: None,
            verify: None,
            timeout,
        }
    }

    /// What a redirect to the same place begins with.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host.as_deref().unwrap_or(&self.address))
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn ask(&self) -> Result<Response, Silence> {
        let begun = Instant::now();
        let deadline = tokio::time::Instant::now() + self.timeout;
        let silent = |what: String| Silence { what, seen: None };
        let stream = match timeout_at(deadline, way::to(&self.address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(silent(unconnected(&error))),
            Err(_) => return Err(silent(format!("took no connection {}", self.limit()))),
        };
        self.ask_on(stream, begun).await
    }

    fn limit(&self) -> String {
        format!("within {} ms", self.timeout.as_millis())
    }

    /// Asks on a connection that was begun then, and reads the whole answer.
    pub(super) async fn ask_on<S>(&self, stream: S, begun: Instant) -> Result<Response, Silence>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let deadline = tokio::time::Instant::from_std(begun + self.timeout);
        let limit = self.limit();
        let silent = |what: String| Silence { what, seen: None };
        let Some(request) = self.request() else {
            return Err(silent("was not asked: method, host or path cannot be sent".to_owned()));
        };
        let (response, _connection) = match timeout_at(deadline, send(stream, request)).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(error)) => return Err(silent(unanswered(&error))),
            Err(_) => return Err(silent(format!("took the request, and was silent {limit}"))),
        };
        let (head, body) = response.into_parts();
        let headers = head.headers.iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let mut seen = Response {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: vec![],
            elapsed: begun.elapsed(),
        };
        let read = timeout_at(deadline, read(body, &mut seen.body)).await;
        seen.elapsed = begun.elapsed();
        let what = match read {
            Ok(Ok(())) => return Ok(seen),
            Ok(Err(what)) => what,
            Err(_) => format!("did not end its body {limit} ({} bytes came)", seen.body.len()),
        };
        Err(Silence { what, seen: Some(seen) })
    }

    /// None if a part of it cannot be sent.
    fn request(&self) -> Option<Request<Full<Bytes>>> {
        // A socket has no name that could stand in a request.
        let at_port = !self.address.starts_with(UNIX);
        let named = if at_port { self.address.as_str() } else { LOCAL };
        let host = self.host.as_deref().unwrap_or(named);
        let mut request = Request::builder();
        if let Some(nonce) = &self.verify {
            request = request.header("x-cutover-verify", nonce);
        }
        let own = |name: &str| self.headers.iter().any(|(it, _)| it == name);
        for (name, value) in [("user-agent", "cutover"), ("accept", "*/*")] {
            if !own(name) {
                request = request.header(name, value);
            }
        }
        for (name, value) in self.headers.iter().filter(|(it, _)| it != "host") {
            request = request.header(name, value);
        }
        request
            .method(Method::from_bytes(self.method.as_bytes()).ok()?)
            .uri(self.path.as_str())
            .header(header::HOST, host)
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(self.body.clone())))
            .ok()
            .filter(|_| self.path.starts_with('/'))
    }
}

async fn send<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(hyper::Response<Incoming>, Connection), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = Connection(tokio::spawn(async move {
        // How it ends is told by the request.
        let _ = connection.await;
    }));
    let response = sender.send_request(request).await?;
    Ok((response, connection))
}

/// The task that moves a connection's bytes: it ends with the one who asks.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read(mut body: Incoming, into: &mut Vec<u8>) -> Result<(), String> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("broke off in the body: {error}"))?;
        if let Some(data) = frame.data_ref() {
            into.extend_from_slice(data);
        }
        if into.len() > BODY_BYTES_MAX {
            return Err(format!("sent a body of more than {BODY_BYTES_MAX} bytes"));
        }
    }
    Ok(())
}

pub(super) fn unconnected(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => REFUSED.to_owned(),
        _ => format!("took no connection: {error}"),
    }
}

fn unanswered(error: &hyper::Error) -> String {
    if error.is_incomplete_message() {
        return "closed the connection without an answer".to_owned();
    }
    let cause = std::error::Error::source(error).map(|it| format!(": {it}")).unwrap_or_default();
    format!("answered no proper HTTP ({error}{cause})")
}

impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.shown.as_ref().unwrap_or(&self.path);
        write!(formatter, "{} {}://{}{path}", self.method, self.scheme, self.address)?;
        match &self.host {
            Some(host) => write!(formatter, " (Host: {host})"),
            None => Ok(()),
        }
    }
}

/// Without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect()
}

impl Response {
    /// The first field of this name, lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// Status, headers and the first bytes.
    pub(super) fn shown(&self) -> String {
        let mut text = format!("→ {} after {} ms", self.status, self.elapsed.as_millis());
        for (name, value) in self.headers.iter().take(HEADERS_SHOWN) {
            let is_secret = name == "set-cookie";
            let value = if is_secret { "[secret]" } else { value.as_str() };
            let value: String = value.chars().take(HEADER_CHARACTERS_SHOWN).collect();
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{name}: {}", printable(&value));
        }
        let first = &self.body[..self.body.len().min(BODY_BYTES_SHOWN)];
        for line in String::from_utf8_lossy(first).lines() {
            let _ = write!(text, "\n| {}", printable(line));
        }
        if self.body.len() > first.len() {
            let _ = write!(text, "\n| … ({} bytes)", self.body.len());
        }
        text
    }

    /// Where it sends us, if it does.
    pub(super) fn redirect(&self) -> Option<&str> {
        if (300..400).contains(&self.status) { self.header("location") } else { None }
    }
}
