//! The answer to a certificate authority.

use super::Version;
use super::request::Request;
use std::io::Write;

/// Appends the whole response.
pub fn write(out: &mut Vec<u8>, request: &Request, answer: &str, keep_alive: bool) {
    let connection = match (keep_alive, request.version) {
        (false, _) => "connection: close\r\n",
        (true, Version::Http10) => "connection: keep-alive\r\n",
        (true, Version::Http11) => "",
    };
    let _infallible = write!(
        out,
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncache-control: no-store\r\n\
         {connection}content-length: {}\r\n\r\n",
        answer.len(),
    );
    if !request.is_head {
        out.extend_from_slice(answer.as_bytes());
    }
}
