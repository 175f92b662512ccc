//! One HTTP/1.1 connection of the load's own making: strict in what it accepts, and exact about how
//! and after how many bytes it was let down.

use super::recorder::FaultKind;
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    time::{Duration, Instant},
};

const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_CHUNK_LINE_BYTES: usize = 4 << 10;
const MAX_BODY_BYTES: usize = 64 << 20;
const MAX_INTERIM_RESPONSES: u32 = 8;
const READ_BYTES: usize = 64 << 10;

/// A blocked read or write looks at its deadline this often.
const LOOK_UP: Duration = Duration::from_millis(100);

/// What went wrong with a request.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) detail: String,
    /// Of the response that had come by then.
    pub(super) response_bytes: u64,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), response_bytes: 0 }
    }
}

/// The status line and fields of a response, names in lower case.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn version(&self) -> Option<String> {
        self.header("x-app-version").map(str::to_owned)
    }

    fn closes(&self) -> bool {
        let tokens = self.header("connection").unwrap_or_default();
        tokens.split(',').any(|token| token.trim().eq_ignore_ascii_case("close"))
    }
}

/// A whole response.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
}

/// How the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    received: u64,
    /// Unique in this load.
    pub(super) number: u64,
    /// Responses that came whole.
    pub(super) served: u64,
    /// The server said, or the exchange showed, that no other request fits on it.
    pub(super) closing: bool,
}

