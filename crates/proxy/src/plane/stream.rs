//! A client's connection, in clear or not, and the halves of that and of one to an instance.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::unix;

/// What bytes go through that is more than a socket.
pub(crate) trait Wrapped: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Wrapped for T {}

/// A connection.
pub(crate) enum Stream {
    /// The socket itself.
    Clear(TcpStream),
    /// What lies over it.  Its halves are used by one task, and each within a poll only.
    Wrapped(Box<RefCell<dyn Wrapped>>),
}

/// What comes.
pub(crate) enum Reader<'a> {
    Clear(ReadHalf<'a>),
    /// From an instance that listens at a socket.
    Local(unix::ReadHalf<'a>),
    Wrapped(&'a RefCell<dyn Wrapped>),
}

/// What goes.
pub(crate) enum Writer<'a> {
    Clear(WriteHalf<'a>),
    /// To an instance that listens at a socket.
    Local(unix::WriteHalf<'a>),
    Wrapped(&'a RefCell<dyn Wrapped>),
}

impl Stream {
    pub(crate) fn wrapped(stream: impl Wrapped + 'static) -> Self {
        Stream::Wrapped(Box::new(RefCell::new(stream)))
    }

    pub(crate) fn is_clear(&self) -> bool {
        matches!(self, Stream::Clear(_))
    }

    pub(crate) fn split(&mut self) -> (Reader<'_>, Writer<'_>) {
        match self {
            Stream::Clear(stream) => {
                let (read, write) = stream.split();
                (Reader::Clear(read), Writer::Clear(write))
            }
            Stream::Wrapped(cell) => (Reader::Wrapped(cell), Writer::Wrapped(cell)),
        }
    }
}

impl AsyncRead for Reader<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Reader::Clear(half) => Pin::new(half).poll_read(context, buffer),
            Reader::Local(half) => Pin::new(half).poll_read(context, buffer),
            Reader::Wrapped(cell) => Pin::new(&mut *cell.borrow_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Writer<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Writer::Clear(half) => Pin::new(half).poll_write(context, bytes),
            Writer::Local(half) => Pin::new(half).poll_write(context, bytes),
            Writer::Wrapped(cell) => Pin::new(&mut *cell.borrow_mut()).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Writer::Clear(half) => Pin::new(half).poll_write_vectored(context, slices),
            Writer::Local(half) => Pin::new(half).poll_write_vectored(context, slices),
            Writer::Wrapped(cell) => {
                Pin::new(&mut *cell.borrow_mut()).poll_write_vectored(context, slices)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// A socket has nothing to flush; what lies over one may hold what it was given.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Writer::Clear(_) | Writer::Local(_) => Poll::Ready(Ok(())),
            Writer::Wrapped(cell) => Pin::new(&mut *cell.borrow_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Writer::Clear(half) => Pin::new(half).poll_shutdown(context),
            Writer::Local(half) => Pin::new(half).poll_shutdown(context),
            Writer::Wrapped(cell) => Pin::new(&mut *cell.borrow_mut()).poll_shutdown(context),
        }
    }
}
