//! The clients that send one request after another.

use super::{
    options::Options,
    recorder::{FaultKind, Outcome, Record, Recorder, unix_ms},
    rhythm::Rhythm,
    wire::{Connection, Fault, Response},
};
use crate::crc::{crc32_hex, pattern};
use std::time::{Duration, Instant};

/// After a refused connection a client waits this long, so that it does not spin.
const REFUSED_PAUSE: Duration = Duration::from_millis(10);

const CHUNK_BYTES_MAX: u64 = 16 << 10;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    Get,
    Post,
    /// GET and POST in turn, each on a connection of its own.
    Connect,
    Slow,
}

/// What is shared by all clients of a load.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) options: Options,
    pub(super) recorder: Recorder,
    pub(super) rhythm: Rhythm,
    /// Begins every POST id of this load.
    pub(super) prefix: String,
}

/// A small generator of sizes and order (xorshift64*).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 1
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }

    /// A size up to `max`: mostly small, sometimes the largest.
    fn size(&mut self, max: usize) -> usize {
        let max = max as u64;
        let size = match self.below(20) {
            0 => self.below(max + 1),
            1 => max,
            2..8 => self.below(max.min(32 << 10) + 1),
            _ => self.below(max.min(2 << 10) + 1),
        };
        size as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.roll().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// A request and what must come of it.
#[derive(Debug)]
struct Request {
    method: &'static str,
    path: String,
    bytes: Vec<u8>,
    id: Option<String>,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    /// Some body of a known length.
    Anything,
    /// A document that names the same version as the header.
    Version,
    /// The pattern of this length, and its checksum in the header.
    Pattern(usize),
    /// A document that says what was sent.
    Echo { length: usize, crc32: String, id: String },
}

/// One client.
#[derive(Debug)]
pub(super) struct Client<'scene> {
    scene: &'scene Scene,
    name: String,
    habit: Habit,
    dice: Dice,
    sent: u64,
    connection: Option<Connection>,
    /// Those the connection saw, each once per change.
    versions: Vec<String>,
}

impl<'scene> Client<'scene> {
    pub(super) fn new(scene: &'scene Scene, habit: Habit, index: u32) -> Self {
        let name = format!("{habit:?}-{index}").to_lowercase();
        let salt = crate::crc::crc32(name.as_bytes());
        let dice = Dice::new(scene.options.seed.wrapping_add(u64::from(salt)));
        Self { scene, name, habit, dice, sent: 0, connection: None, versions: Vec::new() }
    }

    /// Sends requests until the end comes.
    pub(super) fn run(mut self) {
        while self.scene.rhythm.turn() {
            self.sent += 1;
            let request = self.next_request();
            let record = self.make(&request);
            let refused = record.fault == Some(FaultKind::Refused);
            self.scene.recorder.note(record, self.habit == Habit::Slow);
            if self.habit == Habit::Connect {
                self.leave();
            }
            if refused {
                self.scene.rhythm.sleep(REFUSED_PAUSE);
            }
        }
        self.leave();
    }

    fn next_request(&mut self) -> Request {
        match self.habit {
            Habit::Get => self.get(),
            Habit::Post => self.post(),
            Habit::Connect if self.sent.is_multiple_of(2) => self.post(),
            Habit::Connect => self.get(),
            Habit::Slow => {
                let path = format!("/slow/{}", self.scene.options.slow_ms);
                self.getting(path, Expected::Anything)
            }
        }
    }

    fn get(&mut self) -> Request {
        match self.dice.below(4) {
            0 => self.getting("/".to_owned(), Expected::Anything),
            1 | 2 => self.getting("/api/version".to_owned(), Expected::Version),
            _ => {
                let length = self.dice.size(self.scene.options.body_bytes_max);
                self.getting(format!("/bytes/{length}"), Expected::Pattern(length))
            }
        }
    }

    fn getting(&self, path: String, expected: Expected) -> Request {
        let bytes = format!("{}\r\n", self.head("GET", &path)).into_bytes();
        Request { method: "GET", path, bytes, id: None, expected }
    }

    fn post(&mut self) -> Request {
        let length = self.dice.size(self.scene.options.body_bytes_max);
        let body = self.dice.bytes(length);
        let id = format!("{}{}-{}", self.scene.prefix, self.name, self.sent);
        let crc32 = crc32_hex(&body);
        let path = "/echo".to_owned();
        let mut head = self.head("POST", &path);
        head += &format!("x-request-id: {id}\r\ncontent-type: application/octet-stream\r\n");
        let bytes = if self.dice.below(2) == 0 {
            head += &format!("content-length: {length}\r\n\r\n");
            [head.as_bytes(), &body].concat()
        } else {
            head += "transfer-encoding: chunked\r\n\r\n";
            [head.as_bytes(), &self.chunked(&body)].concat()
        };
        let expected = Expected::Echo { length, crc32, id: id.clone() };
        Request { method: "POST", path, bytes, id: Some(id), expected }
    }

    fn head(&self, method: &str, path: &str) -> String {
        let close = if self.habit == Habit::Connect { "connection: close\r\n" } else { "" };
        let host = &self.scene.options.host;
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{close}")
    }

