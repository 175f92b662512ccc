//! When the clients may send: the rate, the number of requests, the end.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A client that fell behind the rate makes up for this much at most.
const CATCH_UP: Duration = Duration::from_millis(100);

/// Nobody sleeps longer than this without looking whether the end has come.
const NAP: Duration = Duration::from_millis(50);

/// Shared by all clients.
#[derive(Debug)]
pub(super) struct Rhythm {
    ended: AtomicBool,
    left: AtomicU64,
    interval: Option<Duration>,
    next: Mutex<Instant>,
}

impl Rhythm {
    pub(super) fn new(rate: Option<f64>, requests: Option<u64>) -> Self {
        Self {
            ended: AtomicBool::new(false),
            left: AtomicU64::new(requests.unwrap_or(u64::MAX)),
            interval: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            next: Mutex::new(Instant::now()),
        }
    }

    /// No request is started after this.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Waits for this client's turn; false: no more requests.
    pub(super) fn turn(&self) -> bool {
        if self.ended() {
            return false;
        }
        let take = |left: u64| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            self.end();
            return false;
        }
        let Some(interval) = self.interval else { return true };
        let slot = {
            let mut next = self.next.lock().expect("no holder of this lock panics");
            let earliest = Instant::now().checked_sub(CATCH_UP).unwrap_or(*next);
            let slot = (*next).max(earliest);
            *next = slot + interval;
            slot
        };
        self.sleep_until(slot)
    }

    /// Sleeps `pause`; false: the end came.
    pub(super) fn sleep(&self, pause: Duration) -> bool {
        self.sleep_until(Instant::now() + pause)
    }

    fn sleep_until(&self, instant: Instant) -> bool {
        loop {
            if self.ended() {
                return false;
            }
            let left = instant.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(NAP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_as_many_turns_as_requests() {
        let rhythm = Rhythm::new(None, Some(3));
        assert_eq!((0..5).filter(|_| rhythm.turn()).count(), 3);
        assert!(rhythm.ended());
    }

    #[test]
    fn keeps_the_rate() {
        let rhythm = Rhythm::new(Some(200.0), Some(41));
        let started = Instant::now();
        while rhythm.turn() {}
        assert!(started.elapsed() >= Duration::from_millis(195), "{:?}", started.elapsed());
    }
}
