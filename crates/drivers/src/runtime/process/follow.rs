//! Waiting for a one-off process, and telling what it writes meanwhile.

use super::one_off::OneOffProcesses;
use engine::port::{one_off::OneOffRunner, prober::Note};
use model::{
    failure::{Blame, Failure},
    id::InstanceId,
    name::EnvironmentId,
    one_off::{Ended, Life},
};
use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

/// From one look at it to the next.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Bytes of its output that are read at once.
const BYTES_MAX: u64 = 256 * 1024;
/// A line that is longer is told in parts.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Lines that explain a failure.
const EVIDENCE_LINES: usize = 20;

impl OneOffProcesses {
    /// How it ended, and the last lines that it wrote.  Each line is told as `NAME | LINE`, but no
    /// more than `lines_max`: the rest is in its file.
    pub(super) async fn follow(
        &self,
        environment: &EnvironmentId,
        id: &InstanceId,
        name: &str,
        lines_max: usize,
        note: &Note,
    ) -> Result<(Ended, Vec<String>), Failure> {
        let [out, error, _] = self.layout().one_off_logs(environment, id);
        let tails = [Tail::new(out), Tail::new(error)];
        let mut output = Output { tails, told: 0, last: VecDeque::new() };
        loop {
            // Looked at before its output is read, so that nothing of that is left out.
            let seen = self.look(id).await?;
            let is_over = seen.as_ref().is_none_or(|it| matches!(it.life, Life::Ended(_)));
            while output.tell(name, lines_max, is_over, note) && is_over {}
            match seen.map(|it| it.life) {
                Some(Life::Ended(ended)) => return Ok((ended, output.last.into())),
                Some(Life::Begun | Life::Running { .. }) => {}
                None => {
                    let message = format!("wait for {name}: it is forgotten");
                    return Err(Failure::new(Blame::Us, message));
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The failure, with the last lines of what failed.
pub(super) fn evidence(failure: Failure, last: &[String]) -> Failure {
    if last.is_empty() { failure } else { failure.evidence(last.join("\n")) }
}

struct Output {
    tails: [Tail; 2],
    told: usize,
    last: VecDeque<String>,
}

impl Output {
    /// Whether there was anything to tell.
    fn tell(&mut self, name: &str, lines_max: usize, is_over: bool, note: &Note) -> bool {
        let before = self.told;
        for tail in &mut self.tails {
            for line in tail.lines(is_over) {
                if self.told < lines_max {
                    note(format!("{name} | {line}"));
                } else if self.told == lines_max {
                    note(format!("{name} | … the rest is in {}", tail.path.display()));
                }
                self.told += 1;
                if self.last.len() == EVIDENCE_LINES {
                    self.last.pop_front();
                }
                self.last.push_back(line);
            }
        }
        self.told > before
    }
}

/// What a file says from where it was read last.
struct Tail {
    path: PathBuf,
    offset: u64,
    rest: Vec<u8>,
}

impl Tail {
    fn new(path: PathBuf) -> Tail {
        Tail { path, offset: 0, rest: vec![] }
    }

    /// Whole lines that came since; the last may have no end where all `is_over`.
    fn lines(&mut self, is_over: bool) -> Vec<String> {
        let mut bytes = vec![];
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(BYTES_MAX).read_to_end(&mut bytes)
        });
        // It is not there before the first line; what cannot be read is in the file all the same.
        let read = read.unwrap_or(0);
        self.offset += read as u64;
        self.rest.extend(bytes);
        let end = self.rest.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        let is_last = (is_over && read == 0) || self.rest.len() > LINE_BYTES_MAX;
        let end = if end == 0 && is_last { self.rest.len() } else { end };
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        let text = String::from_utf8_lossy(&whole);
        text.lines().map(str::to_owned).collect()
    }
}
