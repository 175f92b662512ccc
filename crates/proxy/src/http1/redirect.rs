//! The way from clear HTTP to TLS.

use super::Version;
use super::request::Request;
use std::io::Write;

/// The port that an address need not name.
const USUAL_PORT: u16 = 443;

/// Appends the whole response: 308, whatever the method.  A client keeps method and body then,
/// where it would make a GET of a POST after 301.
pub fn write(out: &mut Vec<u8>, request: &Request, port: u16, keep_alive: bool) {
    let port = if port == USUAL_PORT { String::new() } else { format!(":{port}") };
    let query = request.query().map(|it| format!("?{it}")).unwrap_or_default();
    // `*` is no path that one could go to.
    let path = if request.path().starts_with('/') { request.path() } else { "/" };
    let connection = match (keep_alive, request.version) {
        (false, _) => "connection: close\r\n",
        (true, Version::Http10) => "connection: keep-alive\r\n",
        (true, Version::Http11) => "",
    };
    let _infallible = write!(
        out,
        "HTTP/1.1 308 Permanent Redirect\r\nlocation: https://{}{port}{path}{query}\r\n{connection}\
         content-length: 0\r\n\r\n",
        request.host,
    );
}
