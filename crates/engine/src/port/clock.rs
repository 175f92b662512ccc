//! Time, passed in as values everywhere else.

use async_trait::async_trait;
use model::service::Millis;

/// The wall clock, for records only; another for what lasts; and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Unix time in ms.  Orders nothing: sequence numbers do.
    fn now_ms(&self) -> u64;
    /// Ms by a clock that never leaps, since some moment of this life of the controller.
    fn elapsed_ms(&self) -> u64;
    /// Returns after so long by the monotonic clock.
    async fn wait(&self, time: Millis);
}
