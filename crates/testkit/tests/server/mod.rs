//! A server that answers as the example apps do, but for one fault in every tenth request.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use testkit::{
    crc::{crc32_hex, pattern},
    websocket::{CLOSE, accept, decode, encode},
};

/// Which requests a fault hits: the tenth, twentieth, …
const EVERY: u64 = 10;
const MESSAGES_BEFORE_FAULT: u64 = 3;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Truncate,
    TruncateChunked,
    ResetWithin,
    Hang,
    WrongBody,
    Extra,
    Status500,
    Status404,
    Proxy503,
    CloseUnanswered,
    AnnouncedClose,
    DoublePost,
    LosePost,
    VersionOnce,
    VersionFlips,
    WebSocketRestart,
    WebSocketError,
    WebSocketCut,
    WebSocketWrong,
    EventsLastChunk,
    EventsCut,
    EventsSkip,
}

/// The server; its threads end with the test's process.
pub struct Server {
    address: SocketAddr,
    directory: tempfile::TempDir,
}

struct Request {
    path: String,
    head: String,
    body: Vec<u8>,
}

struct Serving {
    fault: Fault,
    requests: AtomicU64,
    post_log: PathBuf,
}

impl Server {
    pub fn start(fault: Fault) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let post_log = directory.path().join("posts");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::new(Serving { fault, requests: AtomicU64::new(0), post_log });
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                // A connection that ends early is what the client makes of it.
                thread::spawn(move || drop(serving.converse(stream)));
            }
        });
        Self { address, directory }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn post_log(&self) -> PathBuf {
        self.directory.path().join("posts")
    }
}

