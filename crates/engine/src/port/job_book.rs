//! Remembers what was decided about jobs that run by the clock.

use async_trait::async_trait;
use model::{
    failure::Failure,
    name::{EnvironmentId, Name},
    schedule::Memory,
};

/// Remembers what was decided about jobs.
///
/// Contract: as the journal's: what a call wrote is durable when it returns, and an older life of
/// the controller writes nothing.
#[async_trait]
pub trait JobBook: Send + Sync {
    /// Every environment that was ever deployed.
    async fn environments(&self) -> Result<Vec<EnvironmentId>, Failure>;
    /// What is remembered of a job.
    async fn job(
        &self,
        environment: &EnvironmentId,
        service: &Name,
    ) -> Result<Option<Memory>, Failure>;
    /// Remembers it.
    async fn set_job(
        &self,
        environment: &EnvironmentId,
        service: &Name,
        memory: &Memory,
    ) -> Result<(), Failure>;
}
