//! Why something that was sent is not taken, in words that name it.

use model::failure::{Blame, Failure};
use std::{error::Error, fmt, io};

/// Of a path in a sentence.
const SHOWN_BYTES_MAX: usize = 160;

/// `why` reads on from the path.  An empty path means all of it.
pub(super) fn refused(path: &[u8], why: &str) -> Failure {
    let subject = if path.is_empty() { "it".to_owned() } else { format!("`{}`", shown(path)) };
    Failure::new(Blame::Request, format!("take what was sent: {subject} {why}"))
}

/// As it can be printed: what is odd in it escaped, and what is long cut.
pub(super) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(&path[..path.len().min(SHOWN_BYTES_MAX)]);
    let more = if path.len() > SHOWN_BYTES_MAX { "…" } else { "" };
    format!("{}{more}", text.escape_debug())
}

/// More than a limit allows.
pub(super) fn beyond(what: &str) -> Failure {
    Failure::new(Blame::Request, format!("take what was sent: it has {what}"))
        .hint("leave out what the release does not need, such as caches and build directories")
}

/// What a read that failed means for the entry at `path`, or for what follows it.
pub(super) fn unread(path: &[u8], error: &io::Error) -> Failure {
    if let Some(stop) = error.get_ref().and_then(|it| it.downcast_ref::<Stop>()) {
        return refused(path, &stop.0).hint("make the archive anew, from built files only");
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return cut(path, "is cut off");
    }
    refused(path, &format!("cannot be read: {error}"))
        .hint("make the archive anew and send it again: it is damaged")
}

/// The end came too early.
pub(super) fn cut(path: &[u8], why: &str) -> Failure {
    refused(path, why)
        .hint("send it again: the connection, or the writing of the archive, was cut off")
}

/// Carries a refusal through decoders, which only know errors of reading.
pub(super) fn stop(why: impl Into<String>) -> io::Error {
    io::Error::other(Stop(why.into()))
}

#[derive(Debug)]
struct Stop(String);

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for Stop {}
