//! Readiness that the app tells itself: `READY=1` to the socket that `NOTIFY_SOCKET` names.

use rustix::{
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix,
        SocketFlags, SocketType, bind, recvmsg, socket_with, sockopt::set_socket_passcred,
    },
    rand::{GetRandomFlags, getrandom},
};
use std::{
    fmt::Write,
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

pub(super) const VARIABLE: &str = "NOTIFY_SOCKET";
const DATAGRAM_BYTES_MAX: usize = 4 * 1024;
const RANDOM_BYTES: usize = 16;

/// A socket with a name in the abstract space, that nobody can guess.
#[derive(Debug)]
pub(super) struct Notify {
    name: String,
    socket: OwnedFd,
}

/// Somebody said that the app is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// Who said it, by the kernel's word.
    pub(super) pid: u32,
    pub(super) uid: u32,
}

impl Notify {
    /// Under a new name, or the one that a running child was given: `@` and the name.
    pub(super) fn open(name: Option<String>) -> io::Result<Self> {
        let name = match name {
            Some(name) if name.starts_with('@') => name,
            _ => new_name()?,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        set_socket_passcred(&socket, true)?;
        bind(&socket, &SocketAddrUnix::new_abstract_name(&name.as_bytes()[1..])?)?;
        Ok(Self { name, socket })
    }

    /// The value of `NOTIFY_SOCKET`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next datagram that says so; other ones are passed over.
    pub(super) fn receive(&self) -> Option<Ready> {
        loop {
            let mut datagram = [0; DATAGRAM_BYTES_MAX];
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8), ScmCredentials(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(&mut datagram)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            );
            let length = received.ok()?.bytes;
            // Descriptors that somebody sends along are closed by being dropped here.
            let sender = ancillary.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmCredentials(sender) => Some(sender),
                _ => None,
            });
            let said =
                datagram[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1");
            if let (true, Some(sender)) = (said, sender) {
                let pid = u32::try_from(sender.pid.as_raw_nonzero().get()).ok()?;
                return Some(Ready { pid, uid: sender.uid.as_raw() });
            }
        }
    }
}

fn new_name() -> io::Result<String> {
    let mut random = [0_u8; RANDOM_BYTES];
    getrandom(&mut random, GetRandomFlags::empty())?;
    let mut name = "@cutover-notify-".to_owned();
    for byte in random {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}
