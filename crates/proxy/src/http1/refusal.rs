//! The answers that the proxy makes itself.

use super::Version;
use crate::limits::{MAINTENANCE_RETRY_S, RETRY_AFTER_S};

/// A response of our own, named in `x-cutover-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// The value of `x-cutover-error`.
    pub kind: &'static str,
    /// The body, without its newline.
    pub text: &'static str,
}

impl Refusal {
    const fn new(status: u16, kind: &'static str, text: &'static str) -> Self {
        Refusal { status, kind, text }
    }

    /// The head cannot be read in exactly one way.
    pub const MALFORMED: Refusal =
        Refusal::new(400, "malformed", "The request is not valid HTTP/1.1.");
    /// The length of the body is not given in exactly one way.
    pub const FRAMING: Refusal =
        Refusal::new(400, "framing", "The length of the request's body is ambiguous.");
    /// No host, or more than one.
    pub const HOST: Refusal =
        Refusal::new(400, "host", "The request must name exactly one valid host.");
    /// No environment claims the host and path.
    pub const NO_ROUTE: Refusal = Refusal::new(404, "no_route", "Nothing is served here.");
    /// The head or body did not arrive in time.
    pub const TIMEOUT: Refusal = Refusal::new(408, "timeout", "The request took too long.");
    /// The head is over its limit.
    pub const HEAD_TOO_LARGE: Refusal =
        Refusal::new(431, "head_too_large", "The request's head is too large.");
    /// Its client has sent more than it may.
    pub const RATE: Refusal =
        Refusal::new(429, "rate", "Too many requests. Please try again in a second.");
    /// No target took a connection.
    pub const UNREACHABLE: Refusal =
        Refusal::new(502, "unreachable", "The application did not accept the connection.");
    /// The target closed or answered with something that is not HTTP.
    pub const NO_ANSWER: Refusal =
        Refusal::new(502, "no_answer", "The application gave no valid answer.");
    /// The environment serves nothing now.
    pub const EMPTY: Refusal =
        Refusal::new(503, "empty", "Nothing is running here yet. Please try again.");
    /// The hold is full, or lasted too long.
    pub const HELD: Refusal =
        Refusal::new(503, "held", "The application is being replaced. Please try again.");
    /// Somebody works on it.
    pub const MAINTENANCE: Refusal =
        Refusal::new(503, "maintenance", "This service is being worked on. Please try again.");
    /// Too many connections.
    pub const FULL: Refusal =
        Refusal::new(503, "full", "The server has too many connections. Please try again.");
    /// Ended by a drain before an answer came.
    pub const CUT: Refusal =
        Refusal::new(503, "cut", "The application was stopped before it answered.");
    /// No first byte in time.
    pub const SLOW: Refusal = Refusal::new(504, "slow", "The application did not answer in time.");

    fn reason(&self) -> &'static str {
        match self.status {
            400 => "Bad Request",
            404 => "Not Found",
            408 => "Request Timeout",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            _ => "Gateway Timeout",
        }
    }

    /// Appends the whole response, with a page in HTML instead of our sentence.
    pub fn write_page(
        &self,
        out: &mut Vec<u8>,
        keep_alive: bool,
        request: &super::request::Request,
        page: &str,
    ) {
        use std::io::Write;
        let connection = match (keep_alive, request.version) {
            (false, _) => "connection: close\r\n",
            (true, Version::Http10) => "connection: keep-alive\r\n",
            (true, Version::Http11) => "",
        };
        let _infallible = write!(
            out,
            "HTTP/1.1 {} {}\r\nx-cutover-error: {}\r\ncontent-type: text/html; charset=utf-8\r\n\
             cache-control: no-store\r\nretry-after: {MAINTENANCE_RETRY_S}\r\n{connection}\
             content-length: {}\r\n\r\n",
            self.status,
            self.reason(),
            self.kind,
            page.len(),
        );
        if !request.is_head {
            out.extend_from_slice(page.as_bytes());
        }
    }

    /// Appends the whole response.
    pub fn write(&self, out: &mut Vec<u8>, keep_alive: bool, head_only: bool, version: Version) {
        use std::io::Write;
        let connection = match (keep_alive, version) {
            (false, _) => "connection: close\r\n",
            (true, Version::Http10) => "connection: keep-alive\r\n",
            (true, Version::Http11) => "",
        };
        let retry = match self.status {
            429 | 503 => format!("retry-after: {RETRY_AFTER_S}\r\n"),
            _ => String::new(),
        };
        let _infallible = write!(
            out,
            "HTTP/1.1 {} {}\r\nx-cutover-error: {}\r\ncontent-type: text/plain\r\n\
             cache-control: no-store\r\n{retry}{connection}content-length: {}\r\n\r\n",
            self.status,
            self.reason(),
            self.kind,
            self.text.len() + 1,
        );
        if !head_only {
            out.extend_from_slice(self.text.as_bytes());
            out.push(b'\n');
        }
    }
}