impl Serving {
    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = Vec::new();
        loop {
            let request = read_request(&mut stream, &mut buffer)?;
            match request.path.as_str() {
                "/ws" => return self.websocket(&mut stream, &request, buffer),
                "/events" => return self.events(&mut stream),
                _ => {}
            }
            let count = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
            let hit = count.is_multiple_of(EVERY);
            let fault = if hit { self.fault } else { Fault::None };
            let version = match self.fault {
                Fault::VersionOnce if count >= EVERY => "2",
                Fault::VersionFlips if count % EVERY == 5 => "2",
                _ => "1",
            };
            if !self.answer(&mut stream, &request, fault, version)? {
                return Ok(());
            }
        }
    }

    /// Answers; false: the connection is to be closed.
    fn answer(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        fault: Fault,
        version: &str,
    ) -> io::Result<bool> {
        match fault {
            Fault::CloseUnanswered => return Ok(false),
            Fault::Hang => {
                // Until the client goes.
                while stream.read(&mut [0])? > 0 {}
                return Ok(false);
            }
            _ => {}
        }
        let (mut body, extra) = self.body(request, fault, version)?;
        let status = match fault {
            Fault::Status500 => "500 Internal Server Error",
            Fault::Status404 => "404 Not Found",
            Fault::Proxy503 => "503 Service Unavailable\r\nx-cutover-error: no target",
            _ => "200 OK",
        };
        let mut head = format!("HTTP/1.1 {status}\r\nx-app-version: {version}\r\n{extra}");
        match fault {
            Fault::WrongBody if body.is_empty() => body.push(b'!'),
            Fault::WrongBody => body[0] ^= 1,
            Fault::AnnouncedClose => head += "connection: close\r\n",
            _ => {}
        }
        if fault == Fault::TruncateChunked {
            write!(stream, "{head}transfer-encoding: chunked\r\n\r\n64\r\nonly this")?;
            return Ok(false);
        }
        // A truncated body claims more than it has, so that an empty one can be cut too.
        let cut = matches!(fault, Fault::Truncate | Fault::ResetWithin);
        let claimed = body.len() + usize::from(cut);
        let extra: &[u8] = if fault == Fault::Extra { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        head += &format!("content-length: {claimed}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &body, extra].concat())?;
        if fault == Fault::ResetWithin {
            // What was written goes out first, or the reset would outrun it.
            thread::sleep(Duration::from_millis(20));
            rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO))?;
        }
        Ok(!cut && !matches!(fault, Fault::Extra | Fault::AnnouncedClose))
    }

    fn body(
        &self,
        request: &Request,
        fault: Fault,
        version: &str,
    ) -> io::Result<(Vec<u8>, String)> {
        if request.path == "/echo" {
            let id = request.header("x-request-id");
            let times = match fault {
                Fault::DoublePost => 2,
                Fault::LosePost | Fault::Status404 | Fault::Status500 => 0,
                _ => 1,
            };
            let mut log = fs::OpenOptions::new().create(true).append(true).open(&self.post_log)?;
            log.write_all(format!("{id}\n").repeat(times).as_bytes())?;
            let (length, crc32) = (request.body.len(), crc32_hex(&request.body));
            let document = serde_json::json!({ "length": length, "crc32": crc32, "id": id });
            return Ok((document.to_string().into_bytes(), String::new()));
        }
        if let Some(length) = request.path.strip_prefix("/bytes/") {
            let body = pattern(length.parse().map_err(|_| ErrorKind::InvalidInput)?);
            let header = format!("x-crc32: {}\r\n", crc32_hex(&body));
            return Ok((body, header));
        }
        // Also the greeting, so that a wrong byte is seen whatever was asked for.
        let document = serde_json::json!({ "version": version });
        Ok((document.to_string().into_bytes(), String::new()))
    }

    fn websocket(
        &self,
        stream: &mut TcpStream,
        request: &Request,
        mut buffer: Vec<u8>,
    ) -> io::Result<()> {
        let answer = accept(&request.header("sec-websocket-key"));
        write!(
            stream,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {answer}\r\nx-app-version: 1\r\n\r\n"
        )?;
        let mut messages = 0;
        loop {
            let Some((frame, taken)) = decode(&buffer).map_err(io::Error::other)? else {
                fill(stream, &mut buffer)?;
                continue;
            };
            buffer.drain(..taken);
            if frame.opcode == CLOSE {
                return stream.write_all(&encode(CLOSE, &frame.payload, None));
            }
            messages += 1;
            let payload = match (messages > MESSAGES_BEFORE_FAULT, self.fault) {
                (true, Fault::WebSocketRestart) => return goodbye(stream, 1012),
                (true, Fault::WebSocketError) => return goodbye(stream, 1011),
                (true, Fault::WebSocketCut) => return Ok(()),
                (true, Fault::WebSocketWrong) => b"another".to_vec(),
                _ => frame.payload,
            };
            stream.write_all(&encode(frame.opcode, &payload, None))?;
        }
    }

    fn events(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        for id in 1.. {
            let id = match (id > MESSAGES_BEFORE_FAULT, self.fault) {
                (true, Fault::EventsLastChunk) => return stream.write_all(b"0\r\n\r\n"),
                (true, Fault::EventsCut) => return Ok(()),
                (true, Fault::EventsSkip) => id + 1,
                _ => id,
            };
            let event = format!("id: {id}\ndata: x\n\n");
            write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Request {
    fn header(&self, name: &str) -> String {
        let start = format!("\r\n{name}: ");
        let value = self.head.split_once(&start).map(|(_, rest)| rest.split("\r\n").next());
        value.flatten().unwrap_or_default().to_owned()
    }
}

fn goodbye(stream: &mut TcpStream, code: u16) -> io::Result<()> {
    stream.write_all(&encode(CLOSE, &code.to_be_bytes(), None))?;
    // Until the client goes: a socket closed with unread bytes is reset.
    while stream.read(&mut [0; 4096])? > 0 {}
    Ok(())
}

fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = [0; 16 << 10];
    match stream.read(&mut bytes)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        count => {
            buffer.extend_from_slice(&bytes[..count]);
            Ok(())
        }
    }
}

fn find(buffer: &[u8], wanted: &[u8]) -> Option<usize> {
    buffer.windows(wanted.len()).position(|window| window == wanted)
}

fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Request> {
    let length = loop {
        match find(buffer, b"\r\n\r\n") {
            Some(end) => break end + 4,
            None => fill(stream, buffer)?,
        }
    };
    let head = String::from_utf8_lossy(&buffer.drain(..length).collect::<Vec<_>>()).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut request = Request { path, head, body: Vec::new() };
    if let Ok(length) = request.header("content-length").parse::<usize>() {
        while buffer.len() < length {
            fill(stream, buffer)?;
        }
        request.body = buffer.drain(..length).collect();
    }
    while request.header("transfer-encoding") == "chunked" {
        let Some(end) = find(buffer, b"\r\n") else {
            fill(stream, buffer)?;
            continue;
        };
        let digits = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let length = usize::from_str_radix(&digits, 16).map_err(io::Error::other)?;
        while buffer.len() < end + 2 + length + 2 {
            fill(stream, buffer)?;
        }
        let chunk: Vec<u8> = buffer.drain(..end + 2 + length + 2).collect();
        request.body.extend_from_slice(&chunk[end + 2..end + 2 + length]);
        if length == 0 {
            break;
        }
    }
    Ok(request)
}
