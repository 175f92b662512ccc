//! Instances: small servers whose behaviour each test decides.

use super::http::checksum;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request as an instance has read it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub line: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

impl Request {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or("")
    }
}

/// What to do with a connection after a response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Next,
    Close,
}

pub type Handler = dyn Fn(&Request, &mut BufReader<TcpStream>) -> io::Result<Then> + Send + Sync;

/// A listening instance; stopped when dropped.
pub struct Backend {
    pub address: String,
    pub requests: Arc<AtomicU64>,
    pub posts: Arc<AtomicU64>,
    pub connections: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    /// Answers as [`ordinary`] does, naming itself.
    pub fn named(name: &str) -> Self {
        let name = name.to_owned();
        Self::with(move |request, stream| ordinary(&name, request, stream))
    }

    /// Answers every request with this status.
    pub fn failing(status: u16) -> Self {
        Self::with(move |_, stream| respond(stream, status, "", b"failed"))
    }

    /// Sends these bytes for every request and closes.
    pub fn saying(bytes: &'static [u8]) -> Self {
        Self::with(move |_, stream| {
            stream.get_mut().write_all(bytes)?;
            Ok(Then::Close)
        })
    }

    pub fn with(
        handler: impl Fn(&Request, &mut BufReader<TcpStream>) -> io::Result<Then>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self::bound(TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(handler))
    }

    pub fn bound(listener: TcpListener, handler: Arc<Handler>) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let mut backend = Backend {
            address,
            requests: Arc::default(),
            posts: Arc::default(),
            connections: Arc::default(),
            stopping: Arc::default(),
            open: Arc::default(),
            thread: None,
        };
        let (requests, posts) = (backend.requests.clone(), backend.posts.clone());
        let (connections, stopping) = (backend.connections.clone(), backend.stopping.clone());
        let open = backend.open.clone();
        backend.thread = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let (requests, posts) = (requests.clone(), posts.clone());
                let handler = handler.clone();
                std::thread::spawn(move || converse(stream, &*handler, &requests, &posts));
            }
        }));
        backend
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn posts(&self) -> u64 {
        self.posts.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Ends as a killed process does: nothing listens, and all connections are closed.
    pub fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopping.store(true, Ordering::SeqCst);
            let _wake = TcpStream::connect(&self.address);
            thread.join().unwrap();
            for stream in self.open.lock().unwrap().drain(..) {
                let _gone = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop();
    }
}

fn converse(stream: TcpStream, handler: &Handler, requests: &AtomicU64, posts: &AtomicU64) {
    let _unsupported = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = read_request(&mut reader) {
        requests.fetch_add(1, Ordering::SeqCst);
        if request.line.starts_with("POST") {
            posts.fetch_add(1, Ordering::SeqCst);
        }
        if !matches!(handler(&request, &mut reader), Ok(Then::Next)) {
            break;
        }
    }
    let _gone = reader.get_ref().shutdown(Shutdown::Both);
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let text = line.strip_suffix("\r\n").map(str::to_owned);
    text.ok_or_else(|| io::Error::other(format!("line {line:?}")))
}

fn fields(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(reader)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(": ").ok_or_else(|| io::Error::other("field"))?;
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

/// The next request, or nothing if the connection ended before it.
pub fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    if reader.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut request =
        Request { line: line(reader)?, fields: fields(reader)?, ..Request::default() };
    if request.field("expect").is_some() && !request.path().starts_with("/refuse") {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.field("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(&line(reader)?, 16).map_err(io::Error::other)?;
            if size == 0 {
                break;
            }
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            request.body.extend_from_slice(&chunk[..size]);
        }
        request.trailers = fields(reader)?;
    } else if let Some(length) = request.field("content-length")
        && !request.path().starts_with("/refuse")
    {
        request.body = vec![0; length.parse().map_err(io::Error::other)?];
        reader.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}

pub fn respond(
    stream: &mut BufReader<TcpStream>,
    status: u16,
    fields: &str,
    body: &[u8],
) -> io::Result<Then> {
    let head = format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
    Ok(Then::Next)
}

/// `/`: the instance's name.  A POST is answered with the checksum of its body.  `/big`: a MiB.
/// `/chunked`: in chunks, with a trailer.  `/until-close`: up to the end of the connection.
/// `/slow/MS`: after so long.  `/status/N`: that status.
pub fn ordinary(
    name: &str,
    request: &Request,
    stream: &mut BufReader<TcpStream>,
) -> io::Result<Then> {
    let path = request.path().to_owned();
    let path = path.split('?').next().unwrap_or("");
    let own = format!("X-Instance: {name}\r\n");
    if request.line.starts_with("POST") || request.line.starts_with("PUT") {
        let sum = checksum(&request.body);
        return respond(stream, 200, &own, sum.as_bytes());
    }
    if request.line.starts_with("HEAD") {
        let head = format!("HTTP/1.1 200 OK\r\n{own}Content-Length: 12345\r\n\r\n");
        stream.get_mut().write_all(head.as_bytes())?;
        return Ok(Then::Next);
    }
    if let Some(ms) = path.strip_prefix("/slow/") {
        std::thread::sleep(Duration::from_millis(ms.parse().unwrap()));
    }
    if let Some(status) = path.strip_prefix("/status/") {
        return respond(stream, status.parse().unwrap(), &own, b"as you like");
    }
    match path {
        "/big" => respond(stream, 200, &own, &vec![b'x'; 1 << 20]),
        "/chunked" => {
            let text = format!(
                "HTTP/1.1 200 OK\r\n{own}Transfer-Encoding: chunked\r\n\r\n\
                 5;note=1\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n"
            );
            stream.get_mut().write_all(text.as_bytes())?;
            Ok(Then::Next)
        }
        "/until-close" => {
            let text = format!("HTTP/1.1 200 OK\r\n{own}\r\nup to the end");
            stream.get_mut().write_all(text.as_bytes())?;
            Ok(Then::Close)
        }
        _ => respond(stream, 200, &own, name.as_bytes()),
    }
}
