//! What the data plane notes about a generation on probation.

use super::error_test::ErrorTest;
use crate::plane::histogram::{Histogram, HistogramSum, add_one};
use crate::plane::instance::{PerThread, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Shared by the threads; only a failure touches what they share.
pub(crate) struct Trial {
    succeeded: PerThread<AtomicU64>,
    /// To the heads of responses that were no failures.
    heads: PerThread<Histogram>,
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
            heads: PerThread::new(threads, Histogram::new),
            failures: AtomicU64::new(0),
            test: Mutex::new(test),
            tripped: AtomicBool::new(false),
            nudge: Notify::new(),
        }
    }

    pub(crate) fn succeeded(&self, thread: usize, took: Duration) {
        add_one(self.succeeded.of(thread));
        self.heads.of(thread).record(took.as_micros() as u64);
    }

    /// Times to the heads of responses that were no failures.
    pub(crate) fn heads(&self) -> HistogramSum {
        let mut sum = HistogramSum::new();
        self.heads.iter().for_each(|part| part.add_to(&mut sum));
        sum
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

/// What the releases did that a trial is compared with.
pub(crate) struct Baseline {
    old: Vec<Arc<Release>>,
    /// What they did lately, when the trial began.
    before: HistogramSum,
    /// All they had done by then: what is more now was done beside the trial.
    begin: HistogramSum,
    record: (u64, u64),
}

impl Baseline {
    pub(crate) fn of(old: Vec<Arc<Release>>) -> Self {
        let mut before = HistogramSum::new();
        old.iter().for_each(|release| before.add(&release.heads_lately()));
        let (begin, record) = (sum_of_heads(&old), sum_of_records(&old));
        Baseline { old, before, begin, record }
    }

    /// Requests before the trial, and how many of them failed.
    pub(crate) fn record(&self) -> (u64, u64) {
        self.record
    }

    /// Lately, when the trial began.
    pub(crate) fn before(&self) -> &HistogramSum {
        &self.before
    }

    /// Beside the trial, since it began.
    pub(crate) fn beside(&self) -> HistogramSum {
        let mut now = sum_of_heads(&self.old);
        now.subtract(&self.begin);
        now
    }
}

fn sum_of_heads(releases: &[Arc<Release>]) -> HistogramSum {
    let mut sum = HistogramSum::new();
    releases.iter().for_each(|release| sum.add(&release.heads()));
    sum
}

fn sum_of_records(releases: &[Arc<Release>]) -> (u64, u64) {
    let records = releases.iter().map(|release| release.record());
    records.fold((0, 0), |sum, record| (sum.0 + record.0, sum.1 + record.1))
}
