//! HTTP/1.1 without a socket: heads, framing, rewriting, chunks, frames.  Everything here is a
//! function of the bytes it is given.

pub mod body;
pub mod challenge;
pub mod chunk;
pub mod fields;
pub mod host;
pub mod protection;
pub mod redirect;
pub mod refusal;
pub mod request;
pub mod response;
pub mod websocket;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// This many bytes.
    Length(u64),
    /// Chunks up to the last one.
    Chunked,
    /// Up to the end of the connection; responses only.
    UntilClose,
}

/// The protocol version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunks, no 100, closes unless asked otherwise.
    Http10,
    /// HTTP/1.1.
    Http11,
}

#[cfg(test)]
mod rfc9112_tests;
