//! Asking a new proxy to lead, without ever waiting for it.

use crate::place::Place;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with,
};
use serde::Deserialize;
use serde_json::json;
use std::{
    io::{ErrorKind, Read},
    os::unix::net::UnixStream,
};

/// A longer answer is none of ours.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The connection on which its answer comes.
pub(super) struct Succession {
    stream: UnixStream,
    received: Vec<u8>,
}

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing yet.
    None,
    /// It leads.
    Leads,
    /// It does not, and the old one does.
    Refused(String),
}

/// The answers we need of the proxy's.
#[derive(Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
enum Answer {
    Leads,
    Refused {
        message: String,
    },
    #[serde(other)]
    Other,
}

impl Succession {
    /// Asks the proxy `pid` to lead after `old`; none where it cannot be asked yet.
    pub(super) fn begin(place: &Place, pid: u32, old: Option<u32>, limit_ms: u64) -> Option<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        let path = place.socket(&format!("control.{pid}.sock"));
        connect(&socket, &SocketAddrUnix::new(path).ok()?).ok()?;
        let ask = json!({ "ask": "lead", "after": old, "limit_ms": limit_ms });
        let line = format!("{ask}\n");
        // A socket that nothing was written to takes so little at once.
        send(&socket, line.as_bytes(), SendFlags::NOSIGNAL).ok()?;
        Some(Self { stream: UnixStream::from(socket), received: Vec::new() })
    }

    /// What it has said by now.
    pub(super) fn word(&mut self) -> Word {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Word::Refused("it ended while it took over".to_owned()),
                Ok(length) => self.received.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Word::Refused(error.to_string()),
            }
            if self.received.ends_with(b"\n") || self.received.len() > ANSWER_BYTES_MAX {
                break;
            }
        }
        if !self.received.ends_with(b"\n") && self.received.len() <= ANSWER_BYTES_MAX {
            return Word::None;
        }
        match serde_json::from_slice(&self.received) {
            Ok(Answer::Leads) => Word::Leads,
            Ok(Answer::Refused { message }) => Word::Refused(message),
            _ => Word::Refused("it answers something that is not known here".to_owned()),
        }
    }
}
