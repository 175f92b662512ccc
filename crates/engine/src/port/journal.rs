//! Keeps intents and outcomes.

use async_trait::async_trait;
use model::{
    control::{Mark, Marks},
    deployment::{DeploymentRecord, Finding, Request, Traffic},
    failure::Failure,
    id::{DeploymentId, Epoch, Generation, InstanceId, ReleaseId},
    instance::Instance,
    journal::{Ledger, Outcome, Record},
    name::EnvironmentId,
    plan::Plan,
    release::Standing,
};

/// Keeps intents and outcomes.
///
/// Contract: what a call wrote is durable when it returns.  Every writing call fails, and writes
/// nothing, if the epoch in the journal is not the one this journal was opened with.
#[async_trait]
pub trait Journal: Send + Sync {
    /// This life of the controller.
    fn epoch(&self) -> Epoch;
    /// Takes the environment's lock for the request.  The same id again finds what there is.
    async fn begin(&self, request: &Request, at_ms: u64) -> Result<Begun, Failure>;
    /// Makes the plan durable; its ports and generations are leased with it.
    async fn planned(
        &self,
        plan: &Plan,
        overridden: &[Finding],
        at_ms: u64,
    ) -> Result<u64, Failure>;
    /// Adds a line; returns its sequence number.
    async fn record(
        &self,
        deployment: &DeploymentId,
        record: &Record,
        at_ms: u64,
    ) -> Result<u64, Failure>;
    /// The sum of a deployment's lines.
    async fn ledger(&self, plan: &Plan) -> Result<Ledger, Failure>;
    /// Ends the deployment and frees the lock, unless it needs attention.
    async fn finish(
        &self,
        deployment: &DeploymentId,
        outcome: Outcome,
        failure: Option<&Failure>,
        traffic: Option<Traffic>,
        at_ms: u64,
    ) -> Result<u64, Failure>;
    /// Takes a deployment that needs attention back to running; `abort` also records the asking.
    async fn reopen(
        &self,
        deployment: &DeploymentId,
        abort: bool,
        at_ms: u64,
    ) -> Result<(), Failure>;
    /// Deployments that are not ended, and those that need attention and were not superseded.
    async fn unfinished(&self) -> Result<Vec<DeploymentRecord>, Failure>;
    /// One deployment.
    async fn deployment(&self, id: &DeploymentId) -> Result<Option<DeploymentRecord>, Failure>;
    /// An environment's deployments, newest first.
    async fn history(
        &self,
        environment: &EnvironmentId,
        limit: usize,
    ) -> Result<Vec<DeploymentRecord>, Failure>;
    /// Reserves so many generations above `above` and above all ever reserved: the first of them.
    async fn reserve_generations(
        &self,
        environment: &EnvironmentId,
        above: Generation,
        count: u64,
    ) -> Result<Generation, Failure>;
    /// Ports that are leased to instances.
    async fn ports_leased(&self) -> Result<Vec<u16>, Failure>;
    /// Frees the ports of instances that are ended and that no generation on disk names.
    async fn free_ports(&self, instances: &[InstanceId]) -> Result<(), Failure>;
    /// Says how a release stands.
    async fn set_standing(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
        version: &str,
        standing: Standing,
        at_ms: u64,
    ) -> Result<(), Failure>;
    /// All releases that have a standing, the one that changed last first.
    async fn standings(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Vec<(ReleaseId, String, Standing)>, Failure>;
    /// Records that the instance may be ended from then on.
    async fn retire(&self, instance: &Instance, not_before_ms: u64) -> Result<(), Failure>;
    /// Takes retired instances back; those that are none any more are left out of the answer.
    async fn claim(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, Failure>;
    /// All retired instances, with when they may be ended.
    async fn retired(&self) -> Result<Vec<(Instance, u64)>, Failure>;
    /// What was said of the environment by hand.
    async fn marks(&self, environment: &EnvironmentId) -> Result<Marks, Failure>;
    /// Forgets a retired instance, since it is ended.
    async fn buried(&self, instance: &InstanceId) -> Result<(), Failure>;
}

/// What came of asking for the lock.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// It is taken.
    Taken {
        /// Of the accepting line.
        sequence: u64,
    },
    /// The same request was taken before.
    Known(Box<DeploymentRecord>),
    /// Another deployment has it.
    Busy(Box<DeploymentRecord>),
    /// Somebody keeps it by hand, and it was not asked to pass that.
    Kept(Box<Mark>),
}
