//! Both directions of a connection that has changed its protocol.

use super::claim::Claim;
use super::exchange::{After, Client};
use super::stream::Reader;
use super::thread::Thread;
use super::upstream::Upstream;
use super::wire::{Sink, poll_read};
use crate::http1::request::Request;
use crate::http1::websocket::{FrameScanner, close_frame};
use crate::limits::{CLOSE_FRAME_TIMEOUT, TUNNEL_HALF_CLOSED_TIMEOUT};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use tokio::time::timeout;

/// One direction.
struct Pipe<'p, 'f, 't> {
    from: &'p mut Reader<'f>,
    to: &'p mut Sink<'t>,
    frames: FrameScanner,
    state: State,
    /// Whether `to` leads to the instance.
    to_server: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Our close frame is out; what comes is read and dropped.
    Closing,
    /// The source has ended, and the sink is to be told.
    Ending,
    Done,
}

enum Ended {
    Both,
    First,
    Broken,
    ByDrain,
}

/// Carries bytes both ways until the end.  `early` came behind the 101, the client's inbox behind
/// its request; neither went on before.
pub(super) async fn run(
    client: &mut Client<'_>,
    request: &Request,
    claim: Claim,
    mut upstream: Upstream,
    early: &[u8],
) -> After {
    let thread = client.thread;
    let is_websocket =
        request.upgrade.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("websocket"));
    let (mut read, write) = upstream.split();
    let mut sink = Sink::new(write);
    let mut up = Pipe::new(&mut client.read, &mut sink, true);
    let mut down = Pipe::new(&mut read, &mut client.sink, false);
    up.take(client.inbox);
    down.take(early);
    client.inbox.clear();
    let mut ended = carry(thread, &claim, &mut up, &mut down, false).await;
    // After a close frame each way nobody has anything more to say.
    let said_all = is_websocket && up.frames.is_closing() && down.frames.is_closing();
    if let Ended::First = ended
        && !said_all
    {
        let rest = carry(thread, &claim, &mut up, &mut down, true);
        ended = timeout(TUNNEL_HALF_CLOSED_TIMEOUT, rest).await.unwrap_or(Ended::Both);
    }
    match ended {
        Ended::Both | Ended::First => claim.completed(101),
        Ended::Broken => {}
        Ended::ByDrain if is_websocket => {
            if close_politely(thread, &mut up, &mut down).await {
                claim.ended_by_drain(101);
            }
        }
        Ended::ByDrain => {}
    }
    After::Close
}

/// Until one direction has ended, or both.
async fn carry(
    thread: &Thread,
    claim: &Claim,
    up: &mut Pipe<'_, '_, '_>,
    down: &mut Pipe<'_, '_, '_>,
    both: bool,
) -> Ended {
    poll_fn(|context| {
        if thread.is_ending(claim.slot, context) {
            return Poll::Ready(Ended::ByDrain);
        }
        let ups = up.poll(thread, context);
        let downs = down.poll(thread, context);
        match (ups, downs) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => Poll::Ready(Ended::Broken),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ended::Both),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            _ if both => Poll::Pending,
            _ => Poll::Ready(Ended::First),
        }
    })
    .await
}

/// Puts a close frame between two frames of each direction, and waits a moment for the answers:
/// whether the client was handed one.
async fn close_politely(
    thread: &Thread,
    up: &mut Pipe<'_, '_, '_>,
    down: &mut Pipe<'_, '_, '_>,
) -> bool {
    let closed = poll_fn(|context| {
        let up = up.poll_close(thread, context);
        let down = down.poll_close(thread, context);
        if up && down { Poll::Ready(()) } else { Poll::Pending }
    });
    // Who does not answer is closed all the same.
    let answered = timeout(CLOSE_FRAME_TIMEOUT, closed).await.is_ok();
    answered || (down.state != State::Open && down.to.is_flushed())
}

impl<'p, 'f, 't> Pipe<'p, 'f, 't> {
    fn new(from: &'p mut Reader<'f>, to: &'p mut Sink<'t>, to_server: bool) -> Self {
        Pipe { from, to, frames: FrameScanner::new(), state: State::Open, to_server }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.frames.advance(bytes);
        self.to.pending().extend_from_slice(bytes);
    }

    /// Goes on as far as both ends allow; ready at the end.
    fn poll(&mut self, thread: &Thread, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.state == State::Done {
                return Poll::Ready(Ok(()));
            }
            ready!(self.to.poll_flush(context))?;
            if self.state == State::Ending {
                ready!(self.to.poll_shutdown(context))?;
                self.state = State::Done;
                continue;
            }
            let Pipe { from, to, frames, state, .. } = self;
            let length = ready!(poll_read(thread, from, context, |context, bytes| {
                frames.advance(bytes);
                let forwarded = match state {
                    State::Open => to.offer(context, &[IoSlice::new(bytes)]),
                    _ => Ok(()),
                };
                forwarded.map(|()| bytes.len())
            }))??;
            if length == 0 {
                self.state = State::Ending;
            }
        }
    }

    /// Puts our close frame in as soon as the frames allow it; whether this direction is through:
    /// its source has ended, or has sent a close frame of its own.
    fn poll_close(&mut self, thread: &Thread, context: &mut Context<'_>) -> bool {
        loop {
            self.close_at_boundary();
            let state = self.state;
            // A direction that broke has nothing more to say.
            let ended = self.poll(thread, context).is_ready();
            // What was just read may have reached the boundary.
            if ended || state == State::Closing || !self.frames.at_boundary() {
                return ended || (self.frames.is_closing() && self.to.is_flushed());
            }
        }
    }

    fn close_at_boundary(&mut self) {
        if self.state != State::Open || !self.frames.at_boundary() {
            return;
        }
        // A direction that has carried a close frame needs no second.
        if !self.frames.is_closing() {
            self.to.pending().extend_from_slice(&close_frame(self.to_server));
        }
        self.state = State::Closing;
    }
}
