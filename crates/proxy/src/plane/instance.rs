//! What is counted for an instance and for a release, by thread.

use super::histogram::{Histogram, HistogramSum, add_one};
use crate::address::Address;
use crate::control::ReleaseCounters;
use crate::files::Folder;
use crate::limits::LATELY_MIN;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A value for each thread, on cache lines of its own.
pub(crate) struct PerThread<T>(Box<[Padded<T>]>);

#[repr(align(128))]
struct Padded<T>(T);

impl<T> PerThread<T> {
    pub(crate) fn new(threads: usize, make: impl Fn() -> T) -> Self {
        PerThread((0..threads).map(|_| Padded(make())).collect())
    }

    pub(crate) fn of(&self, thread: usize) -> &T {
        &self.0[thread].0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

/// One running copy, as the data plane knows it.
pub(crate) struct Instance {
    pub(crate) id: String,
    /// The key of its pools.
    pub(crate) number: u64,
    pub(crate) address: Address,
    pub(crate) release: Arc<Release>,
    /// What is answered with, and nobody is connected to.
    pub(crate) folder: Option<Arc<Folder>>,
    /// Whether the table in force names it, as a target or to fall back to.
    pub(crate) routed: AtomicBool,
    in_flight: PerThread<AtomicU64>,
}

impl Instance {
    pub(crate) fn new(
        id: &str,
        number: u64,
        address: Address,
        release: Arc<Release>,
        folder: Option<Arc<Folder>>,
        threads: usize,
    ) -> Self {
        Instance {
            id: id.to_owned(),
            number,
            address,
            release,
            folder,
            routed: AtomicBool::new(true),
            in_flight: PerThread::new(threads, || AtomicU64::new(0)),
        }
    }

    /// Requests that claimed it and have not ended.  After every thread has run a turn since the
    /// instance left the table this cannot rise any more.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.iter().map(|count| count.load(Ordering::Acquire)).sum()
    }

    pub(crate) fn claim(&self, thread: usize) {
        add_one(self.in_flight.of(thread));
    }

    pub(crate) fn release_claim(&self, thread: usize) {
        let count = self.in_flight.of(thread);
        count.store(count.load(Ordering::Relaxed) - 1, Ordering::Release);
    }
}

/// The counters of one release in one environment.
pub(crate) struct Release {
    pub(crate) environment: String,
    pub(crate) id: String,
    threads: PerThread<Counters>,
    lately: Mutex<Lately>,
}

/// What `heads` were one and two turns ago, so that what the release did lately can be told from
/// what it did in all.
struct Lately {
    last: HistogramSum,
    before: HistogramSum,
}

/// One thread's part.
pub(crate) struct Counters {
    completed: AtomicU64,
    aborted: AtomicU64,
    ended_by_drain: AtomicU64,
    verified: AtomicU64,
    unanswered: AtomicU64,
    retried: AtomicU64,
    held: AtomicU64,
    by_class: [AtomicU64; 6],
    failed: AtomicU64,
    first_routed_at_ms: AtomicU64,
    last_routed_at_ms: AtomicU64,
    times: Histogram,
    /// To the head of the response, where it was no failure.
    heads: Histogram,
}

impl Counters {
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Counters {
            completed: zero(),
            aborted: zero(),
            ended_by_drain: zero(),
            verified: zero(),
            unanswered: zero(),
            retried: zero(),
            held: zero(),
            by_class: std::array::from_fn(|_| zero()),
            failed: zero(),
            first_routed_at_ms: zero(),
            last_routed_at_ms: zero(),
            times: Histogram::new(),
            heads: Histogram::new(),
        }
    }

