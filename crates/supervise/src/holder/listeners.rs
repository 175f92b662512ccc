//! The listening sockets: bound here, kept open here.

use super::seats::SEATS;
use crate::{EXIT_NOT_BOUND, RoleError, port};
use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with,
        sockopt::{set_ipv6_v6only, set_socket_reuseaddr, socket_acceptconn},
    },
};
use std::{net::SocketAddr, os::fd::OwnedFd, thread, time::Duration};

/// Before an address at which clients begin with a TLS handshake, which is the proxy's to answer.
const SECURE: &str = "https://";
const BACKLOG: i32 = 4096;
/// A predecessor's sockets are gone a moment after it.
const BIND_TRIES: u32 = 10;
const BIND_PAUSE: Duration = Duration::from_millis(50);

/// The descriptors and, in the same order, their addresses.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) descriptors: Vec<OwnedFd>,
    pub(super) addresses: Vec<String>,
}

impl Listeners {
    /// All of them, or none.
    pub(super) fn bind(addresses: &[String]) -> Result<Self, RoleError> {
        if addresses.is_empty() || addresses.len() > SEATS {
            return Err(RoleError {
                message: format!("{} addresses: it must be 1 to {SEATS}", addresses.len()),
                code: EXIT_NOT_BOUND,
            });
        }
        let wanted = addresses.iter().map(|it| parse(it)).collect::<Result<Vec<_>, _>>()?;
        let mut descriptors = Vec::new();
        for address in &wanted {
            descriptors.push(bind_patiently(*address, &wanted)?);
        }
        let addresses = descriptors.iter().zip(addresses).map(|(it, asked)| real(it, asked));
        let addresses = addresses.collect();
        Ok(Self { descriptors, addresses })
    }

    /// What a service manager kept, if it is just what is wanted.
    pub(super) fn kept(kept: Vec<OwnedFd>, wanted: &[String]) -> Option<Self> {
        let named: Vec<(OwnedFd, SocketAddr)> = kept
            .into_iter()
            .filter(|it| socket_acceptconn(it).unwrap_or(false))
            .filter_map(|it| {
                let address = SocketAddr::try_from(getsockname(&it).ok()?).ok()?;
                Some((it, address))
            })
            .collect();
        let fits = |is: SocketAddr, asked: &str| {
            let asked: Option<SocketAddr> = bare(asked).parse().ok();
            asked.is_some_and(|it| it.ip() == is.ip() && (it.port() == 0 || it.port() == is.port()))
        };
        if named.len() != wanted.len() || named.is_empty() {
            return None;
        }
        let mut left = named;
        let mut kept = Self { descriptors: Vec::new(), addresses: Vec::new() };
        for asked in wanted {
            let at = left.iter().position(|it| fits(it.1, asked))?;
            let (descriptor, _) = left.remove(at);
            kept.addresses.push(real(&descriptor, asked));
            kept.descriptors.push(descriptor);
        }
        Some(kept)
    }
}

/// Without the word on what is spoken there.
fn bare(address: &str) -> &str {
    address.strip_prefix(SECURE).unwrap_or(address)
}

fn parse(address: &str) -> Result<SocketAddr, RoleError> {
    bare(address).parse().map_err(|_| RoleError {
        message: format!("{address} is no address with a port, like 0.0.0.0:80 or [::]:80"),
        code: EXIT_NOT_BOUND,
    })
}

fn bind_patiently(address: SocketAddr, all: &[SocketAddr]) -> Result<OwnedFd, RoleError> {
    let mut tries_left = BIND_TRIES;
    loop {
        tries_left -= 1;
        match bind_once(address, all) {
            Ok(descriptor) => return Ok(descriptor),
            Err(Errno::ADDRINUSE) if tries_left > 0 => thread::sleep(BIND_PAUSE),
            Err(error) => {
                let message = explain(address, error);
                return Err(RoleError { message, code: EXIT_NOT_BOUND });
            }
        }
    }
}

fn bind_once(address: SocketAddr, all: &[SocketAddr]) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    let four_is_listed = all.iter().any(|it| it.is_ipv4() && it.port() == address.port());
    if address.is_ipv6() && four_is_listed {
        set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn explain(address: SocketAddr, error: Errno) -> String {
    let way_out = match error {
        Errno::ADDRINUSE => match port::port_owner(address.port()) {
            Some(owner) => format!(
                "it belongs to {} (pid {}); stop that, or set another address in proxy.listen",
                owner.name, owner.pid
            ),
            None => "set another address in proxy.listen".to_owned(),
        },
        Errno::ACCESS => "ports below 1024 need root; set another in proxy.listen".to_owned(),
        Errno::ADDRNOTAVAIL => "this machine does not have that address".to_owned(),
        _ => "set another address in proxy.listen".to_owned(),
    };
    format!("cannot listen on {address}: {error}; {way_out}")
}

fn real(descriptor: &OwnedFd, asked: &str) -> String {
    let prefix = if asked.starts_with(SECURE) { SECURE } else { "" };
    getsockname(descriptor)
        .ok()
        .and_then(|address| SocketAddr::try_from(address).ok())
        .map_or_else(|| asked.to_owned(), |address| format!("{prefix}{address}"))
}
