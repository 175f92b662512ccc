//! The connection below the frames, on which they are counted.

use crate::http2::meter::Meter;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Shared by the frames' reader and by who looks after it.
pub(super) struct Wire<S>(Rc<RefCell<Counted<S>>>);

struct Counted<S> {
    stream: S,
    meter: Option<Meter>,
}

impl<S> Clone for Wire<S> {
    fn clone(&self) -> Self {
        Wire(self.0.clone())
    }
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        let meter = Some(Meter::new(Instant::now()));
        Wire(Rc::new(RefCell::new(Counted { stream, meter })))
    }

    /// Whether the client has sent more than it may; nothing is read any more then.
    pub(super) fn is_over(&self) -> bool {
        self.0.borrow().meter.as_ref().is_some_and(Meter::is_over)
    }

    /// What comes now is thrown away.
    pub(super) fn stop_counting(&self) {
        self.0.borrow_mut().meter = None;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let counted = &mut *self.0.borrow_mut();
        // Who polls the frames looks at the meter behind it, and waits for nobody.
        if counted.meter.as_ref().is_some_and(Meter::is_over) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut counted.stream).poll_read(context, buffer))?;
        if let Some(meter) = &mut counted.meter {
            meter.came(&buffer.filled()[before..], Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let counted = &mut *self.0.borrow_mut();
        let taken = ready!(Pin::new(&mut counted.stream).poll_write_vectored(context, slices))?;
        if let Some(meter) = &mut counted.meter {
            let mut left = taken;
            let now = Instant::now();
            for slice in slices {
                let part = left.min(slice.len());
                meter.went(&slice[..part], now);
                left -= part;
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_shutdown(context)
    }
}
