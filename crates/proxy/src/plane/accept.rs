//! The first data-plane thread accepts, and hands each connection to the thread with the fewest.

use super::connection::Door;
use super::thread::{self, Message, Thread};
use super::{Plane, ThreadHandle};
use crate::limits::{ACCEPT_PAUSE, REFUSALS_MAX};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;

/// Accepts until the task is dropped.
pub(super) async fn run(thread: Rc<Thread>, listener: TcpListener, door: Door) {
    let listener =
        match prepare(&listener).and_then(|()| tokio::net::TcpListener::from_std(listener)) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "a listener cannot be accepted on");
                return;
            }
        };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => hand_over(&thread, stream, peer, door),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Descriptors or memory are short; both come back as connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Accepted sockets inherit these options from the listener.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    let socket = socket2::SockRef::from(listener);
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)
}

fn hand_over(accepting: &Rc<Thread>, stream: TcpStream, peer: SocketAddr, door: Door) {
    let plane = &accepting.plane;
    let threads = plane.threads.iter().enumerate();
    let fewest = threads.min_by_key(|(_, thread)| thread.connections.load(Ordering::Relaxed));
    let Some((index, thread)) = fewest else { return };
    if !plane.is_full() {
        thread.connections.fetch_add(1, Ordering::Relaxed);
        if index == accepting.index {
            thread::spawn_client(accepting, stream, peer, door);
        } else if !send(thread, stream, |stream| Message::Client(stream, peer, door)) {
            thread.connections.fetch_sub(1, Ordering::Relaxed);
        }
        return;
    }
    if door == Door::Secure {
        // It would not understand us, and a handshake costs what is short.
        return;
    }
    if plane.refusals.fetch_add(1, Ordering::Relaxed) >= REFUSALS_MAX
        || !send(thread, stream, Message::Refuse)
    {
        plane.refusals.fetch_sub(1, Ordering::Relaxed);
    }
}

/// To another thread a connection goes without its registration with this one's.
fn send(
    thread: &ThreadHandle,
    stream: TcpStream,
    message: impl FnOnce(std::net::TcpStream) -> Message,
) -> bool {
    stream.into_std().is_ok_and(|stream| thread.sender.send(message(stream)).is_ok())
}

/// Frees one place among the refusals.
pub(super) struct RefusalGuard(pub(super) Arc<Plane>);

impl Drop for RefusalGuard {
    fn drop(&mut self) {
        self.0.refusals.fetch_sub(1, Ordering::Relaxed);
    }
}
