//! Work that blocks its thread, done beside the async ones.

use model::failure::{Blame, Failure};

/// Runs `work` on a thread where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            Err(Failure::new(Blame::Us, format!("finish work in the background: {error}")))
        }
    }
}
