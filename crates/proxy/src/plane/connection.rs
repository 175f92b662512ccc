//! One client's connection: requests one after the other.

use super::exchange::{self, After};
use super::http2;
use super::secure::{self, Spoken};
use super::stream::{Reader, Stream, Writer};
use super::thread::Thread;
use super::wire::{Sink, poll_read};
use crate::http1::Version;
use crate::http1::refusal::Refusal;
use crate::http1::request::{self, Peer, Request};
use crate::limits::{
    CLIENT_IDLE_TIMEOUT, CLIENT_STALL_TIMEOUT, HEAD_TIMEOUT, LINGER_BYTES_MAX, LINGER_TIMEOUT,
};
use crate::run::SECURE;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How a client came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// It speaks at once.
    Clear,
    /// It begins with a TLS handshake.
    Secure,
}

impl Door {
    /// As an address of a listener says.
    pub(crate) fn of(address: &str) -> Self {
        if address.starts_with(SECURE) { Door::Secure } else { Door::Clear }
    }
}

/// Serves until either side ends it.
pub(super) async fn serve(thread: &Rc<Thread>, stream: TcpStream, peer: SocketAddr, door: Door) {
    let mut stream = match door {
        Door::Clear => Stream::Clear(stream),
        Door::Secure => match Box::pin(secure::handshake(&thread.plane, stream)).await {
            Some(Spoken::Http1(stream)) => stream,
            Some(Spoken::Http2(stream)) => {
                return Box::pin(http2::serve(thread, stream, peer)).await;
            }
            None => return,
        },
    };
    // Bytes of the next request that came with the one before.
    let mut inbox = Vec::new();
    loop {
        if inbox.is_empty() {
            // An idle connection owns no buffer.
            inbox = Vec::new();
            let (mut half, _) = stream.split();
            let first = timeout(CLIENT_IDLE_TIMEOUT, fill(thread, &mut half, &mut inbox));
            if !matches!(first.await, Ok(Ok(1..))) {
                return;
            }
        }
        // The state of a request is large and short-lived; an idle connection does not carry it.
        let after = Box::pin(serve_one(thread, &mut stream, &mut inbox, peer)).await;
        match after {
            After::Next => {}
            After::Close => return,
            After::Linger => return Box::pin(linger(thread, &mut stream)).await,
        }
    }
}

/// Tells a client that there are too many.
pub(super) async fn refuse(thread: &Rc<Thread>, stream: TcpStream) {
    let mut stream = Stream::Clear(stream);
    let (_, half) = stream.split();
    let mut sink = Sink::new(half);
    Refusal::FULL.write(sink.pending(), false, false, Version::Http11);
    if sink.flush(LINGER_TIMEOUT).await.is_ok() {
        linger(thread, &mut stream).await;
    }
}

/// Serves the next request.  `inbox` is what has come of it.
pub(super) async fn serve_one(
    thread: &Rc<Thread>,
    stream: &mut Stream,
    inbox: &mut Vec<u8>,
    peer: SocketAddr,
) -> After {
    let scheme = if stream.is_clear() { "http" } else { "https" };
    let (mut read, write) = stream.split();
    let sink = Sink::new(write);
    let head = timeout(HEAD_TIMEOUT, read_head(thread, &mut read, inbox, (peer, scheme))).await;
    let refusal = match head {
        Ok(Ok(Ok(request))) => {
            inbox.drain(..request.consumed);
            let client = exchange::Client { thread, read, sink, inbox };
            return exchange::run(client, request).await;
        }
        Ok(Ok(Err(refusal))) => refusal,
        Ok(Err(_)) => return After::Close,
        Err(_) => Refusal::TIMEOUT,
    };
    drop(sink);
    let (_, write) = stream.split();
    match answer(write, refusal).await {
        Ok(()) => After::Linger,
        Err(_) => After::Close,
    }
}

/// Tells a client why its request is none.
pub(super) async fn answer(write: Writer<'_>, refusal: Refusal) -> io::Result<()> {
    let mut sink = Sink::new(write);
    refusal.write(sink.pending(), false, false, Version::Http11);
    sink.flush(CLIENT_STALL_TIMEOUT).await
}

async fn read_head(
    thread: &Thread,
    half: &mut Reader<'_>,
    inbox: &mut Vec<u8>,
    (peer, scheme): (SocketAddr, &'static str),
) -> io::Result<Result<Request, Refusal>> {
    // Some clients end a body with an empty line that belongs to nothing.
    let mut may_skip_line = true;
    let client = Address::new(peer);
    let trusted = thread.plane.trusted.load_full();
    let is_trusted = trusted.contains(peer.ip());
    let peer =
        Peer { address: client.text(), scheme, trusted: is_trusted.then(|| trusted.as_ref()) };
    loop {
        if may_skip_line && inbox.starts_with(b"\r\n") {
            inbox.drain(..2);
            may_skip_line = false;
        }
        match request::read(inbox, &peer) {
            Ok(Some(request)) => return Ok(Ok(request)),
            Ok(None) => {}
            Err(refusal) => return Ok(Err(refusal)),
        }
        if fill(thread, half, inbox).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A client's address in words, without an allocation for a connection that is idle.
struct Address(String);

impl Address {
    fn new(peer: SocketAddr) -> Self {
        Address(peer.ip().to_canonical().to_string())
    }

    fn text(&self) -> &str {
        &self.0
    }
}

async fn fill(thread: &Thread, half: &mut Reader<'_>, inbox: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|context| {
        poll_read(thread, half, context, |_, bytes| {
            inbox.extend_from_slice(bytes);
            bytes.len()
        })
    })
    .await
}

/// Says that no more comes, and reads on for a moment: closing with unread bytes would reset the
/// connection and could take our last response with it.
pub(super) async fn linger(thread: &Thread, stream: &mut Stream) {
    let (mut read, write) = stream.split();
    let mut sink = Sink::new(write);
    let mut left = LINGER_BYTES_MAX;
    let ended = async {
        poll_fn(|context| sink.poll_shutdown(context)).await?;
        poll_fn(|context| {
            loop {
                match poll_read(thread, &mut read, context, |_, bytes| bytes.len()) {
                    Poll::Ready(Ok(length @ 1..)) if length < left => left -= length,
                    Poll::Ready(Ok(_)) => return Poll::Ready(Ok::<(), io::Error>(())),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    };
    // Whatever came of it, the connection is closed now.
    let _ended = timeout(LINGER_TIMEOUT, ended).await;
}
