//! Has certificates issued, and renewed in time, for as long as the daemon runs.

use crate::controller::Controller;
use std::time::Duration;

/// How often is looked which are due.
const EVERY: Duration = Duration::from_secs(1);

/// Runs until it is dropped.  Whatever an authority says or does not say concerns nothing else.
pub async fn tend(controller: Controller) {
    let mut last = String::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let tended = controller.local.certificates.tend().await;
        let now = tended.err().map(|it| it.message).unwrap_or_default();
        if now != last && !now.is_empty() {
            tracing::warn!("certificates: failed to {now}");
        }
        last = now;
    }
}
