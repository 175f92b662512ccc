//! Time, passed in as values everywhere else.

use async_trait::async_trait;
use model::service::Millis;

/// The wall clock, for records only, and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Unix time in ms.  Orders nothing: sequence numbers do.
    fn now_ms(&self) -> u64;
    /// Returns after so long by the monotonic clock.
    async fn wait(&self, time: Millis);
}
