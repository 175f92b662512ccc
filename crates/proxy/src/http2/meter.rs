//! Counts frames, so that a client cannot keep us busy with those that bring nothing.
//!
//! What a client may send is a store that refills with time, and with the work that it lets us do.

use crate::limits::{
    HTTP2_CONTINUATIONS_MAX, HTTP2_IDLE_FRAMES_MAX, HTTP2_IDLE_FRAMES_PER_S, HTTP2_RESETS_MAX,
    HTTP2_RESETS_PER_S,
};
use std::time::Instant;

/// What a client begins a connection with.
const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;
const END_STREAM: u8 = 1;
/// A request lets a client say this much more about it.
const EARNED_BY_REQUEST: u32 = 2;
/// Data of ours is answered with up to two updates of windows, and measured with a ping.
const EARNED_BY_OUR_DATA: u32 = 3;

/// What a frame is, by its number.
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RESET: u8 = 3;
    pub(super) const CONTINUATION: u8 = 9;
}

/// Why a stream was reset, where that is no fault of the client.
mod code {
    pub(super) const NONE: u32 = 0;
    pub(super) const INTERNAL: u32 = 2;
    pub(super) const CANCEL: u32 = 8;
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Meter {
    incoming: Scanner,
    outgoing: Scanner,
    idle: Store,
    resets: Store,
    continuations: u32,
    is_over: bool,
}

impl Meter {
    /// Of a connection that begins at `now`.
    pub fn new(now: Instant) -> Self {
        Meter {
            incoming: Scanner::new(PREFACE_BYTES),
            outgoing: Scanner::new(0),
            idle: Store::new(HTTP2_IDLE_FRAMES_MAX, HTTP2_IDLE_FRAMES_PER_S, now),
            resets: Store::new(HTTP2_RESETS_MAX, HTTP2_RESETS_PER_S, now),
            continuations: 0,
            is_over: false,
        }
    }

    /// Whether the client has sent more than it may.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// What came from the client.
    pub fn came(&mut self, bytes: &[u8], now: Instant) {
        let mut rest = bytes;
        while let Some(frame) = self.incoming.next(&mut rest) {
            self.judge(&frame, now);
        }
    }

    /// What went to it.
    pub fn went(&mut self, bytes: &[u8], now: Instant) {
        let mut rest = bytes;
        while let Some(frame) = self.outgoing.next(&mut rest) {
            match frame.kind {
                kind::DATA => self.idle.earn(EARNED_BY_OUR_DATA),
                // A client can have us reset a stream as well as do it itself.
                kind::RESET
                    if !matches!(frame.code, code::NONE | code::INTERNAL | code::CANCEL) =>
                {
                    self.is_over |= !self.resets.take(now);
                }
                _ => {}
            }
        }
    }

    fn judge(&mut self, frame: &Frame, now: Instant) {
        if frame.kind != kind::CONTINUATION {
            self.continuations = 0;
        }
        let allowed = match frame.kind {
            kind::HEADERS => {
                self.idle.earn(EARNED_BY_REQUEST);
                true
            }
            kind::DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => true,
            kind::RESET => self.resets.take(now),
            kind::CONTINUATION => {
                self.continuations += 1;
                self.continuations <= HTTP2_CONTINUATIONS_MAX
            }
            _ => self.idle.take(now),
        };
        self.is_over |= !allowed;
    }
}

/// So many at once, and so many more each second.
#[derive(Debug)]
struct Store {
    left: u32,
    max: u32,
    per_s: u32,
    filled_at: Instant,
}

impl Store {
    fn new(max: u32, per_s: u32, now: Instant) -> Self {
        Store { left: max, max, per_s, filled_at: now }
    }

    fn earn(&mut self, count: u32) {
        self.left = self.left.saturating_add(count).min(self.max);
    }

    fn take(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
            // Whole ones only; a part of one is not lost, since the time stands.
            let earned = (passed * f64::from(self.per_s)).min(f64::from(self.max)) as u32;
            if earned == 0 {
                return false;
            }
            self.filled_at = now;
            self.earn(earned);
        }
        self.left -= 1;
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    length: u32,
    /// Of a reset.
    code: u32,
}

/// Finds the frames in a stream of bytes.
#[derive(Debug)]
struct Scanner {
    /// Bytes to pass over.
    skip: usize,
    header: [u8; HEADER_BYTES],
    filled: usize,
    /// A reset whose code comes.
    reset: Option<(Frame, usize)>,
}

impl Scanner {
    fn new(skip: usize) -> Self {
        Scanner { skip, header: [0; HEADER_BYTES], filled: 0, reset: None }
    }

    fn next(&mut self, input: &mut &[u8]) -> Option<Frame> {
        const CODE_BYTES: usize = 4;
        loop {
            let passed = self.skip.min(input.len());
            *input = &input[passed..];
            self.skip -= passed;
            let (&byte, rest) = input.split_first()?;
            if let Some((frame, read)) = &mut self.reset {
                *input = rest;
                frame.code = frame.code << 8 | u32::from(byte);
                *read += 1;
                if *read == CODE_BYTES {
                    let frame = *frame;
                    self.reset = None;
                    return Some(frame);
                }
                continue;
            }
            *input = rest;
            self.header[self.filled] = byte;
            self.filled += 1;
            if self.filled < HEADER_BYTES {
                continue;
            }
            self.filled = 0;
            let [a, b, c, kind, flags, ..] = self.header;
            let length = u32::from_be_bytes([0, a, b, c]);
            let frame = Frame { kind, flags, length, code: 0 };
            if kind == kind::RESET && length as usize == CODE_BYTES {
                self.reset = Some((frame, 0));
                continue;
            }
            self.skip = length as usize;
            return Some(frame);
        }
    }
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
