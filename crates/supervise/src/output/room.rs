//! Whether lines may be written now: the disk is not ours alone, and no log is worth filling it.

use rustix::fs::statvfs;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Free space is asked for at least this often while lines come,
pub(super) const RECHECK: Duration = Duration::from_millis(100);
/// and after so many bytes.
const BYTES_BETWEEN_CHECKS: u64 = 1024 * 1024;
/// A stream may bring so much at once,
const BURST_BYTES: f64 = 64.0 * 1024.0 * 1024.0;
/// and so much on average; beyond it lines are dropped, or a flood would own the disk.
const BYTES_PER_SECOND: f64 = 32.0 * 1024.0 * 1024.0;
/// After a flood was cut, lines are written again when this much of the burst is back.
const BURST_TO_RESUME_BYTES: f64 = BURST_BYTES / 8.0;

/// What to do with lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    Drop,
}

#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
    free_bytes_min: u64,
    checked_at: Option<Instant>,
    bytes_since_check: u64,
    enough: bool,
    dropped: u64,
    unreported: u64,
    reason: &'static str,
}

impl Room {
    pub(super) fn new(path: PathBuf, free_bytes_min: u64) -> Self {
        Self {
            path,
            free_bytes_min,
            checked_at: None,
            bytes_since_check: 0,
            enough: true,
            dropped: 0,
            unreported: 0,
            reason: "",
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// For so many bytes of a stream that may come at this rate.
    pub(super) fn verdict(&mut self, rate: &mut Rate, now: Instant, bytes: usize) -> Verdict {
        if !self.is_enough(now, bytes) {
            self.reason = "too little space was free on the disk";
            return Verdict::Drop;
        }
        if !rate.spend(now, bytes) {
            self.reason = "they came faster than they may be written";
            return Verdict::Drop;
        }
        Verdict::Write
    }

    /// Whether the disk has room for so many bytes more.
    pub(super) fn is_enough(&mut self, now: Instant, bytes: usize) -> bool {
        self.bytes_since_check += bytes as u64;
        let due = self.checked_at.is_none_or(|at| now.duration_since(at) >= RECHECK);
        if due || (self.enough && self.bytes_since_check >= BYTES_BETWEEN_CHECKS) {
            self.enough = free_bytes(&self.path).is_none_or(|free| free >= self.free_bytes_min);
            self.checked_at = Some(now);
            self.bytes_since_check = 0;
        }
        self.enough
    }

    /// The disk refused a write, whatever it says of its free space.
    pub(super) fn no_space(&mut self) {
        self.enough = false;
        self.checked_at = Some(Instant::now());
        self.reason = "they could not be written";
    }

    pub(super) fn count_dropped(&mut self, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.dropped += count;
        self.unreported += count;
    }

    /// How many were dropped since this was last asked, and why; none where none were.
    pub(super) fn take_unreported(&mut self) -> Option<(u64, &'static str)> {
        (self.unreported > 0).then(|| (std::mem::take(&mut self.unreported), self.reason))
    }

    pub(super) fn give_back_unreported(&mut self, count: u64) {
        self.unreported += count;
    }

    /// When to look again for lines that nobody was told of; none where there are none.
    pub(super) fn recheck_after(&self, now: Instant) -> Option<Duration> {
        let since = self.checked_at.map_or(RECHECK, |at| now.duration_since(at));
        (self.unreported > 0).then(|| RECHECK.saturating_sub(since))
    }
}

/// How fast one stream may be written: a flood on one leaves the other its share.
#[derive(Debug)]
pub(super) struct Rate {
    burst_left: f64,
    refilled_at: Instant,
    flooded: bool,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self { burst_left: BURST_BYTES, refilled_at: Instant::now(), flooded: false }
    }

    /// Whether lines of this stream may be written again.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.spend(now, 0)
    }

    fn spend(&mut self, now: Instant, bytes: usize) -> bool {
        let elapsed = now.duration_since(self.refilled_at).as_secs_f64();
        self.refilled_at = now;
        self.burst_left = (self.burst_left + elapsed * BYTES_PER_SECOND).min(BURST_BYTES);
        let needed = if self.flooded { BURST_TO_RESUME_BYTES } else { bytes as f64 };
        self.flooded = self.burst_left < needed;
        if !self.flooded {
            self.burst_left -= bytes as f64;
        }
        !self.flooded
    }
}

/// None where it cannot be known: then nothing is dropped for it.
fn free_bytes(path: &Path) -> Option<u64> {
    let status = statvfs(path.parent()?).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}
