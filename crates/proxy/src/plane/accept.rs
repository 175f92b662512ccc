//! One thread accepts, and hands each connection to the data-plane thread with the fewest.

use super::Plane;
use super::thread::Message;
use crate::limits::{ACCEPT_PAUSE, REFUSALS_MAX};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Accepts until the plane closes.
pub(super) fn run(plane: &Arc<Plane>, listeners: &[TcpListener]) {
    let listeners: Vec<&TcpListener> =
        listeners.iter().filter(|listener| prepare(listener).is_ok()).collect();
    while !plane.is_closing() {
        let mut watched: Vec<PollFd<'_>> =
            listeners.iter().map(|listener| PollFd::new(*listener, PollFlags::IN)).collect();
        watched.push(PollFd::new(&plane.wake, PollFlags::IN));
        match poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                tracing::error!(%error, "the listeners cannot be watched");
                std::thread::sleep(ACCEPT_PAUSE);
            }
        }
        let ready: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
        for (listener, _) in listeners.iter().zip(ready).filter(|(_, ready)| *ready) {
            accept_all(plane, listener);
        }
    }
}

/// Accepted sockets inherit these options from the listener.
fn prepare(listener: &TcpListener) -> std::io::Result<()> {
    let socket = socket2::SockRef::from(listener);
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)
}

fn accept_all(plane: &Arc<Plane>, listener: &TcpListener) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    while !plane.is_closing() {
        match rustix::net::acceptfrom_with(listener, flags) {
            Ok((descriptor, peer)) => {
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                let stream = TcpStream::from(descriptor);
                if let Some(peer) = peer {
                    hand_over(plane, stream, peer);
                }
            }
            Err(Errno::AGAIN) => return,
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                std::thread::sleep(ACCEPT_PAUSE);
                return;
            }
        }
    }
}

fn hand_over(plane: &Arc<Plane>, stream: TcpStream, peer: SocketAddr) {
    let fewest = plane.threads.iter().min_by_key(|t| t.connections.load(Ordering::Relaxed));
    let Some(thread) = fewest else { return };
    if plane.connections() < plane.connections_max {
        thread.connections.fetch_add(1, Ordering::Relaxed);
        if thread.sender.send(Message::Client(stream, peer)).is_err() {
            thread.connections.fetch_sub(1, Ordering::Relaxed);
        }
        return;
    }
    if plane.refusals.fetch_add(1, Ordering::Relaxed) < REFUSALS_MAX
        && thread.sender.send(Message::Refuse(stream)).is_ok()
    {
        return;
    }
    plane.refusals.fetch_sub(1, Ordering::Relaxed);
}

/// Frees one place among the refusals.
pub(super) struct RefusalGuard(pub(super) Arc<Plane>);

impl Drop for RefusalGuard {
    fn drop(&mut self) {
        self.0.refusals.fetch_sub(1, Ordering::Relaxed);
    }
}
