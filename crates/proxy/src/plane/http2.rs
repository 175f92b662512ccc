//! One client's connection over which HTTP/2 is spoken: requests beside each other.
//!
//! Each request is served as one on a connection of its own is, by the same code: see
//! [`bridge::Bridge`].

mod bridge;
mod wire;

use super::connection;
use super::stream::Stream;
use super::thread::Thread;
use crate::http1::refusal::Refusal;
use crate::http2::request;
use crate::limits::{
    CLIENT_IDLE_TIMEOUT, HEAD_BYTES_MAX, HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_GOING_TIMEOUT,
    HTTP2_PREFACE_TIMEOUT, HTTP2_RESET_STREAMS_KEPT_MAX, HTTP2_RESETS_MAX,
    HTTP2_RESETS_PENDING_MAX, HTTP2_SEND_BUFFER_BYTES_MAX, HTTP2_STREAM_WINDOW_BYTES,
    HTTP2_STREAMS_MAX, LINGER_TIMEOUT,
};
use bridge::Bridge;
use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Method, Request};
use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use wire::Wire;

/// Serves until either side ends it.
pub(super) async fn serve<S>(thread: &Rc<Thread>, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let wire = Wire::new(stream);
    let shaken = timeout(HTTP2_PREFACE_TIMEOUT, builder().handshake(wire.clone())).await;
    match shaken {
        Ok(Ok(connection)) => carry(thread, connection, &wire, peer).await,
        Ok(Err(error)) => tracing::debug!(%error, "HTTP/2 was not begun"),
        Err(_) => return,
    }
    // Our last word would be lost if we closed with bytes unread.
    wire.stop_counting();
    connection::linger(thread, &mut Stream::wrapped(wire)).await;
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .initial_window_size(HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(HTTP2_SEND_BUFFER_BYTES_MAX)
        .max_concurrent_reset_streams(HTTP2_RESET_STREAMS_KEPT_MAX)
        .max_pending_accept_reset_streams(HTTP2_RESETS_PENDING_MAX)
        .max_local_error_reset_streams(Some(HTTP2_RESETS_MAX as usize));
    builder
}

/// What is served on one connection now.
struct Served {
    requests: Cell<usize>,
    idle_since: Cell<Instant>,
}

/// Counts as served while it lives.
struct Serving {
    served: Rc<Served>,
    thread: Rc<Thread>,
}

impl Serving {
    fn new(served: &Rc<Served>, thread: &Rc<Thread>) -> Self {
        served.requests.set(served.requests.get() + 1);
        thread.plane.threads[thread.index].streams.fetch_add(1, Ordering::Relaxed);
        Serving { served: served.clone(), thread: thread.clone() }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let Serving { served, thread } = self;
        thread.plane.threads[thread.index].streams.fetch_sub(1, Ordering::Relaxed);
        served.requests.set(served.requests.get() - 1);
        served.idle_since.set(Instant::now());
    }
}

/// What a connection does next.
enum Step {
    Request(Box<(Request<RecvStream>, SendResponse<Bytes>)>),
    /// The client has sent what it may not.
    Excess,
    Over,
}

type Carried<S> = Connection<Wire<S>, Bytes>;

async fn carry<S>(thread: &Rc<Thread>, mut connection: Carried<S>, wire: &Wire<S>, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let now = Instant::now();
    let served = Rc::new(Served { requests: Cell::new(0), idle_since: Cell::new(now) });
    let mut closing = pin!(thread.closing.notified());
    closing.as_mut().enable();
    let mut is_going = thread.plane.is_closing();
    if is_going {
        connection.graceful_shutdown();
    }
    let mut look = pin!(sleep_until(now + CLIENT_IDLE_TIMEOUT));
    loop {
        let step = tokio::select! {
            biased;
            step = poll_fn(|context| poll_step(&mut connection, wire, context)) => step,
            () = &mut closing, if !is_going => {
                is_going = true;
                connection.graceful_shutdown();
                continue;
            }
            () = &mut look => {
                let idle = served.requests.get() == 0;
                let since = if idle { served.idle_since.get() } else { Instant::now() };
                let mut next = since + CLIENT_IDLE_TIMEOUT;
                if next <= Instant::now() {
                    if is_going {
                        return;
                    }
                    is_going = true;
                    connection.graceful_shutdown();
                    next = Instant::now() + HTTP2_GOING_TIMEOUT;
                }
                look.as_mut().reset(next);
                continue;
            }
        };
        match step {
            Step::Request(request) => {
                let (request, respond) = *request;
                // Each may need a connection to an instance, as each connection of HTTP/1.1 may.
                let is_full = thread.plane.is_full();
                let serving = Serving::new(&served, thread);
                tokio::task::spawn_local(async move {
                    serve_one(&serving.thread, request, respond, peer, is_full).await;
                });
            }
            Step::Excess => return dismiss(connection, peer).await,
            Step::Over => return,
        }
    }
}

fn poll_step<S>(
    connection: &mut Carried<S>,
    wire: &Wire<S>,
    context: &mut Context<'_>,
) -> Poll<Step>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let accepted = connection.poll_accept(context);
    if wire.is_over() {
        return Poll::Ready(Step::Excess);
    }
    accepted.map(|accepted| match accepted {
        Some(Ok(request)) => Step::Request(Box::new(request)),
        Some(Err(error)) => {
            tracing::debug!(%error, "an HTTP/2 connection broke off");
            Step::Over
        }
        None => Step::Over,
    })
}

/// Tells a client that it asks too much, and takes no more of it.
async fn dismiss<S>(mut connection: Carried<S>, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Who attacks shall not fill the log.
    tracing::debug!(%peer, "a client sent more HTTP/2 frames than it may, and was dismissed");
    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
    let closed = poll_fn(|context| connection.poll_closed(context));
    // Who does not read is left all the same.
    let _closed = timeout(LINGER_TIMEOUT, closed).await;
}

async fn serve_one(
    thread: &Rc<Thread>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    peer: SocketAddr,
    is_full: bool,
) {
    let (parts, body) = request.into_parts();
    let mut head = Vec::new();
    let written = match is_full {
        true => Err(Refusal::FULL),
        false => request::write(&parts, body.is_end_stream(), &mut head),
    };
    let is_head = parts.method == Method::HEAD;
    drop(parts);
    let chunked = written.unwrap_or(false);
    let mut stream = Stream::wrapped(Bridge::new(body, chunked, respond, is_head));
    match written {
        Ok(_) => {
            connection::serve_one(thread, &mut stream, &mut head, peer).await;
        }
        Err(refusal) => answer(&mut stream, refusal).await,
    }
}

async fn answer(stream: &mut Stream, refusal: Refusal) {
    let (_, write) = stream.split();
    // A client that does not take it has left.
    let _gone = connection::answer(write, refusal).await;
}
