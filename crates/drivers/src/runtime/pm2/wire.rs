//! What PM2's daemon is asked, over the socket that its own program uses: a call and its answer are
//! JSON in a frame of counted parts.
//!
//! Its program is not used to look: it would start a daemon where there is none, and an empty list
//! of a new one is not what was asked for.

use serde_json::{Value, json};
use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::Path,
    time::{Duration, Instant},
};

/// Of one answer.
const ANSWER_BYTES_MAX: u32 = 64 << 20;
/// The protocol's version stands in the upper half of a frame's first byte.
const VERSION: u8 = 1;
/// A call and its number.
const PARTS: u8 = 2;
const SOCKET: &str = "rpc.sock";

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// No daemon runs: nobody listens on its socket.
    NotRunning,
    /// It runs, or may run, and did not answer in time, or not as it should.
    Silent(String),
    /// It answered that it could not.
    Refused(String),
}

/// A connection to one life of a daemon: its numbers of processes mean the same all along.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    deadline: Instant,
    calls: u32,
}

impl Wire {
    /// To the daemon of this `PM2_HOME`; all calls over it end within `wait`.
    pub(super) fn open(home: &Path, wait: Duration) -> Result<Wire, Unanswered> {
        // A path in a socket's address has at most 108 bytes: a directory that is open has few.
        let directory = match fs::File::open(home) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Unanswered::NotRunning);
            }
            opened => opened.map_err(|it| silent(&it))?,
        };
        let path = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
        match UnixStream::connect(path) {
            Ok(stream) => Ok(Wire { stream, deadline: Instant::now() + wait, calls: 0 }),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
            {
                Err(Unanswered::NotRunning)
            }
            Err(error) => Err(silent(&error)),
        }
    }

    /// Calls a method of the daemon; its first result.
    pub(super) fn call(&mut self, method: &str, argument: &Value) -> Result<Value, Unanswered> {
        self.calls += 1;
        let call = json!({ "type": "call", "method": method, "args": [argument] });
        let frame = frame(&format!("j:{call}"), &format!("s:cutover:{}", self.calls));
        self.wait_at_most().and_then(|()| self.stream.write_all(&frame)).map_err(|it| {
            // Nobody took it: the daemon ended in between.
            if it.kind() == ErrorKind::BrokenPipe { Unanswered::NotRunning } else { silent(&it) }
        })?;
        let answer = self.answer().map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                Unanswered::Silent("it ended while it was asked".to_owned())
            }
            _ => silent(&error),
        })?;
        if let Some(error) = answer.get("error") {
            return Err(Unanswered::Refused(words(error)));
        }
        Ok(answer["args"][0].clone())
    }

    fn answer(&mut self) -> io::Result<Value> {
        let mut meta = [0];
        self.read(&mut meta)?;
        if meta[0] >> 4 != VERSION {
            return Err(odd("it speaks another protocol"));
        }
        let mut first = None;
        for _ in 0..meta[0] & 15 {
            let mut length = [0; 4];
            self.read(&mut length)?;
            let length = u32::from_be_bytes(length);
            if length > ANSWER_BYTES_MAX {
                return Err(odd("its answer is too large"));
            }
            let mut part = vec![0; length as usize];
            self.read(&mut part)?;
            first.get_or_insert(part);
        }
        let part = first.ok_or_else(|| odd("its answer is empty"))?;
        let text = part.strip_prefix(b"j:").ok_or_else(|| odd("its answer is no JSON"))?;
        Ok(serde_json::from_slice(text)?)
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < into.len() {
            self.wait_at_most()?;
            match self.stream.read(&mut into[filled..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait_at_most(&self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.set_write_timeout(Some(left))
    }
}

fn frame(call: &str, number: &str) -> Vec<u8> {
    let mut frame = vec![VERSION << 4 | PARTS];
    for part in [call, number] {
        // A call is short: what is sent is ours.
        frame.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend(part.as_bytes());
    }
    frame
}

fn silent(error: &io::Error) -> Unanswered {
    Unanswered::Silent(match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    })
}

fn odd(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::net::UnixListener, thread};

    #[test]
    fn a_call_is_framed_as_it_is_read() {
        let home = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(home.path().join(SOCKET)).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; 1024];
            let count = stream.read(&mut asked).unwrap();
            stream.write_all(&frame("j:{\"args\":[[1,2]]}", "s:cutover:1")).unwrap();
            let _ = stream.read(&mut asked);
            stream.write_all(&frame("j:{\"error\":\"3 id unknown\"}", "s:cutover:2")).unwrap();
            asked.truncate(count);
            asked
        });
        let mut wire = Wire::open(home.path(), Duration::from_secs(5)).unwrap();
        assert_eq!(wire.call("list", &json!({})), Ok(json!([1, 2])));
        let refused = Unanswered::Refused("3 id unknown".to_owned());
        assert_eq!(wire.call("deleteProcessId", &json!(3)), Err(refused));
        server.join().unwrap();
    }

    #[test]
    fn nobody_there_is_another_thing_than_no_answer() {
        let home = tempfile::tempdir().unwrap();
        let wait = Duration::from_millis(50);
        assert_eq!(Wire::open(home.path(), wait).unwrap_err(), Unanswered::NotRunning);
        let listener = UnixListener::bind(home.path().join(SOCKET)).unwrap();
        let mut wire = Wire::open(home.path(), wait).unwrap();
        let answer = wire.call("ping", &json!({}));
        assert!(matches!(answer, Err(Unanswered::Silent(_))), "{answer:?}");
        drop(listener);
        assert_eq!(Wire::open(home.path(), wait).unwrap_err(), Unanswered::NotRunning);
        let nowhere = Wire::open(&home.path().join("not/there"), wait);
        assert_eq!(nowhere.unwrap_err(), Unanswered::NotRunning);
    }
}
