//! The smallest application that a proxy can stand in front of, for measurements: it costs little
//! beside what is measured, and asks nothing of the one who serves it.

use rustix::event::epoll;
use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd},
};

const LISTENER: u64 = u64::MAX;
const HEAD_BYTES_MAX: usize = 64 << 10;
const EVENTS_MAX: usize = 256;
const READ_BYTES: usize = 256 << 10;
/// By path; every other path, and every POST, is answered with the first.
const SIZES: [(&str, usize); 4] =
    [("/", 2), ("/1k", 1 << 10), ("/100k", 100 << 10), ("/10m", 10 << 20)];

/// A client's connection.
struct Connection {
    stream: TcpStream,
    /// Of a request whose head has not come whole.
    head: Vec<u8>,
    /// Bytes of a body that are still to come, and to be passed over.
    body_left: usize,
    /// Which answer follows the body.
    answer: usize,
    /// Bytes of the answer that went out; none: there is nothing to answer.
    sent: Option<usize>,
}

fn main() -> io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|it| it.parse().ok());
    let port: u16 = port.ok_or_else(|| io::Error::other("PORT is no number"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let answers: Vec<Vec<u8>> = SIZES.iter().map(|it| answer(it.1)).collect();
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut scratch = vec![0; READ_BYTES];
    let mut events = Vec::with_capacity(EVENTS_MAX);
    loop {
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let key = event.data.u64();
            if key == LISTENER {
                accept(&listener, &poll, &mut connections)?;
            } else if let Some(connection) = connections.get_mut(&key)
                && connection.serve(&mut scratch, &answers).is_err()
            {
                // Closing it takes it out of the poll.
                connections.remove(&key);
            }
        }
    }
}

fn answer(bytes: usize) -> Vec<u8> {
    let mut text =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {bytes}\r\n\r\n")
            .into_bytes();
    text.resize(text.len() + bytes, b'x');
    text
}

fn accept(
    listener: &TcpListener,
    poll: impl AsFd,
    connections: &mut HashMap<u64, Connection>,
) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let key = u64::from(stream.as_raw_fd().unsigned_abs());
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&poll, &stream, epoll::EventData::new_u64(key), flags)?;
        let (head, body_left, answer, sent) = (Vec::new(), 0, 0, None);
        connections.insert(key, Connection { stream, head, body_left, answer, sent });
    }
}

impl Connection {
    /// Until there is nothing to read and nothing to write; an error is its end.
    fn serve(&mut self, scratch: &mut [u8], answers: &[Vec<u8>]) -> io::Result<()> {
        loop {
            if !self.write(answers)? {
                return Ok(());
            }
            let read = match self.stream.read(scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.take(&scratch[..read])?;
        }
    }

    /// Whether nothing is left to write.
    fn write(&mut self, answers: &[Vec<u8>]) -> io::Result<bool> {
        while let Some(sent) = self.sent.filter(|_| self.body_left == 0) {
            let rest = &answers[self.answer][sent..];
            match self.stream.write(rest) {
                Ok(written) if written == rest.len() => self.sent = None,
                Ok(written) => self.sent = Some(sent + written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.body_left > 0 {
            self.body_left = self.body_left.saturating_sub(bytes.len());
            return Ok(());
        }
        self.head.extend_from_slice(bytes);
        if self.head.len() > HEAD_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let Some(end) = self.head.windows(4).position(|it| it == b"\r\n\r\n") else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(&self.head[..end]).into_owned();
        let path = text.split(' ').nth(1).unwrap_or("/");
        self.answer = SIZES.iter().position(|it| it.0 == path).unwrap_or(0);
        self.body_left = body_bytes(&text).saturating_sub(self.head.len() - end - 4);
        self.sent = Some(0);
        self.head.clear();
        Ok(())
    }
}

fn body_bytes(head: &str) -> usize {
    let fields = head.lines().filter_map(|it| it.split_once(':'));
    let mut lengths = fields.filter(|it| it.0.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|it| it.1.trim().parse().ok()).unwrap_or(0)
}
