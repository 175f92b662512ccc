//! Requests that wait, bodies unread, for the next generation.

use crate::route_file::Hold;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Where the requests of one environment wait.
pub(crate) struct HoldGate {
    requests_max: u64,
    wait: Duration,
    waiting: AtomicU64,
    released: AtomicBool,
    notify: Notify,
}

/// One request's place in a hold.
pub(crate) struct HoldPlace(Arc<HoldGate>);

impl HoldGate {
    pub(crate) fn new(hold: &Hold) -> Self {
        HoldGate {
            requests_max: u64::from(hold.requests_max),
            wait: Duration::from_millis(hold.wait_ms),
            waiting: AtomicU64::new(0),
            released: AtomicBool::new(false),
            notify: Notify::new(),
        }
    }

    /// Lets all go on, by the new table.
    pub(crate) fn release(&self) {
        self.released.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place, unless all are taken.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<HoldPlace> {
        let place = HoldPlace(self.clone());
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        (before < self.requests_max).then_some(place)
    }
}

impl HoldPlace {
    /// How long a request may wait.
    pub(crate) fn wait(&self) -> Duration {
        self.0.wait
    }

    /// Until the hold ends.
    pub(crate) async fn released(&self) {
        // The waiter stands before the flag is read, so that no release falls between.
        let notified = self.0.notify.notified();
        if !self.0.released.load(Ordering::Acquire) {
            notified.await;
        }
    }
}

impl Drop for HoldPlace {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
