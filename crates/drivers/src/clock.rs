//! The machine's clocks.

use async_trait::async_trait;
use engine::port::clock::Clock;
use model::service::Millis;
use std::{
    sync::OnceLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        unix_ms()
    }

    fn elapsed_ms(&self) -> u64 {
        static FIRST_ASKED: OnceLock<Instant> = OnceLock::new();
        let since = FIRST_ASKED.get_or_init(Instant::now).elapsed();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    async fn wait(&self, time: Millis) {
        tokio::time::sleep(time.duration()).await;
    }
}

/// Unix time in ms; 0 before 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
