//! The request's body on its way to the instance, and after it a watch over the client.

use super::stream::Reader;
use super::thread::Thread;
use super::wire::{Sink, poll_read};
use crate::http1::body::Body;
use crate::http1::chunk::BadChunk;
use crate::limits::{
    CLIENT_STALL_TIMEOUT, HALF_CLOSED_GRACE, SCRATCH_BYTES, UPSTREAM_STALL_TIMEOUT,
};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::io::{self, IoSlice};
use tokio::time::{Instant, timeout};

/// Bytes of later requests that are read ahead; the rest waits in the kernel.
const AHEAD_BYTES_MAX: usize = SCRATCH_BYTES;

/// How far the request is sent; seen by the other direction.
#[derive(Default)]
pub(super) struct Progress {
    finished: Cell<bool>,
    ended_at: Cell<Option<Instant>>,
}

impl Progress {
    /// Whether all of it was sent.
    pub(super) fn is_finished(&self) -> bool {
        self.finished.get()
    }

    /// Since when nothing more is sent, whole or not.
    pub(super) fn ended_at(&self) -> Option<Instant> {
        self.ended_at.get()
    }
}

/// The two ends, and what lies between.
pub(super) struct Upload<'a, 'c, 'u> {
    pub(super) thread: &'a Thread,
    pub(super) from: &'a mut Reader<'c>,
    pub(super) inbox: &'a mut Vec<u8>,
    pub(super) to: &'a mut Sink<'u>,
    pub(super) body: &'a mut Body,
    pub(super) progress: &'a Progress,
}

/// Why the request cannot go on.
#[derive(Debug)]
pub(super) enum Failed {
    /// The client ended its connection.
    Client,
    /// The body is not what its framing says.
    Malformed,
    /// The client sends nothing any more.
    Stalled,
}

enum Fault {
    Client,
    Malformed,
    Upstream,
}

impl From<BadChunk> for Fault {
    fn from(_: BadChunk) -> Self {
        Fault::Malformed
    }
}

/// Sends the request.  Returns only when the exchange has to end; the answer is for the other
/// direction to wait for.
pub(super) async fn run(mut up: Upload<'_, '_, '_>) -> Failed {
    let sent = up.send().await;
    up.progress.ended_at.set(Some(Instant::now()));
    match sent {
        Ok(()) => {
            up.progress.finished.set(true);
            up.watch().await
        }
        Err(Stop::Failed(failed)) => failed,
        // It may have answered before it stopped reading.
        Err(Stop::Upstream) => pending().await,
    }
}

enum Stop {
    Failed(Failed),
    Upstream,
}

impl Upload<'_, '_, '_> {
    async fn send(&mut self) -> Result<(), Stop> {
        self.flush().await?;
        while !self.body.is_done() {
            if self.inbox.is_empty() {
                self.relay_read().await?;
            } else {
                self.relay_inbox()?;
            }
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        self.to.flush(UPSTREAM_STALL_TIMEOUT).await.map_err(|_| Stop::Upstream)
    }

    /// Passes on what came with the head.
    fn relay_inbox(&mut self) -> Result<(), Stop> {
        let out = self.to.pending();
        let used = self.body.relay(self.inbox, &mut |pieces: &[IoSlice<'_>]| {
            pieces.iter().for_each(|piece| out.extend_from_slice(piece));
            Ok::<(), BadChunk>(())
        });
        match used {
            Ok(used) => {
                self.inbox.drain(..used);
                Ok(())
            }
            Err(BadChunk) => Err(Stop::Failed(Failed::Malformed)),
        }
    }

    async fn relay_read(&mut self) -> Result<(), Stop> {
        let Upload { thread, from, inbox, to, body, .. } = self;
        let read = poll_fn(|context| {
            poll_read(thread, from, context, |context, bytes| {
                if bytes.is_empty() {
                    return Err(Fault::Client);
                }
                let mut emit =
                    |pieces: &[IoSlice<'_>]| to.offer(context, pieces).map_err(|_| Fault::Upstream);
                let used = body.relay(bytes, &mut emit)?;
                inbox.extend_from_slice(&bytes[used..]);
                Ok(())
            })
        });
        match timeout(CLIENT_STALL_TIMEOUT, read).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(Fault::Upstream))) => Err(Stop::Upstream),
            Ok(Ok(Err(Fault::Malformed))) => Err(Stop::Failed(Failed::Malformed)),
            Ok(Ok(Err(Fault::Client)) | Err(_)) => Err(Stop::Failed(Failed::Client)),
            Err(_) => Err(Stop::Failed(Failed::Stalled)),
        }
    }

    /// Notices when the client leaves, and takes in what it sends ahead.
    async fn watch(&mut self) -> Failed {
        while self.inbox.len() < AHEAD_BYTES_MAX {
            let Upload { thread, from, inbox, .. } = self;
            let read: io::Result<usize> = poll_fn(|context| {
                poll_read(thread, from, context, |_, bytes| {
                    inbox.extend_from_slice(bytes);
                    bytes.len()
                })
            })
            .await;
            match read {
                Ok(1..) => {}
                // It may have ended its half only, and still wait for the answer.
                Ok(0) => {
                    tokio::time::sleep(HALF_CLOSED_GRACE).await;
                    return Failed::Client;
                }
                Err(_) => return Failed::Client,
            }
        }
        pending().await
    }
}
