//! What the data plane notes about a generation on probation.

use super::error_test::ErrorTest;
use crate::plane::histogram::add_one;
use crate::plane::instance::PerThread;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Shared by the threads; only a failure touches what they share.
pub(crate) struct Trial {
    succeeded: PerThread<AtomicU64>,
    failures: AtomicU64,
    test: Mutex<ErrorTest>,
    tripped: AtomicBool,
    /// Asks the monitor to look now.
    pub(crate) nudge: Notify,
}

impl Trial {
    pub(crate) fn new(threads: usize, test: ErrorTest) -> Self {
        Trial {
            succeeded: PerThread::new(threads, || AtomicU64::new(0)),
            failures: AtomicU64::new(0),
            test: Mutex::new(test),
            tripped: AtomicBool::new(false),
            nudge: Notify::new(),
        }
    }

    pub(crate) fn succeeded(&self, thread: usize) {
        add_one(self.succeeded.of(thread));
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut test = self.test.lock().unwrap_or_else(PoisonError::into_inner);
        if test.failure(self.successes()) {
            self.tripped.store(true, Ordering::Release);
            self.nudge.notify_one();
        }
    }

    pub(crate) fn has_tripped(&self) -> bool {
        self.tripped.load(Ordering::Acquire)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn successes(&self) -> u64 {
        self.succeeded.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}
