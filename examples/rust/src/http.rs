//! HTTP/1.1 on one connection, the server's side.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
};

const HEAD_BYTES_MAX: usize = 64 << 10;
const BODY_BYTES_MAX: usize = 64 << 20;
const HEADERS_MAX: usize = 64;
const READ_BYTES: usize = 16 << 10;

/// A request, whole.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The header's value; names are in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the client wants the connection closed.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Vec<u8>,
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Waits for the first byte of a request; false: none will come.
    pub(crate) fn await_request(&mut self) -> bool {
        !self.buffer.is_empty() || self.fill().is_ok()
    }

    /// Reads more.
    ///
    /// # Errors
    /// Also if the client has ended the connection.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.buffer.extend_from_slice(&bytes[..count]);
                Ok(())
            }
        }
    }

    /// Reads one request with its whole body: one that was cut is an error and no request.
    pub(crate) fn request(&mut self) -> io::Result<Request> {
        let (mut request, length) = loop {
            if let Some(parsed) = parse(&self.buffer)? {
                break parsed;
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(wrong("a head without an end"));
            }
            self.fill()?;
        };
        self.buffer.drain(..length);
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = request.header("content-length").map(str::parse::<usize>);
        request.body = match (request.header("transfer-encoding"), length) {
            (None, None) => Vec::new(),
            (None, Some(Ok(length))) if length <= BODY_BYTES_MAX => self.take(length)?,
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => self.chunks()?,
            _ => return Err(wrong("a body without a clear end")),
        };
        Ok(request)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default();
            let length = usize::from_str_radix(digits, 16).map_err(|_| wrong("a chunk length"))?;
            if length == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            if body.len().saturating_add(length) > BODY_BYTES_MAX {
                return Err(wrong("a body too long"));
            }
            body.extend(self.take(length)?);
            if self.take(2)? != b"\r\n" {
                return Err(wrong("a chunk without its end"));
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return String::from_utf8(line).map_err(|_| wrong("a line that is not text"));
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(wrong("a line without an end"));
            }
            self.fill()?;
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Writes a head; `headers` without those that frame the body.
    pub(crate) fn head(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
        self.stream.write_all(head(status, headers).as_bytes())
    }

    /// Writes a whole response.
    pub(crate) fn respond(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let length = body.len().to_string();
        let headers = [headers, &[("content-length", length.as_str())]].concat();
        self.stream.write_all(&[head(status, &headers).as_bytes(), body].concat())
    }

    /// Writes one chunk of a chunked body; an empty one is the last.
    pub(crate) fn chunk(&mut self, content: &str) -> io::Result<()> {
        self.stream.write_all(format!("{:x}\r\n{content}\r\n", content.len()).as_bytes())
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> String {
    let reason = match status {
        101 => "Switching Protocols",
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    let mut text = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text + "\r\n"
}

fn parse(buffer: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(wrong(&error.to_string())),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().to_owned(),
        headers: parsed
            .headers
            .iter()
            .map(|header| (header.name.to_ascii_lowercase(), text(header.value)))
            .collect(),
        body: Vec::new(),
    };
    Ok(Some((request, length)))
}
