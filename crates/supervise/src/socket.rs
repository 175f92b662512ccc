//! A Unix socket that takes one JSON object a line: bounded clients, bounded lines, own user only.

use crate::place::Place;
use rustix::net::sockopt::socket_peercred;
use serde::Serialize;
use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::PathBuf,
};

/// Beyond it the oldest that does not wait for an answer is left.
const CLIENTS_MAX: usize = 16;
/// A longer line is no ask.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Connections taken before everything else gets its turn.
const ACCEPTS_PER_TURN: usize = 16;

/// One connection, for as long as it is open.
pub(crate) type ClientId = u64;

#[derive(Debug)]
pub(crate) struct Server {
    path: PathBuf,
    listener: UnixListener,
    clients: Vec<Client>,
    next: ClientId,
}

#[derive(Debug)]
struct Client {
    id: ClientId,
    stream: UnixStream,
    received: Vec<u8>,
    waits: bool,
}

impl Server {
    /// Takes the place of a socket that a predecessor left; the caller holds the lock that says it
    /// is gone.
    pub(crate) fn bind(place: &Place, name: &str) -> io::Result<Self> {
        let path = place.socket(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { path, listener, clients: Vec::new(), next: 0 })
    }

    /// To be polled for reading: the listener, then each client.
    pub(crate) fn descriptors(&self) -> (BorrowedFd<'_>, Vec<(ClientId, BorrowedFd<'_>)>) {
        let clients = self.clients.iter().map(|client| (client.id, client.stream.as_fd()));
        (self.listener.as_fd(), clients.collect())
    }

    pub(crate) fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Ok((stream, _)) = self.listener.accept() else { return };
            if !is_permitted(&stream) || stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.clients.len() >= CLIENTS_MAX {
                let oldest = self.clients.iter().position(|client| !client.waits).unwrap_or(0);
                self.clients.remove(oldest);
            }
            self.next += 1;
            let client = Client { id: self.next, stream, received: Vec::new(), waits: false };
            self.clients.push(client);
        }
    }

    /// The whole lines that a client has sent; one that is gone, or talks nonsense, is forgotten.
    pub(crate) fn receive(&mut self, id: ClientId) -> Vec<Vec<u8>> {
        let Some(client) = self.clients.iter_mut().find(|client| client.id == id) else {
            return Vec::new();
        };
        let mut chunk = [0; 4096];
        match client.stream.read(&mut chunk) {
            Ok(length) if length > 0 => client.received.extend_from_slice(&chunk[..length]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Vec::new();
            }
            _ => {
                self.forget(id);
                return Vec::new();
            }
        }
        let whole = client.received.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |position| position + 1);
        let lines: Vec<u8> = client.received.drain(..whole).collect();
        if client.received.len() > LINE_BYTES_MAX {
            self.forget(id);
        }
        lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    }

    /// It is answered later: it is not left for newer ones.
    pub(crate) fn let_wait(&mut self, id: ClientId) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.id == id) {
            client.waits = true;
        }
    }

    /// One line; a client that does not read its answers is forgotten.
    pub(crate) fn answer(&mut self, id: ClientId, answer: &impl Serialize) {
        let Some(client) = self.clients.iter_mut().find(|client| client.id == id) else { return };
        client.waits = false;
        let sent = serde_json::to_vec(answer).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            client.stream.write_all(&line)
        });
        if sent.is_err() {
            self.forget(id);
        }
    }

    /// From now on nobody can ask.
    pub(crate) fn unlink(&self) {
        // Whoever comes now is refused either way: this process is about to end.
        let _ = fs::remove_file(&self.path);
    }

    fn forget(&mut self, id: ClientId) {
        self.clients.retain(|client| client.id != id);
    }
}

fn is_permitted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid == own)
}
