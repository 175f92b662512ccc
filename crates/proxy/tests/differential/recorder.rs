//! An instance that reads strictly, and keeps every byte that it was sent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a whole request asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub body: Vec<u8>,
}

/// Everything that came on one connection.
#[derive(Clone, Debug, Default)]
pub struct Bytes {
    pub all: Vec<u8>,
    /// Where its first request ends, if it has an end.
    pub end: Option<usize>,
}

#[derive(Default)]
struct Kept {
    whole: Mutex<Vec<Seen>>,
    connections: Mutex<Vec<Arc<Mutex<Bytes>>>>,
    stopping: AtomicBool,
}

pub struct Recorder {
    pub address: String,
    kept: Arc<Kept>,
    thread: Option<JoinHandle<()>>,
}

/// No connection is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Recorder {
    pub fn start() -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let kept: Arc<Kept> = Arc::default();
        let shared = kept.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let connection: Arc<Mutex<Bytes>> = Arc::default();
                shared.connections.lock().unwrap().push(connection.clone());
                let shared = shared.clone();
                std::thread::spawn(move || converse(stream, &shared, &connection));
            }
        });
        Recorder { address, kept, thread: Some(thread) }
    }

    /// The requests that came whole so far.
    pub fn whole(&self) -> Vec<Seen> {
        self.kept.whole.lock().unwrap().clone()
    }

    pub fn connections(&self) -> Vec<Bytes> {
        let connections = self.kept.connections.lock().unwrap();
        connections.iter().map(|it| it.lock().unwrap().clone()).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.kept.stopping.store(true, Ordering::SeqCst);
        let _wake = TcpStream::connect(&self.address);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

fn converse(mut stream: TcpStream, kept: &Kept, connection: &Mutex<Bytes>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        let mut bytes = connection.lock().unwrap();
        bytes.all.extend_from_slice(&piece[..count]);
        if bytes.end.is_some() {
            continue;
        }
        if let Some((seen, end)) = super::reader::first(&bytes.all) {
            bytes.end = Some(end);
            drop(bytes);
            kept.whole.lock().unwrap().push(seen);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            let _gone = stream.write_all(answer);
            let _gone = stream.shutdown(Shutdown::Write);
        }
    }
}
