//! What the service manager of the host is told, where it is the one that started this process,
//! and the listeners that it keeps for the next one.

#![allow(unsafe_code, reason = "inherited descriptors are known by number only")]

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, sendmsg_addr, socket_with,
};
use std::{
    env,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// Where it listens.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";
/// What it hands over is told by these; they are nobody else's business.
pub(crate) const VARIABLES: [&str; 4] = [SOCKET, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];
/// The name under which listeners are kept.
const KEPT_AS: &str = "cutover";
/// The first inherited descriptor, by convention.
const FIRST: RawFd = 3;
/// More are not taken.
const COUNT_MAX: usize = 64;
/// Beyond the numbers that the proxy's listeners get.
const ABOVE: RawFd = 128;

/// Whether a service manager started this process, and wants to hear of it.
pub(crate) fn is_heard() -> bool {
    env::var_os(SOCKET).is_some()
}

/// Tells the service manager, as `READY=1`; does nothing where there is none.
///
/// # Errors
///
/// It listens, and cannot be told.
pub fn tell(text: &str) -> io::Result<()> {
    send(text, &[])
}

/// Has the listeners kept beyond the end of this process.
pub(crate) fn keep(listeners: &[OwnedFd]) -> io::Result<()> {
    let descriptors: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    send(&format!("FDSTORE=1\nFDNAME={KEPT_AS}"), &descriptors)
}

/// Has them kept no longer: who connects is then refused instead of left waiting.
pub(crate) fn forget() -> io::Result<()> {
    send(&format!("FDSTOREREMOVE=1\nFDNAME={KEPT_AS}"), &[])
}

fn send(text: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let Some(path) = env::var_os(SOCKET) else { return Ok(()) };
    let path = path.as_encoded_bytes();
    let address = match path.strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name)?,
        None => SocketAddrUnix::new(path)?,
    };
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(COUNT_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("there are too many descriptors"));
    }
    let parts = [IoSlice::new(text.as_bytes())];
    sendmsg_addr(&socket, &address, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// How many descriptors it handed over, from the third on.
pub(crate) fn handed() -> usize {
    let number = |name: &str| env::var(name).ok().and_then(|it| it.parse::<usize>().ok());
    let ours = number("LISTEN_PID") == usize::try_from(std::process::id()).ok();
    number("LISTEN_FDS").filter(|_| ours).unwrap_or(0).min(COUNT_MAX)
}

/// Those descriptors, at numbers that nobody else needs.  Only for the very start of a role, when
/// nothing in this process owns them yet.
pub(crate) fn take(count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut taken = vec![];
    for number in (FIRST..).take(count) {
        // SAFETY: it is open, since the service manager says so, and has no owner yet (see above).
        let handed = unsafe { OwnedFd::from_raw_fd(number) };
        taken.push(rustix::io::fcntl_dupfd_cloexec(&handed, ABOVE)?);
    }
    Ok(taken)
}
