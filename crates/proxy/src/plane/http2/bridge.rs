//! One stream of HTTP/2, seen as a connection of HTTP/1.1.
//!
//! What is read is the body of its request, framed as its head says.  What is written is an answer,
//! which becomes fields, data and trailers.

use crate::http1::response::NotHttp;
use crate::http2::response::{Part, Reader};
use bytes::{Buf, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Both directions of one stream.
pub(super) struct Bridge {
    body: RecvStream,
    chunked: bool,
    source: Source,
    /// What was read of the client, with its framing.
    ahead: VecDeque<Bytes>,
    respond: SendResponse<Bytes>,
    send: Option<SendStream<Bytes>>,
    reader: Reader,
    /// Data that waits for the client's window.
    out: BytesMut,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Data,
    Trailers,
    Ended,
}

/// How far the end of the answer is.
enum End {
    Ahead,
    /// It is known, and goes out behind the data.
    Waiting(Option<HeaderMap>),
    Sent,
}

impl Bridge {
    pub(super) fn new(
        body: RecvStream,
        chunked: bool,
        respond: SendResponse<Bytes>,
        is_head: bool,
    ) -> Self {
        let source = if body.is_end_stream() { Source::Ended } else { Source::Data };
        Bridge {
            body,
            chunked,
            source,
            ahead: VecDeque::new(),
            respond,
            send: None,
            reader: Reader::new(is_head),
            out: BytesMut::new(),
            end: End::Ahead,
        }
    }

    /// Reads one frame of the body; ready at its end as well.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.source == Source::Data {
            match ready!(self.body.poll_data(context)) {
                Some(data) => {
                    let data = data.map_err(broken)?;
                    // No more than a window of it is here, and nothing is read before it is gone.
                    self.body.flow_control().release_capacity(data.len()).map_err(broken)?;
                    self.take(data);
                    return Poll::Ready(Ok(()));
                }
                None => self.source = Source::Trailers,
            }
        }
        let trailers = ready!(self.body.poll_trailers(context)).map_err(broken)?;
        self.source = Source::Ended;
        if self.chunked {
            let mut last = b"0\r\n".to_vec();
            for (name, value) in trailers.iter().flatten() {
                crate::http2::request::put(&mut last, name.as_str(), value.as_bytes());
            }
            last.extend_from_slice(b"\r\n");
            self.ahead.push_back(last.into());
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if self.chunked {
            self.ahead.push_back(format!("{:x}\r\n", data.len()).into());
        }
        self.ahead.push_back(data);
        if self.chunked {
            self.ahead.push_back(Bytes::from_static(b"\r\n"));
        }
    }

    /// Until the client takes its request back: behind it nothing else comes.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let reset = match &mut self.send {
            Some(send) => send.poll_reset(context),
            None => self.respond.poll_reset(context),
        };
        reset.map(|_| io::ErrorKind::ConnectionReset.into())
    }

    /// Sends on all that it can of one piece of the answer.
    fn accept(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(part) = self.reader.next(&mut bytes).map_err(wrong)? {
            match part {
                Part::Head { response, .. } if response.status().is_informational() => {
                    self.respond.send_informational(response).map_err(broken)?;
                }
                Part::Head { response, ended } => {
                    let send = self.respond.send_response(response, ended).map_err(broken)?;
                    self.send = Some(send);
                    if ended {
                        self.end = End::Sent;
                    }
                }
                Part::Data(data) => self.out.extend_from_slice(data),
                Part::End(trailers) => self.end = End::Waiting(trailers),
            }
        }
        Ok(())
    }

    /// Until all that was written is with the frames.
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(send) = &mut self.send else { return Poll::Ready(Ok(())) };
        while !self.out.is_empty() {
            send.reserve_capacity(self.out.len());
            if send.capacity() == 0 {
                match ready!(send.poll_capacity(context)) {
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                    None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                }
            }
            let piece = self.out.split_to(send.capacity().min(self.out.len())).freeze();
            let is_last = self.out.is_empty() && matches!(self.end, End::Waiting(None));
            send.send_data(piece, is_last).map_err(broken)?;
            if is_last {
                self.end = End::Sent;
            }
        }
        // What a slow client made large is given back.
        self.out = BytesMut::new();
        if let End::Waiting(trailers) = &mut self.end {
            match trailers.take() {
                Some(trailers) => send.send_trailers(trailers).map_err(broken)?,
                None => send.send_data(Bytes::new(), true).map_err(broken)?,
            }
            self.end = End::Sent;
        }
        Poll::Ready(Ok(()))
    }
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::other(error)
}

fn wrong(_: NotHttp) -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl AsyncRead for Bridge {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bridge = self.get_mut();
        while bridge.ahead.is_empty() {
            if bridge.source == Source::Ended {
                return bridge.poll_gone(context).map(Err);
            }
            ready!(bridge.poll_body(context))?;
        }
        while let Some(first) = bridge.ahead.front_mut()
            && buffer.remaining() > 0
        {
            let fits = first.len().min(buffer.remaining());
            buffer.put_slice(&first[..fits]);
            first.advance(fits);
            if first.is_empty() {
                bridge.ahead.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bridge {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    /// Takes all or nothing: what is written is held here until the client takes it.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bridge = self.get_mut();
        ready!(bridge.poll_out(context))?;
        let mut taken = 0;
        for slice in slices {
            bridge.accept(slice)?;
            taken += slice.len();
        }
        // What does not go out now does so with the next call, or the flush.
        if let Poll::Ready(Err(error)) = bridge.poll_out(context) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_out(context)
    }

    /// The end of a stream is that of its answer.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_out(context)
    }
}

impl Drop for Bridge {
    /// An answer that has no end must not look like one that has.
    fn drop(&mut self) {
        if matches!(self.end, End::Sent) {
            return;
        }
        match &mut self.send {
            Some(send) => send.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}