    pub(crate) fn routed(&self) {
        let now_ms = now_unix_ms();
        if self.first_routed_at_ms.load(Ordering::Relaxed) == 0 {
            self.first_routed_at_ms.store(now_ms, Ordering::Relaxed);
        }
        self.last_routed_at_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn completed(&self, status: u16, took: Duration) {
        add_one(&self.completed);
        if let Some(class) = self.by_class.get(usize::from(status / 100)) {
            add_one(class);
        }
        self.times.record(took.as_micros() as u64);
    }

    /// The head of a response came that is no failure.
    pub(crate) fn answered(&self, took: Duration) {
        self.heads.record(took.as_micros() as u64);
    }

    pub(crate) fn aborted(&self) {
        add_one(&self.aborted);
    }

    pub(crate) fn ended_by_drain(&self) {
        add_one(&self.ended_by_drain);
    }

    pub(crate) fn verified(&self) {
        add_one(&self.verified);
    }

    pub(crate) fn unanswered(&self) {
        add_one(&self.unanswered);
    }

    pub(crate) fn retried(&self) {
        add_one(&self.retried);
    }

    pub(crate) fn held(&self) {
        add_one(&self.held);
    }

    /// The instance answered with 5xx, or not at all.
    pub(crate) fn failed(&self) {
        add_one(&self.failed);
    }
}

impl Release {
    pub(crate) fn new(environment: &str, id: &str, threads: usize) -> Self {
        Release {
            environment: environment.to_owned(),
            id: id.to_owned(),
            threads: PerThread::new(threads, Counters::new),
            lately: Mutex::new(Lately { last: HistogramSum::new(), before: HistogramSum::new() }),
        }
    }

    /// Times to the head of a response since the start.
    pub(crate) fn heads(&self) -> HistogramSum {
        let mut sum = HistogramSum::new();
        self.threads.iter().for_each(|part| part.heads.add_to(&mut sum));
        sum
    }

    /// As `heads`, of the last one to two turns; of all the time, where that were too few.
    pub(crate) fn heads_lately(&self) -> HistogramSum {
        let all = self.heads();
        let mut recent = all.clone();
        recent.subtract(&self.lately().before);
        if recent.count() < LATELY_MIN { all } else { recent }
    }

    /// Begins another turn.
    pub(crate) fn turn(&self) {
        let now = self.heads();
        let mut lately = self.lately();
        lately.before = std::mem::replace(&mut lately.last, now);
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counters(&self, thread: usize) -> &Counters {
        self.threads.of(thread)
    }

    /// Requests that ended, and how many of them the release failed.
    pub(crate) fn record(&self) -> (u64, u64) {
        self.threads.iter().fold((0, 0), |(requests, failures), part| {
            let ended = load(&part.completed) + load(&part.aborted);
            (requests + ended, failures + load(&part.failed))
        })
    }

    /// Unix time of the last request; 0 if there was none.
    pub(crate) fn last_routed_at_ms(&self) -> u64 {
        self.threads.iter().map(|part| load(&part.last_routed_at_ms)).max().unwrap_or(0)
    }

    /// Summed over the threads.
    pub(crate) fn sum(&self) -> ReleaseCounters {
        let mut sum = ReleaseCounters::default();
        let mut times = HistogramSum::new();
        for part in self.threads.iter() {
            sum.completed += load(&part.completed);
            sum.aborted += load(&part.aborted);
            sum.ended_by_drain += load(&part.ended_by_drain);
            sum.verified += load(&part.verified);
            sum.unanswered += load(&part.unanswered);
            sum.retried += load(&part.retried);
            sum.held += load(&part.held);
            for (into, from) in sum.by_class.iter_mut().zip(&part.by_class) {
                *into += load(from);
            }
            let first = load(&part.first_routed_at_ms);
            if first > 0 && (sum.first_routed_at_ms == 0 || first < sum.first_routed_at_ms) {
                sum.first_routed_at_ms = first;
            }
            part.times.add_to(&mut times);
        }
        sum.last_routed_at_ms = self.last_routed_at_ms();
        sum.p50_us = times.quantile(0.50);
        sum.p99_us = times.quantile(0.99);
        sum.max_us = times.max;
        sum
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
