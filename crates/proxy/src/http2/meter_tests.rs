use super::{Meter, PREFACE_BYTES};
use crate::limits::{
    HTTP2_CONTINUATIONS_MAX, HTTP2_IDLE_FRAMES_MAX, HTTP2_IDLE_FRAMES_PER_S, HTTP2_RESETS_MAX,
};
use std::time::{Duration, Instant};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

/// A connection on which the client has said hello.
fn begun(now: Instant) -> Meter {
    let mut meter = Meter::new(now);
    meter.came(&[b'x'; PREFACE_BYTES], now);
    meter
}

/// How many of these a client may send at once.
fn bound(bytes: &[u8], cut: usize) -> u32 {
    let now = Instant::now();
    let mut meter = begun(now);
    for count in 0..100_000 {
        bytes.chunks(cut).for_each(|piece| meter.came(piece, now));
        if meter.is_over() {
            return count;
        }
    }
    u32::MAX
}

#[test]
fn frames_that_bring_nothing_are_bounded_however_they_are_cut() {
    for cut in [1, 5, 9, 4096] {
        for idle in [
            frame(PING, 0, &[0; 8]),
            frame(PING, 1, &[0; 8]),
            frame(SETTINGS, 0, &[]),
            frame(SETTINGS, 0, &[0; 36]),
            frame(WINDOW, 0, &[0, 0, 0, 1]),
            frame(2, 0, &[0; 5]),
            frame(77, 0, b"whatever"),
            frame(DATA, 0, &[]),
        ] {
            assert_eq!(bound(&idle, cut), HTTP2_IDLE_FRAMES_MAX, "{idle:?}");
        }
        assert_eq!(bound(&frame(RESET, 0, &[0, 0, 0, 8]), cut), HTTP2_RESETS_MAX);
        assert_eq!(bound(&frame(RESET, 0, &[]), cut), HTTP2_RESETS_MAX);
        assert_eq!(bound(&frame(CONTINUATION, 0, b"abc"), cut), HTTP2_CONTINUATIONS_MAX);
        for fine in [frame(DATA, 0, b"x"), frame(DATA, 1, &[]), frame(HEADERS, 4, b"abc")] {
            assert_eq!(bound(&fine, cut), u32::MAX, "{fine:?}");
        }
    }
    let split = [frame(HEADERS, 0, b"a"), frame(CONTINUATION, 4, b"b")].concat();
    assert_eq!(bound(&split, 4096), u32::MAX, "each request may be in two pieces");
    let rapid = [frame(HEADERS, 5, b"a"), frame(RESET, 0, &[0, 0, 0, 8])].concat();
    assert_eq!(bound(&rapid, 4096), HTTP2_RESETS_MAX);
}

#[test]
fn work_and_time_earn_more() {
    let now = Instant::now();
    let mut meter = begun(now);
    let window = frame(WINDOW, 0, &[0, 0, 0, 1]);
    for _ in 0..10 * HTTP2_IDLE_FRAMES_MAX {
        meter.went(&frame(DATA, 0, b"abc"), now);
        meter.came(&window.repeat(2), now);
    }
    assert!(!meter.is_over());
    let used_up = |meter: &mut Meter, now| {
        (0..HTTP2_IDLE_FRAMES_MAX).for_each(|_| meter.came(&window, now));
    };
    let mut meter = begun(now);
    used_up(&mut meter, now);
    assert!(!meter.is_over());
    let later = now + Duration::from_secs(1);
    (0..HTTP2_IDLE_FRAMES_PER_S).for_each(|_| meter.came(&window, later));
    assert!(!meter.is_over());
    meter.came(&window, later);
    assert!(meter.is_over());
}

#[test]
fn resets_that_a_client_makes_us_send_are_its_own() {
    let now = Instant::now();
    for (code, is_its_own) in [(1, true), (3, true), (5, true), (7, true), (11, true)]
        .into_iter()
        .chain([(0, false), (2, false), (8, false)])
    {
        let mut meter = begun(now);
        let reset = frame(RESET, 0, &[0, 0, 0, code]);
        (0..=HTTP2_RESETS_MAX).for_each(|_| meter.went(&reset, now));
        assert_eq!(meter.is_over(), is_its_own, "{code}");
    }
}
