//! What the child writes: from its two FIFOs, line by line, into the environment's log files.

mod handed;
mod intake;
mod log_file;
mod room;

pub use handed::{Timed, append_handed};

use crate::{clock, place, place::Place, spec};
use intake::Intake;
use log_file::{Lock, LogFile};
use model::redact::Redactor;
use room::{Rate, Room, Verdict};
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

/// Chunks that are taken from one FIFO before everything else gets its turn.
const CHUNKS_PER_TURN: u32 = 16;
/// Chunks that are taken when its writer has ended: more than a FIFO can hold.
const CHUNKS_AT_THE_END: u32 = 64;
/// The combined text is written at the latest when this much is gathered.
const COMBINED_BYTES: usize = 64 * 1024;

/// One of the child's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Error,
}

/// Both streams and the three files they go to.
#[derive(Debug)]
pub(crate) struct Output {
    instance: String,
    out: Channel,
    error: Channel,
    combined: LogFile,
    lock: Lock,
    room: Room,
    redactor: Redactor,
    gathered: Vec<u8>,
}

#[derive(Debug)]
struct Channel {
    intake: Intake,
    file: LogFile,
    rate: Rate,
}

impl Output {
    /// Makes or finds the FIFOs in `place`; `owner` may open them anew by `/dev/stdout`.  What
    /// `redactor` knows is masked before it is written anywhere.
    pub(crate) fn open(
        place: &Place,
        instance: &str,
        output: &spec::Output,
        owner: Option<spec::User>,
        redactor: Redactor,
    ) -> io::Result<Self> {
        let bytes_max = output.rotate_bytes.max(1);
        let count = output.rotate_count;
        let channel = |fifo: &str, path: &std::path::PathBuf| -> io::Result<Channel> {
            Ok(Channel {
                intake: Intake::open(place.file(fifo), owner)?,
                file: LogFile::new(path.clone(), bytes_max, count),
                rate: Rate::new(),
            })
        };
        Ok(Self {
            instance: instance.to_owned(),
            out: channel(place::OUT_FIFO, &output.out)?,
            error: channel(place::ERROR_FIFO, &output.error)?,
            combined: LogFile::new(output.combined.clone(), bytes_max, count),
            lock: Lock::beside(&output.combined),
            room: Room::new(output.combined.clone(), output.free_bytes_min),
            redactor,
            gathered: Vec::new(),
        })
    }

    /// To become the child's stdout and stderr.
    pub(crate) fn ends(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok((self.out.intake.writer()?, self.error.intake.writer()?))
    }

    pub(crate) fn descriptors(&self) -> [(Stream, BorrowedFd<'_>); 2] {
        [(Stream::Out, self.out.intake.as_fd()), (Stream::Error, self.error.intake.as_fd())]
    }

    pub(crate) fn lines_dropped(&self) -> u64 {
        self.room.dropped()
    }

    /// Takes what is there, up to a bound, and writes its whole lines.
    pub(crate) fn take(&mut self, stream: Stream) {
        self.take_chunks(stream, CHUNKS_PER_TURN);
    }

    /// Takes what a child that has ended left, the last line also where it is not ended.
    pub(crate) fn finish(&mut self) {
        for stream in [Stream::Out, Stream::Error] {
            self.take_chunks(stream, CHUNKS_AT_THE_END);
            if let Some(lines) = self.channel(stream).intake.rest() {
                self.write(stream, &lines);
            }
        }
    }

    /// Says how many lines were dropped, once there is room again; gives when to ask again.
    pub(crate) fn report_dropped(&mut self, now: Instant) -> Option<Duration> {
        let wait = self.room.recheck_after(now)?;
        let calm = self.out.rate.is_over(now) && self.error.rate.is_over(now);
        if wait.is_zero() && calm && self.room.is_enough(now, 0) {
            self.write_marker();
            return None;
        }
        Some(wait.max(room::RECHECK))
    }

    fn take_chunks(&mut self, stream: Stream, chunks_max: u32) {
        for _ in 0..chunks_max {
            let channel = match stream {
                Stream::Out => &mut self.out,
                Stream::Error => &mut self.error,
            };
            let Some(lines) = channel.intake.next_lines(&self.redactor) else { return };
            self.write(stream, &lines);
            self.channel(stream).intake.give_back(lines);
        }
    }

    fn write(&mut self, stream: Stream, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let channel = match stream {
            Stream::Out => &mut self.out,
            Stream::Error => &mut self.error,
        };
        match self.room.verdict(&mut channel.rate, Instant::now(), lines.len()) {
            Verdict::Drop => self.room.count_dropped(lines),
            Verdict::Write => {
                let masked = self.redactor.bytes(lines);
                self.write_now(stream, &masked);
            }
        }
    }

    fn write_now(&mut self, stream: Stream, lines: &[u8]) {
        self.write_marker();
        let held = self.lock.take();
        let written = self.channel(stream).file.append(lines, held);
        if written.is_err() || self.write_combined(lines, held).is_err() {
            self.room.count_dropped(lines);
            self.room.no_space();
        }
        self.lock.release();
    }

    /// Each line with its time and the instance.
    fn write_combined(&mut self, lines: &[u8], held: bool) -> io::Result<()> {
        let prefix = format!("{} {} ", clock::utc_now(), self.instance);
        self.gathered.clear();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.gathered.extend_from_slice(prefix.as_bytes());
            self.gathered.extend_from_slice(line);
            if self.gathered.len() >= COMBINED_BYTES {
                self.combined.append(&self.gathered, held)?;
                self.gathered.clear();
            }
        }
        self.combined.append(&self.gathered, held)
    }

    fn write_marker(&mut self) {
        let Some((count, reason)) = self.room.take_unreported() else { return };
        let line = format!("cutover: {count} output lines were dropped here: {reason}\n");
        let held = self.lock.take();
        let prefixed = format!("{} {} {line}", clock::utc_now(), self.instance);
        if self.combined.append(prefixed.as_bytes(), held).is_err() {
            self.room.give_back_unreported(count);
            self.room.no_space();
        }
        self.lock.release();
    }

    fn channel(&mut self, stream: Stream) -> &mut Channel {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Error => &mut self.error,
        }
    }
}