impl Connection {
    pub(super) fn open(target: SocketAddr, number: u64, deadline: Instant) -> Result<Self, Fault> {
        let left = deadline.saturating_duration_since(Instant::now()).max(LOOK_UP);
        let failed = |error: std::io::Error| {
            let kind = match error.kind() {
                ErrorKind::ConnectionRefused => FaultKind::Refused,
                _ => FaultKind::Connect,
            };
            Fault::new(kind, error.to_string())
        };
        let stream = TcpStream::connect_timeout(&target, left).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(LOOK_UP)).map_err(failed)?;
        stream.set_write_timeout(Some(LOOK_UP)).map_err(failed)?;
        let buffer = Vec::new();
        Ok(Self { stream, buffer, received: 0, number, served: 0, closing: false })
    }

    /// Whether another request may be sent: the server has not closed it, and sent nothing unasked.
    pub(super) fn reusable(&self) -> Result<bool, Fault> {
        if self.closing {
            return Ok(false);
        }
        let failed = |error: std::io::Error| Fault::new(FaultKind::Reset, error.to_string());
        self.stream.set_nonblocking(true).map_err(failed)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).map_err(failed)?;
        match peeked {
            Ok(0) => Ok(false),
            Ok(_) => Err(Fault::new(FaultKind::Protocol, "bytes came that nobody asked for")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(_) => Ok(false),
        }
    }

    /// Sends `request` and reads its whole response.
    pub(super) fn exchange(
        &mut self,
        request: &[u8],
        deadline: Instant,
    ) -> Result<Response, Fault> {
        self.received = 0;
        let sent = self.send(request, deadline);
        // A server may answer and close before it has read everything: its answer counts then.
        let response = match (self.receive(deadline), sent) {
            (Ok(response), Ok(())) => response,
            (Ok(response), Err(_)) => {
                self.closing = true;
                response
            }
            (Err(fault), Ok(())) => return Err(self.counted(fault)),
            (Err(answer), Err(sending)) => {
                let fault = if self.received > 0 { answer } else { sending };
                return Err(self.counted(fault));
            }
        };
        self.served += 1;
        if !self.buffer.is_empty() {
            let detail = format!("{} bytes followed the response", self.buffer.len());
            return Err(self.counted(Fault::new(FaultKind::Protocol, detail)));
        }
        Ok(response)
    }

    /// Sends all of `bytes`.
    pub(super) fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if waits(&error) => in_time(deadline, "while sending")?,
                Err(error) => return Err(Fault::new(FaultKind::Reset, error.to_string())),
            }
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> Result<Response, Fault> {
        let head = self.receive_head(deadline)?;
        self.closing |= head.closes();
        let mut body = Vec::new();
        match framing(&head)? {
            Framing::Length(length) => {
                while self.buffer.len() < length {
                    self.fill_or_truncated(deadline)?;
                }
                body.extend(self.buffer.drain(..length));
            }
            Framing::Chunked => {
                while let Some(chunk) = self.chunk(deadline)? {
                    body.extend(chunk);
                    bounded(body.len(), MAX_BODY_BYTES, "body")?;
                }
            }
            Framing::UntilClose => {
                self.closing = true;
                while self.fill(deadline)? > 0 {
                    bounded(self.buffer.len(), MAX_BODY_BYTES, "body")?;
                }
                body.append(&mut self.buffer);
            }
        }
        Ok(Response { head, body })
    }

    /// Reads the head of the final response; interim ones (but 101) are passed over.
    pub(super) fn receive_head(&mut self, deadline: Instant) -> Result<Head, Fault> {
        for _ in 0..MAX_INTERIM_RESPONSES {
            let length = loop {
                if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                    break end + 4;
                }
                bounded(self.buffer.len(), MAX_HEAD_BYTES, "head")?;
                if self.fill(deadline)? == 0 {
                    let empty = self.buffer.is_empty();
                    let kind = if empty { FaultKind::Closed } else { FaultKind::Truncated };
                    return Err(Fault::new(kind, "the connection ended before a whole head"));
                }
            };
            let bytes: Vec<u8> = self.buffer.drain(..length).collect();
            let head = parse_head(&bytes)?;
            if head.status == 101 || head.status >= 200 {
                return Ok(head);
            }
        }
        Err(Fault::new(FaultKind::Protocol, "interim responses without an end"))
    }

    /// The next chunk of a chunked body; none: the last chunk and its trailers were read.  Out of
    /// time, nothing is lost: what came of the chunk stays in the buffer.
    pub(super) fn chunk(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, Fault> {
        loop {
            if let Some((content, taken)) = parse_chunk(&self.buffer)? {
                let chunk = self.buffer[content].to_vec();
                self.buffer.drain(..taken);
                return Ok(Some(chunk).filter(|chunk| !chunk.is_empty()));
            }
            self.fill_or_truncated(deadline)?;
        }
    }

    fn fill_or_truncated(&mut self, deadline: Instant) -> Result<(), Fault> {
        match self.fill(deadline)? {
            0 => Err(Fault::new(FaultKind::Truncated, "the connection ended within the body")),
            _ => Ok(()),
        }
    }

    /// Reads what there is; 0: the server will send no more.
    fn fill(&mut self, deadline: Instant) -> Result<usize, Fault> {
        loop {
            match self.read_once() {
                Ok(Some(count)) => return Ok(count),
                Ok(None) => in_time(deadline, "while waiting for the response")?,
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Reads once, for at most a tenth of a second; none: nothing came.
    pub(super) fn read_once(&mut self) -> Result<Option<usize>, Fault> {
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                self.received += count as u64;
                Ok(Some(count))
            }
            Err(error) if waits(&error) => Ok(None),
            Err(error) => Err(Fault::new(FaultKind::Reset, error.to_string())),
        }
    }

    /// Bytes that were read and not yet taken.
    pub(super) fn buffered(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn counted(&mut self, fault: Fault) -> Fault {
        self.closing = true;
        Fault { response_bytes: self.received, ..fault }
    }
}

fn waits(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn in_time(deadline: Instant, when: &str) -> Result<(), Fault> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(Fault::new(FaultKind::Timeout, format!("out of time {when}")))
}

fn bounded(length: usize, limit: usize, what: &str) -> Result<(), Fault> {
    if length <= limit {
        return Ok(());
    }
    Err(Fault::new(FaultKind::Protocol, format!("a {what} of more than {limit} bytes")))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The content of the first chunk and the bytes it takes; none: it is not whole yet.  The last
/// chunk has no content and takes its trailers too.
fn parse_chunk(buffer: &[u8]) -> Result<Option<(Range<usize>, usize)>, Fault> {
    let wrong = |detail: &str| Err(Fault::new(FaultKind::Protocol, detail));
    let Some(line) = find(&buffer[..buffer.len().min(MAX_CHUNK_LINE_BYTES)], b"\r\n") else {
        bounded(buffer.len(), MAX_CHUNK_LINE_BYTES - 1, "chunk line")?;
        return Ok(None);
    };
    let digits = buffer[..line].split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    let Some(length) = hexadecimal(digits) else { return wrong("a chunk length that is none") };
    bounded(length, MAX_BODY_BYTES, "chunk")?;
    let start = line + 2;
    if length == 0 {
        if buffer[start..].starts_with(b"\r\n") {
            return Ok(Some((start..start, start + 2)));
        }
        bounded(buffer.len(), MAX_HEAD_BYTES, "trailer")?;
        return Ok(find(&buffer[start..], b"\r\n\r\n").map(|end| (start..start, start + end + 4)));
    }
    let end = start + length;
    match buffer.get(end..end + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some((start..end, end + 2))),
        Some(_) => wrong("a chunk does not end with CRLF"),
    }
}

fn hexadecimal(digits: &str) -> Option<usize> {
    let strict = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    usize::from_str_radix(digits, 16).ok().filter(|_| strict)
}

/// Parses a head that ends with an empty line.
pub(super) fn parse_head(bytes: &[u8]) -> Result<Head, Fault> {
    let wrong = |detail: String| Fault::new(FaultKind::Protocol, detail);
    let text =
        std::str::from_utf8(bytes).map_err(|_| wrong("a head that is not text".to_owned()))?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3).filter(|_| rest.as_bytes().get(3) == Some(&b' ')))
        .and_then(|digits| digits.parse().ok())
        .filter(|_| !first.contains(['\r', '\n', '\0']))
        .ok_or_else(|| wrong(format!("status line {first:?}")))?;
    let mut headers = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) =
            line.split_once(':').ok_or_else(|| wrong(format!("header line {line:?}")))?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let clean = !value.contains(['\r', '\n', '\0']);
        if name.is_empty() || !name.bytes().all(token) || !clean {
            return Err(wrong(format!("header line {line:?}")));
        }
        headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
    Ok(Head { status, headers })
}

