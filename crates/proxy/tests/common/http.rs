//! A client that sends bytes and reads responses strictly.

use super::PATIENCE;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

pub struct Connection<S = TcpStream> {
    pub reader: BufReader<S>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

impl Response {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn error(&self) -> &str {
        self.field("x-cutover-error").unwrap_or("")
    }
}

impl Connection {
    pub fn open(address: &str) -> Self {
        Self::try_open(address).unwrap()
    }

    pub fn try_open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection { reader: BufReader::new(stream) })
    }
}

impl<S: Read + Write> Connection<S> {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    pub fn get(&mut self, path: &str) -> io::Result<Response> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n"))?;
        self.response(false)
    }

    pub fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Response> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send([head.as_bytes(), body].concat())?;
        self.response(false)
    }

    pub fn head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("status line {line:?}")))?;
        Ok((status, self.fields()?))
    }

    fn fields(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) =
                line.split_once(": ").ok_or_else(|| io::Error::other(format!("field {line:?}")))?;
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    /// A line that ends with CRLF, without it.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.strip_suffix("\r\n");
        text.map(str::to_owned).ok_or_else(|| io::Error::other(format!("line {line:?}")))
    }

    /// The next final response; interim ones are skipped.
    pub fn response(&mut self, head_only: bool) -> io::Result<Response> {
        let (status, fields) = loop {
            let (status, fields) = self.head()?;
            if status >= 200 || status == 101 {
                break (status, fields);
            }
        };
        let mut response = Response { status, fields, body: Vec::new(), trailers: Vec::new() };
        if head_only || status == 204 || status == 304 || status == 101 {
            return Ok(response);
        }
        if response.field("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk()? {
                response.body.extend(chunk);
            }
            response.trailers = self.fields()?;
        } else if let Some(length) = response.field("content-length") {
            response.body = vec![0; length.parse().map_err(io::Error::other)?];
            self.reader.read_exact(&mut response.body)?;
        } else {
            self.reader.read_to_end(&mut response.body)?;
        }
        Ok(response)
    }

    /// The next chunk, or nothing for the last; the trailers are still to be read.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let size = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
        if size == 0 {
            return Ok(None);
        }
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk)?;
        if !chunk.ends_with(b"\r\n") {
            return Err(io::Error::other("a chunk does not end where it should"));
        }
        chunk.truncate(size);
        Ok(Some(chunk))
    }

    /// Whether nothing but the end comes.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.reader.read(&mut [0; 1]), Ok(0))
    }
}

/// One GET on a connection of its own.
pub fn get(address: &str, path: &str) -> io::Result<Response> {
    Connection::try_open(address)?.get(path)
}

/// A checksum that both ends compute.
pub fn checksum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
