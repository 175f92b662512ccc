//! The response on its way to the client.

use super::claim::Claim;
use super::stream::Reader;
use super::thread::Thread;
use super::upload::Progress;
use super::wire::{Sink, poll_read};
use crate::http1::body::Body;
use crate::http1::chunk::BadChunk;
use crate::http1::response::{self, Asked, NotHttp, Response};
use crate::limits::{
    CLIENT_STALL_TIMEOUT, CLOSE_FRAME_TIMEOUT, FIRST_BYTE_TIMEOUT, INTERIM_RESPONSES_MAX,
};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use tokio::time::{Instant, timeout, timeout_at};

/// What was answered, and what may follow on the two connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) client_persists: bool,
    pub(super) upstream_persists: bool,
    pub(super) upstream_idle_s: Option<u64>,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// All of it was handed over.
    Whole(Answer),
    /// The instance closed before a first byte.
    NoByte,
    /// The instance broke off, or what it sends is not HTTP.
    NotHttp,
    /// No first byte in time.
    Slow,
    /// The client takes no more.
    ClientGone,
    /// A drain ended it; politely if the client was told that this is the end.
    ByDrain { polite: bool, goes_on: bool },
}

/// A response that comes in.
pub(super) struct Download {
    asked: Asked,
    expects_continue: bool,
    /// A head of which only a part has come.
    partial: Vec<u8>,
    interim: u32,
    any_byte: bool,
    response: Option<Response>,
    body: Option<Body>,
    /// Bytes behind the response: of a tunnel, or nobody's.
    early: Vec<u8>,
}

enum Fault {
    NotHttp,
    Client,
}

impl From<BadChunk> for Fault {
    fn from(_: BadChunk) -> Self {
        Fault::NotHttp
    }
}

impl From<NotHttp> for Fault {
    fn from(_: NotHttp) -> Self {
        Fault::NotHttp
    }
}

/// What happened next on the instance's side.
enum Event {
    Bytes(Result<(), Fault>),
    End,
    Ending,
}

impl Download {
    pub(super) fn new(asked: Asked, expects_continue: bool) -> Self {
        Download {
            asked,
            expects_continue,
            partial: Vec::new(),
            interim: 0,
            any_byte: false,
            response: None,
            body: None,
            early: Vec::new(),
        }
    }

    /// Whether the head of the final response was written.
    pub(super) fn has_begun(&self) -> bool {
        self.response.is_some()
    }

