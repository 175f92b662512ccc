//! Takes over the listeners that the holder has bound.
#![allow(unsafe_code, reason = "inherited descriptors are known by number only")]

use crate::error::ProxyError;
use std::net::TcpListener;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The first inherited descriptor, by convention.
const FIRST: RawFd = 3;
/// More are not taken.
const COUNT_MAX: usize = 64;

/// The listeners of `LISTEN_FDS`, and their addresses from `CUTOVER_LISTEN`.  To be called once,
/// before anything else opens a descriptor.
///
/// # Errors
/// When the variables are missing or do not describe listening TCP sockets.
pub fn listeners_from_environment() -> Result<(Vec<TcpListener>, Vec<String>), ProxyError> {
    let wrong = |text: String| ProxyError::Environment(text);
    let count = std::env::var("LISTEN_FDS").map_err(|_| ProxyError::NoListeners)?;
    let count: usize = count.parse().map_err(|_| wrong(format!("LISTEN_FDS is '{count}'")))?;
    if count == 0 || count > COUNT_MAX {
        return Err(wrong(format!("LISTEN_FDS is {count}, not 1 to {COUNT_MAX}")));
    }
    let mut listeners = Vec::new();
    for number in (FIRST..).take(count) {
        let listener = take_over(number).map_err(|error| {
            wrong(format!("descriptor {number} is not a listening socket: {error}"))
        })?;
        listeners.push(listener);
    }
    let named = std::env::var("CUTOVER_LISTEN").unwrap_or_default();
    let mut addresses: Vec<String> =
        named.split(',').map(str::trim).filter(|a| !a.is_empty()).map(str::to_owned).collect();
    if addresses.len() != listeners.len() {
        addresses = listeners
            .iter()
            .map(|listener| listener.local_addr().map(|address| address.to_string()))
            .collect::<Result<_, _>>()?;
    }
    Ok((listeners, addresses))
}

/// Whether another proxy runs with these listeners, so that this one must be told to lead.
pub fn is_to_wait() -> bool {
    std::env::var_os("CUTOVER_WAITS").is_some()
}

fn take_over(number: RawFd) -> std::io::Result<TcpListener> {
    // SAFETY: the descriptor is only looked at here, and the calls fail if it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)?;
    if !rustix::net::sockopt::socket_acceptconn(borrowed)? {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it is open, as was just seen, and the holder has left it to this process alone;
    // nothing else here knows its number.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    Ok(TcpListener::from(owned))
}