    fn chunked(&mut self, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(body.len() + 64);
        let mut rest = body;
        while !rest.is_empty() {
            let length = (1 + self.dice.below(CHUNK_BYTES_MAX) as usize).min(rest.len());
            bytes.extend_from_slice(format!("{length:x}\r\n").as_bytes());
            bytes.extend_from_slice(&rest[..length]);
            bytes.extend_from_slice(b"\r\n");
            rest = &rest[length..];
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// Makes the request; a GET that met a kept connection in its end is made once more.
    fn make(&mut self, request: &Request) -> Record {
        let record = self.attempt(request);
        if record.outcome != Outcome::StaleRetried {
            return record;
        }
        self.scene.recorder.note(record, false);
        self.attempt(request)
    }

    fn attempt(&mut self, request: &Request) -> Record {
        let (started, started_ms) = (Instant::now(), unix_ms());
        let timeout = Duration::from_millis(self.scene.options.timeout_ms);
        let slow = if self.habit == Habit::Slow { self.scene.options.slow_ms } else { 0 };
        let deadline = started + timeout + Duration::from_millis(slow);
        let mut record = Record {
            connection: 0,
            client: self.name.clone(),
            method: request.method.to_owned(),
            path: request.path.clone(),
            started_ms,
            latency_us: 0,
            reused: false,
            outcome: Outcome::Completed,
            fault: None,
            detail: None,
            status: None,
            version: None,
            id: request.id.clone(),
        };
        let answered = self.connect(deadline, &mut record).and_then(|()| {
            let connection = self.connection.as_mut().expect("connect has just opened it");
            connection.exchange(&request.bytes, deadline)
        });
        record.latency_us = started.elapsed().as_micros() as u64;
        let judged = answered.and_then(|response| {
            record.status = Some(response.head.status);
            record.version = response.head.version();
            judge(request, &response)
        });
        if record.status == Some(200) {
            self.saw(record.version.as_deref().unwrap_or("unknown"));
        }
        if let Err(fault) = judged {
            self.blame(request, fault, &mut record);
        }
        if self.connection.as_ref().is_some_and(|connection| connection.closing) {
            self.leave();
        }
        record
    }

    fn connect(&mut self, deadline: Instant, record: &mut Record) -> Result<(), Fault> {
        if let Some(connection) = &self.connection {
            record.connection = connection.number;
            if connection.reusable()? {
                record.reused = connection.served > 0;
                return Ok(());
            }
            self.scene.recorder.idle_closed();
            self.leave();
        }
        let number = self.scene.recorder.number();
        record.connection = number;
        self.connection = Some(Connection::open(self.scene.options.target, number, deadline)?);
        Ok(())
    }

    fn blame(&mut self, request: &Request, fault: Fault, record: &mut Record) {
        let stale = record.reused
            && request.method == "GET"
            && fault.response_bytes == 0
            && matches!(fault.kind, FaultKind::Closed | FaultKind::Reset);
        record.outcome = if stale { Outcome::StaleRetried } else { Outcome::Failed };
        record.fault = Some(fault.kind);
        record.detail = Some(fault.detail);
        // An answer that came whole, though wrong, leaves the connection in step.
        if fault.kind.aborted() || fault.kind == FaultKind::Protocol {
            self.leave();
        }
    }

    fn saw(&mut self, version: &str) {
        if self.versions.last().map(String::as_str) != Some(version) {
            self.versions.push(version.to_owned());
        }
    }

    fn leave(&mut self) {
        if self.connection.take().is_some() {
            self.scene.recorder.note_connection(&self.versions);
            self.versions.clear();
        }
    }
}

fn judge(request: &Request, response: &Response) -> Result<(), Fault> {
    let head = &response.head;
    let start = String::from_utf8_lossy(&response.body[..response.body.len().min(200)]);
    if let Some(error) = head.header("x-cutover-error") {
        let detail = format!("{} {error}: {start}", head.status);
        return Err(Fault::new(FaultKind::ProxyError, detail));
    }
    let kind = match head.status {
        200 => return check(request, response),
        500.. => FaultKind::AppServerError,
        400..500 => FaultKind::AppClientError,
        _ => FaultKind::Status,
    };
    Err(Fault::new(kind, format!("{}: {start}", head.status)))
}

fn check(request: &Request, response: &Response) -> Result<(), Fault> {
    let wrong = |detail: String| Err(Fault::new(FaultKind::Checksum, detail));
    let body = &response.body;
    let document = || serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    match &request.expected {
        Expected::Anything => Ok(()),
        Expected::Version => {
            let (said, header) = (document()["version"].clone(), response.head.version());
            match said.as_str() {
                Some(_) if header.is_none() => Ok(()),
                Some(said) if header.as_deref() == Some(said) => Ok(()),
                _ => wrong(format!("version {said} in the body, {header:?} in the header")),
            }
        }
        Expected::Pattern(length) => {
            let expected = crc32_hex(&pattern(*length));
            let (found, header) = (crc32_hex(body), response.head.header("x-crc32"));
            if body.len() == *length && found == expected && header == Some(&expected) {
                return Ok(());
            }
            let came = body.len();
            wrong(format!("{came} of {length} bytes, {found} for {expected}, header {header:?}"))
        }
        Expected::Echo { length, crc32, id } => {
            let said = document();
            let same = said["length"].as_u64() == Some(*length as u64)
                && said["crc32"].as_str() == Some(crc32)
                && said["id"].as_str() == Some(id);
            if same {
                return Ok(());
            }
            wrong(format!("sent {length} bytes, {crc32}, id {id}; the app says {said}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_in_bounds_and_reach_them() {
        let mut dice = Dice::new(7);
        let sizes: Vec<usize> = (0..2000).map(|_| dice.size(1 << 20)).collect();
        assert!(sizes.iter().all(|size| *size <= 1 << 20));
        assert!(sizes.contains(&(1 << 20)));
        assert!(sizes.iter().filter(|size| **size < 2048).count() > 800);
    }

    #[test]
    fn seeds_repeat() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            [dice.roll(), dice.roll(), dice.below(9)]
        };
        assert_eq!(rolls(1), rolls(1));
        assert_ne!(rolls(1), rolls(2));
    }
}