    /// Of the final response, once its head was written.
    pub(super) fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|response| response.status)
    }

    /// The bytes behind the response.
    pub(super) fn take_early(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.early)
    }

    pub(super) async fn run(
        &mut self,
        thread: &Thread,
        claim: &Claim,
        from: &mut Reader<'_>,
        to: &mut Sink<'_>,
        progress: &Progress,
    ) -> Ended {
        loop {
            let any_byte = self.any_byte;
            let next = poll_fn(|context| {
                if thread.is_ending(claim.slot, context) {
                    return Poll::Ready(Event::Ending);
                }
                self.poll_event(thread, claim, from, to, progress, context)
            });
            let event = match any_byte {
                true => next.await,
                false => match first_byte(next, progress).await {
                    Some(event) => event,
                    None => return Ended::Slow,
                },
            };
            let over = match event {
                Event::Bytes(Ok(())) => self.is_done(),
                Event::Bytes(Err(Fault::NotHttp)) => return Ended::NotHttp,
                Event::Bytes(Err(Fault::Client)) => return Ended::ClientGone,
                Event::End if !self.any_byte => return Ended::NoByte,
                Event::End => match self.end_of_source(to) {
                    true => true,
                    false => return Ended::NotHttp,
                },
                Event::Ending => return self.end(to).await,
            };
            if !to.is_flushed() {
                match flush(thread, claim, to).await {
                    Flushed::Done => {}
                    Flushed::ClientGone => return Ended::ClientGone,
                    Flushed::Ending => return Ended::ByDrain { polite: false, goes_on: false },
                }
            }
            if over && let Some(answer) = self.answer() {
                return Ended::Whole(answer);
            }
        }
    }

    fn poll_event(
        &mut self,
        thread: &Thread,
        claim: &Claim,
        from: &mut Reader<'_>,
        to: &mut Sink<'_>,
        progress: &Progress,
        context: &mut Context<'_>,
    ) -> Poll<Event> {
        let read = poll_read(thread, from, context, |context, bytes| {
            if bytes.is_empty() {
                return Event::End;
            }
            self.any_byte = true;
            Event::Bytes(self.take(context, claim, to, progress, bytes))
        });
        // A reset is an end too, but not one that a body may end with.
        read.map(|read| match read {
            Ok(event) => event,
            Err(_) if self.any_byte => Event::Bytes(Err(Fault::NotHttp)),
            Err(_) => Event::End,
        })
    }

    fn take(
        &mut self,
        context: &mut Context<'_>,
        claim: &Claim,
        to: &mut Sink<'_>,
        progress: &Progress,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        if self.body.is_some() {
            return self.take_body(context, to, bytes);
        }
        if self.partial.is_empty() {
            return self.take_heads(context, claim, to, progress, bytes);
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(bytes);
        self.take_heads(context, claim, to, progress, &whole)
    }

    fn take_heads(
        &mut self,
        context: &mut Context<'_>,
        claim: &Claim,
        to: &mut Sink<'_>,
        progress: &Progress,
        mut bytes: &[u8],
    ) -> Result<(), Fault> {
        let may_go_on = !self.expects_continue || progress.is_finished();
        let asked = Asked { keep_alive: self.asked.keep_alive && may_go_on, ..self.asked };
        while !bytes.is_empty() {
            let Some(head) = response::read(bytes, asked, to.pending())? else {
                self.partial = bytes.to_vec();
                break;
            };
            bytes = &bytes[head.consumed..];
            if head.status >= 200 || head.status == 101 {
                claim.answered(head.status);
                self.body = Some(Body::new(head.framing, head.client_framing));
                self.response = Some(head);
                return self.take_body(context, to, bytes);
            }
            self.interim += 1;
            if self.interim > INTERIM_RESPONSES_MAX {
                return Err(Fault::NotHttp);
            }
        }
        Ok(())
    }

    fn take_body(
        &mut self,
        context: &mut Context<'_>,
        to: &mut Sink<'_>,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let Some(body) = &mut self.body else { return Ok(()) };
        let mut emit =
            |pieces: &[IoSlice<'_>]| to.offer(context, pieces).map_err(|_| Fault::Client);
        let used = body.relay(bytes, &mut emit)?;
        self.early.extend_from_slice(&bytes[used..]);
        // A response without a body has offered nothing yet.
        if to.is_flushed() { Ok(()) } else { to.offer(context, &[]).map_err(|_| Fault::Client) }
    }

    fn end_of_source(&mut self, to: &mut Sink<'_>) -> bool {
        let Some(body) = &mut self.body else { return false };
        let out = to.pending();
        let ended = body.end_of_source(&mut |pieces: &[IoSlice<'_>]| {
            pieces.iter().for_each(|piece| out.extend_from_slice(piece));
            Ok::<(), io::Error>(())
        });
        matches!(ended, Ok(true))
    }

    fn is_done(&self) -> bool {
        self.body.as_ref().is_some_and(Body::is_done)
    }

    fn answer(&self) -> Option<Answer> {
        let response = self.response.as_ref()?;
        Some(Answer {
            status: response.status,
            client_persists: response.client_persists,
            // Bytes that nobody asked for make the connection unfit for another request.
            upstream_persists: response.upstream_persists && self.early.is_empty(),
            upstream_idle_s: response.upstream_idle_s,
        })
    }

    /// A drain's deadline has passed: a body that goes out in chunks can be ended between two.
    async fn end(&mut self, to: &mut Sink<'_>) -> Ended {
        let chunked = self.body.as_ref().is_some_and(Body::is_chunked_out);
        if !chunked || !to.is_flushed() {
            return Ended::ByDrain { polite: false, goes_on: false };
        }
        to.pending().extend_from_slice(b"0\r\n\r\n");
        let polite = to.flush(CLOSE_FRAME_TIMEOUT).await.is_ok();
        let goes_on = self.response.as_ref().is_some_and(|response| response.client_persists);
        Ended::ByDrain { polite, goes_on }
    }
}

/// Waits for an event, but not for ever once the request was sent; a slow upload is watched by
/// the other direction.
async fn first_byte(next: impl Future<Output = Event>, progress: &Progress) -> Option<Event> {
    tokio::pin!(next);
    let mut deadline = Instant::now() + FIRST_BYTE_TIMEOUT;
    loop {
        if let Ok(event) = timeout_at(deadline, &mut next).await {
            return Some(event);
        }
        let now = Instant::now();
        deadline = progress.ended_at().unwrap_or(now) + FIRST_BYTE_TIMEOUT;
        if deadline <= now {
            return None;
        }
    }
}

enum Flushed {
    Done,
    ClientGone,
    Ending,
}

async fn flush(thread: &Thread, claim: &Claim, to: &mut Sink<'_>) -> Flushed {
    while !to.is_flushed() {
        let some = poll_fn(|context| {
            if thread.is_ending(claim.slot, context) {
                return Poll::Ready(Flushed::Ending);
            }
            to.poll_some(context).map(|result| match result {
                Ok(()) => Flushed::Done,
                Err(_) => Flushed::ClientGone,
            })
        });
        match timeout(CLIENT_STALL_TIMEOUT, some).await {
            Ok(Flushed::Done) => {}
            Ok(other) => return other,
            Err(_) => return Flushed::ClientGone,
        }
    }
    Flushed::Done
}
