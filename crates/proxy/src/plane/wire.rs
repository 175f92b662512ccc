//! Reading into the thread's buffer and writing past it.

use super::stream::Writer;
use super::thread::Thread;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, timeout};

/// Slices written with one call.
const SLICES_MAX: usize = 36;
/// A buffer up to this size is kept for the next time.
const KEPT_BYTES_MAX: usize = 4096;

/// Reads once into the thread's buffer and hands over what came, before any other task can run.
/// Nothing means the end.
pub(crate) fn poll_read<R>(
    thread: &Thread,
    half: &mut (impl AsyncRead + Unpin),
    context: &mut Context<'_>,
    take: impl FnOnce(&mut Context<'_>, &[u8]) -> R,
) -> Poll<io::Result<R>> {
    let mut scratch = thread.scratch.borrow_mut();
    let mut buffer = ReadBuf::new(&mut scratch[..]);
    ready!(Pin::new(half).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(take(context, buffer.filled())))
}

/// The writing side of a connection.  It holds only what the kernel did not take at once.
pub(crate) struct Sink<'a> {
    half: Writer<'a>,
    pending: Vec<u8>,
    written: usize,
    /// What lies over the socket may hold what it took.
    held: bool,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(half: Writer<'a>) -> Self {
        Sink { half, pending: Vec::new(), written: 0, held: false }
    }

    /// Bytes that go out before anything offered later.
    pub(crate) fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Whether bytes go out as they are.  What lies over the socket has an end of its own.
    pub(crate) fn is_clear(&self) -> bool {
        matches!(self.half, Writer::Clear(_))
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.written == self.pending.len() && !self.held
    }

    /// Writes as much as the kernel takes, and keeps the rest.
    pub(crate) fn offer(
        &mut self,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let first = IoSlice::new(&self.pending[self.written..]);
        slices[0] = first;
        let first_bytes = first.len();
        slices[1..=parts.len()].copy_from_slice(parts);
        let slices = &slices[..=parts.len()];
        let mut taken = match Pin::new(&mut self.half).poll_write_vectored(context, slices) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => 0,
        };
        if let Poll::Ready(Err(error)) = self.poll_let_go(context, taken) {
            return Err(error);
        }
        let from_pending = taken.min(first_bytes);
        self.written += from_pending;
        taken -= from_pending;
        if self.written == self.pending.len() {
            self.reset();
        }
        for part in parts {
            let skip = taken.min(part.len());
            taken -= skip;
            self.pending.extend_from_slice(&part[skip..]);
        }
        Ok(())
    }

    /// Until the kernel has taken everything.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_flushed() {
            ready!(self.poll_some(context))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Until the kernel has taken some more; ready at once if there is nothing to take.
    pub(crate) fn poll_some(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        if self.written == self.pending.len() {
            return self.poll_let_go(context, 0);
        }
        let rest = &self.pending[self.written..];
        let taken = ready!(Pin::new(&mut self.half).poll_write(context, rest))?;
        if taken == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.written += taken;
        if let Poll::Ready(Err(error)) = self.poll_let_go(context, taken) {
            return Poll::Ready(Err(error));
        }
        if self.written == self.pending.len() {
            self.reset();
        }
        Poll::Ready(Ok(()))
    }

    /// Until what lies over the socket has given it all that it took.
    fn poll_let_go(&mut self, context: &mut Context<'_>, taken: usize) -> Poll<io::Result<()>> {
        self.held |= taken > 0 && matches!(self.half, Writer::Wrapped(_));
        if self.held {
            ready!(Pin::new(&mut self.half).poll_flush(context))?;
            self.held = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Until the kernel has taken everything; an error if it takes nothing for so long.
    pub(crate) async fn flush(&mut self, stall: Duration) -> io::Result<()> {
        while !self.is_flushed() {
            let some = poll_fn(|context| self.poll_some(context));
            timeout(stall, some).await.map_err(|_| io::ErrorKind::TimedOut)??;
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.written = 0;
        self.pending.clear();
        // A stream may live long after the one time that it was slow.
        if self.pending.capacity() > KEPT_BYTES_MAX {
            self.pending = Vec::new();
        }
    }

    /// Tells the other side that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(context)
    }
}
