//! Where an instance answers: at a port, or at a Unix socket.

use crate::limits::SOCKET_PATH_BYTES_MAX;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use tokio::net::{TcpStream, UnixStream};

/// Before the path of a Unix socket.
pub const UNIX: &str = "unix:";

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// At a port of an address.
    Port(SocketAddr),
    /// At this path.
    Socket(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix(UNIX) else {
            let parsed = text.parse().map(Address::Port);
            return parsed.map_err(|_| format!("'{text}' is not an address with a port"));
        };
        let whole = Path::new(path);
        let plain = |it: Component<'_>| matches!(it, Component::RootDir | Component::Normal(_));
        if !whole.is_absolute() || !whole.components().all(plain) || path.contains('\0') {
            return Err(format!("'{path}' is not the whole path of a socket"));
        }
        if path.len() > SOCKET_PATH_BYTES_MAX {
            let most = SOCKET_PATH_BYTES_MAX;
            return Err(format!("'{path}' is longer than a socket's path may be ({most} bytes)"));
        }
        Ok(Address::Socket(whole.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Port(address) => address.fmt(formatter),
            Address::Socket(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}

impl Address {
    /// Whether a connection is refused: nobody listens there.  Any other trouble is none of who
    /// listens.
    pub(crate) async fn refuses(&self) -> bool {
        let tried = match self {
            Address::Port(address) => TcpStream::connect(address).await.map(drop),
            Address::Socket(path) => connect(path).await.map(drop),
        };
        tried.is_err_and(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => true,
            // What is not there was removed by who is to start again, or has never listened.
            io::ErrorKind::NotFound => matches!(self, Address::Socket(_)),
            _ => false,
        })
    }
}

/// Connects to the socket at `path`, and to no other that a link there leads to: the directory is
/// the instance's, and we may reach sockets that it may not.
///
/// # Errors
/// Nobody listens, or it is no socket.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = openat(CWD, path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::Socket {
        return Err(io::Error::other("what is there is no socket"));
    }
    UnixStream::connect(format!("/proc/self/fd/{}", found.as_raw_fd())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_to_another_socket_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (own, link) = (folder.path().join("own"), folder.path().join("link"));
        assert_eq!(connect(&own).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        let listener = std::os::unix::net::UnixListener::bind(&own).unwrap();
        std::os::unix::fs::symlink(&own, &link).unwrap();
        connect(&own).await.unwrap();
        assert!(connect(&link).await.is_err());
        assert!(!Address::Socket(own.clone()).refuses().await);
        drop(listener);
        assert!(Address::Socket(own).refuses().await, "nobody listens any more");
    }

    #[test]
    fn ports_and_sockets_are_told_apart() {
        for text in ["127.0.0.1:20001", "[::1]:80", "unix:/var/lib/cutover/sockets/a/listen"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let long = format!("unix:/{}", "x".repeat(SOCKET_PATH_BYTES_MAX));
        for text in ["", "127.0.0.1", "unix:", "unix:run/s", "unix:/a/../b", "/run/s", &long] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