/// How the body of a response to GET or POST ends.
pub(super) fn framing(head: &Head) -> Result<Framing, Fault> {
    let all = |name: &str| -> Vec<&str> {
        let named = head.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    };
    let wrong = |detail: &str| Err(Fault::new(FaultKind::Protocol, detail));
    match (all("content-length").as_slice(), all("transfer-encoding").as_slice()) {
        _ if matches!(head.status, 204 | 304) => Ok(Framing::Length(0)),
        ([], []) => Ok(Framing::UntilClose),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([], _) => wrong("a transfer coding other than one chunked"),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            match length.parse() {
                Ok(length) => {
                    bounded(length, MAX_BODY_BYTES, "body").map(|()| Framing::Length(length))
                }
                Err(_) => wrong("a content length that is no number"),
            }
        }
        ([_], []) => wrong("a content length that is no number"),
        ([_, _, ..], []) => wrong("two content lengths"),
        (_, _) => wrong("both a content length and a transfer coding"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Framing, Fault> {
        parse_head(text.as_bytes()).and_then(|head| framing(&head))
    }

    #[test]
    fn reads_framings() {
        let start = "HTTP/1.1 200 OK\r\n";
        let cases = [
            ("Content-Length: 12\r\n\r\n", Framing::Length(12)),
            ("Transfer-Encoding: Chunked\r\n\r\n", Framing::Chunked),
            ("\r\n", Framing::UntilClose),
        ];
        for (rest, expected) in cases {
            assert_eq!(parse(&format!("{start}{rest}")).unwrap(), expected, "{rest:?}");
        }
    }

    #[test]
    fn reads_chunks_only_when_they_are_whole() {
        let bytes = b"4;x=y\r\nabcd\r\n0\r\nA: b\r\n\r\n";
        let whole = b"4;x=y\r\nabcd\r\n".len();
        for cut in 0..whole {
            assert!(parse_chunk(&bytes[..cut]).unwrap().is_none(), "{cut}");
        }
        assert_eq!(parse_chunk(bytes).unwrap().unwrap(), (7..11, whole));
        for cut in whole..bytes.len() {
            assert!(parse_chunk(&bytes[whole..cut]).unwrap().is_none(), "{cut}");
        }
        assert_eq!(parse_chunk(&bytes[whole..]).unwrap().unwrap(), (3..3, bytes.len() - whole));
        for wrong in ["\r\n", "+4\r\nabcd\r\n", "4\r\nabcdef", "x\r\n", "ffffffffff\r\n"] {
            assert!(parse_chunk(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn refuses_what_may_be_smuggling() {
        let cases = [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\nA: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ];
        for case in cases {
            let fault = parse(case).expect_err(case);
            assert_eq!(fault.kind, FaultKind::Protocol, "{case:?}");
        }
    }
}
