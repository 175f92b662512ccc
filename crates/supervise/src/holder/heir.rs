//! Inheriting from a holder that died: its proxy lives, and gives us copies of its listeners.

use super::listeners::Listeners;
use crate::{
    place::{self, Place},
    process::{self, Process},
};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, recvmsg, send, socket_with,
    sockopt::{Timeout, set_socket_timeout, socket_peercred},
};
use serde::Deserialize;
use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::OwnedFd,
    time::Duration,
};

/// A proxy that does not answer in this time, so many times, is taken for stuck.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
const TRIES: u32 = 3;
/// More descriptors than this come in no answer.
const DESCRIPTORS_MAX: usize = 32;
const LINE_BYTES_MAX: usize = 64 * 1024;
const ASK: &[u8] = b"{\"ask\":\"listeners\"}\n";

/// The one answer we need of the proxy's.
#[derive(Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
enum Answer {
    Listeners {
        addresses: Vec<String>,
    },
    #[serde(other)]
    Other,
}

/// What a living proxy handed over; none where no proxy lives.
pub(super) fn inherit(place: &Place) -> Result<Option<(Process, Listeners)>, String> {
    let mut reason = String::new();
    for _ in 0..TRIES {
        let socket = match open(place) {
            Ok(socket) => socket,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => {
                reason = error.to_string();
                continue;
            }
        };
        let proxy = owner(&socket).ok_or("who listens on the proxy's control socket is gone")?;
        match ask(&socket) {
            Ok(listeners) => return Ok(Some((proxy, listeners))),
            Err(error) => {
                reason = format!("pid {} does not hand its listeners over: {error}", proxy.pid);
            }
        }
    }
    Err(format!("a proxy seems to run without a holder: {reason}; end it, then start again"))
}

/// Who listens on the proxy's control socket now.
pub(super) fn who_leads(place: &Place) -> Option<Process> {
    owner(&open(place).ok()?)
}

fn open(place: &Place) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(ANSWER_PATIENCE))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_PATIENCE))?;
    connect(&socket, &SocketAddrUnix::new(place.socket(place::PROXY_SOCKET))?)?;
    Ok(socket)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn owner(socket: &OwnedFd) -> Option<Process> {
    let peer = socket_peercred(socket).ok()?;
    process::read(u32::try_from(peer.pid.as_raw_nonzero().get()).ok()?)
}

fn ask(socket: &OwnedFd) -> io::Result<Listeners> {
    send(socket, ASK, SendFlags::NOSIGNAL)?;
    let mut line = Vec::new();
    let mut descriptors = Vec::new();
    while line.last() != Some(&b'\n') && line.len() < LINE_BYTES_MAX {
        let mut chunk = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut chunk)];
        let received = recvmsg(socket, parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&chunk[..received.bytes]);
    }
    match serde_json::from_slice(&line)? {
        Answer::Listeners { addresses } if addresses.len() == descriptors.len() => {
            Ok(Listeners { descriptors, addresses })
        }
        _ => Err(io::Error::other("its answer holds no listeners")),
    }
}
