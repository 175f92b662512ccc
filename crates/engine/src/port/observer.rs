//! Who watches.

use model::{deployment::News, id::DeploymentId};

/// Is told what happens, as it happens.  Must not block, and may drop what nobody reads.
pub trait Observer: Send + Sync {
    /// `sequence` is the journal's, or 0 where the news is not journaled.
    fn tell(&self, deployment: &DeploymentId, sequence: u64, news: News);
}
