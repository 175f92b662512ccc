//! One connection to the daemon's socket: what is read from it, and what was handed over with it.

use super::PeerListener;
use axum::{extract::connect_info::Connected, serve::IncomingStream};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::OwnedFd,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::UnixStream,
};

/// Bytes of one reading.
const READ_BYTES_MAX: usize = 64 * 1024;

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    uid: Option<u32>,
    is_our_user: bool,
    /// Only the last that came is kept.
    handed: Arc<Mutex<Option<OwnedFd>>>,
}

impl Peer {
    /// The user of the process, as the kernel says.
    pub fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// Takes the descriptor that came over this connection.  Only our own user's is given: what
    /// another may open, we might not.
    pub fn take_handed(&self) -> Option<OwnedFd> {
        let handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner).take();
        handed.filter(|_| self.is_our_user)
    }
}

impl Connected<IncomingStream<'_, PeerListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, PeerListener>) -> Peer {
        stream.remote_addr().clone()
    }
}

/// The connection.
#[derive(Debug)]
pub struct PeerStream {
    stream: UnixStream,
    peer: Peer,
}

/// A connection, and who is at its other end.
pub(super) fn of(stream: UnixStream, uid: u32, is_our_user: bool) -> (PeerStream, Peer) {
    let peer = Peer { uid: Some(uid), is_our_user, handed: Arc::default() };
    (PeerStream { stream, peer: peer.clone() }, peer)
}

impl PeerStream {
    fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(into)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = recvmsg(&self.stream, &mut slices, &mut ancillary, flags)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                let mut handed = self.peer.handed.lock().unwrap_or_else(PoisonError::into_inner);
                *handed = descriptors.last();
            }
        }
        Ok(received.bytes)
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            let room = buffer.remaining().min(READ_BYTES_MAX);
            let into = buffer.initialize_unfilled_to(room);
            match self.stream.try_io(Interest::READABLE, || self.receive(into)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    buffer.advance(read?);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
