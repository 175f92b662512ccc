//! A connection to an instance, at a port or at a socket.

use super::stream::{Reader, Writer};
use crate::address::{self, Address};
use crate::limits::SOCKET_QUEUE_PAUSE;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use tokio::net::{TcpStream, UnixStream};

/// An open one.
pub(crate) enum Upstream {
    /// To a port.
    Port(TcpStream),
    /// To a socket.
    Socket(UnixStream),
}

impl Upstream {
    /// Tries for as long as it is let.
    pub(crate) async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Port(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Upstream::Port(stream))
            }
            Address::Socket(path) => loop {
                match address::connect(path).await {
                    // A full queue makes nobody wait here, other than at a port.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        tokio::time::sleep(SOCKET_QUEUE_PAUSE).await;
                    }
                    connected => return connected.map(Upstream::Socket),
                }
            },
        }
    }

    pub(crate) fn split(&mut self) -> (Reader<'_>, Writer<'_>) {
        match self {
            Upstream::Port(stream) => {
                let (read, write) = stream.split();
                (Reader::Clear(read), Writer::Clear(write))
            }
            Upstream::Socket(stream) => {
                let (read, write) = stream.split();
                (Reader::Local(read), Writer::Local(write))
            }
        }
    }

    /// What has come, as far as the runtime was told.
    pub(crate) fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Upstream::Port(stream) => stream.try_read(bytes),
            Upstream::Socket(stream) => stream.try_read(bytes),
        }
    }
}

impl AsFd for Upstream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Upstream::Port(stream) => stream.as_fd(),
            Upstream::Socket(stream) => stream.as_fd(),
        }
    }
}
