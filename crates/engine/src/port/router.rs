//! Sends traffic: the embedded proxy; later nginx.

use async_trait::async_trait;
use model::{
    edge::Edge,
    failure::Failure,
    id::{Epoch, Generation, InstanceId, ReleaseId},
    name::EnvironmentId,
    plan::StagedRoutes,
    routes::{Claim, Routes},
    service::Millis,
};
use std::collections::BTreeMap;

/// Sends traffic.
///
/// Contract: `install`, `try_out` and `confirm` put a generation in force whole or not at all, and
/// only if it is above all that this router ever had on disk; what is in force already succeeds.
/// After `stage`, each of them is one rename.
#[async_trait]
pub trait Router: Send + Sync {
    /// Makes sure that it runs and accepts on these addresses.  A port that somebody else holds
    /// is a failure that names the owner.
    async fn ensure(&self, listen: &[String]) -> Result<(), Failure>;
    /// Takes the word of these addresses and ranges on who clients are, and of nobody else.
    async fn trust(&self, _peers: &[String]) -> Result<(), Failure> {
        Ok(())
    }
    /// Does this of itself for the hosts of the environment from now on; None: nothing.  What
    /// cannot be done, such as a certificate that cannot be presented, is told, and what was done
    /// before goes on.
    async fn edge(
        &self,
        _environment: &EnvironmentId,
        _edge: Option<&Edge>,
    ) -> Result<Vec<String>, Failure> {
        Ok(vec![])
    }
    /// What of it could not be done, and changes nothing.
    async fn edge_trouble(&self, _edge: &Edge) -> Result<Vec<String>, Failure> {
        Ok(vec![])
    }
    /// Replaces what of it died, unless it was ended on purpose.  Called again and again.
    async fn keep_alive(&self) -> Result<(), Failure> {
        Ok(())
    }
    /// Writes generations that later calls put in force.  Repeating it overwrites the same files.
    async fn stage(
        &self,
        environment: &EnvironmentId,
        staged: &[StagedRoutes],
        epoch: Epoch,
    ) -> Result<(), Failure>;
    /// Removes staged generations that are neither in force nor fallen back to.
    async fn unstage(
        &self,
        environment: &EnvironmentId,
        generations: &[Generation],
    ) -> Result<(), Failure>;
    /// Puts a staged generation in force, whatever is in force now.
    async fn install(
        &self,
        environment: &EnvironmentId,
        to: Generation,
        epoch: Epoch,
    ) -> Result<(), Failure>;
    /// As `install`, only if `from` is in force; the staged generation says its own way back.
    async fn try_out(
        &self,
        environment: &EnvironmentId,
        from: Generation,
        to: Generation,
        epoch: Epoch,
    ) -> Result<(), Failure>;
    /// Puts `by` in force, only if `confirms` is, and was baked under the start named by `nonce`.
    async fn confirm(
        &self,
        environment: &EnvironmentId,
        confirms: Generation,
        nonce: &str,
        by: &Routes,
        epoch: Epoch,
    ) -> Result<Confirmed, Failure>;
    /// What it says, or what its files say where it does not run.
    async fn in_force(&self, environment: &EnvironmentId) -> Result<InForce, Failure>;
    /// Returns once no request is in flight to the instances.  Ends what is left at the deadline.
    async fn drain(
        &self,
        instances: &[InstanceId],
        deadline: Millis,
        epoch: Epoch,
    ) -> Result<Drained, Failure>;
    /// Every instance that a generation on disk names: none of them may be ended.
    async fn named_on_disk(&self) -> Result<Vec<InstanceId>, Failure>;
    /// Ports that a generation on disk names: none of them may be leased again.
    async fn ports_on_disk(&self) -> Result<Vec<u16>, Failure>;
    /// The first of the claims that another environment has, and which.
    async fn conflict(
        &self,
        environment: &EnvironmentId,
        claims: &[Claim],
    ) -> Result<Option<(Claim, String)>, Failure>;
    /// What was served since it started, by release.
    async fn counters(
        &self,
        environment: &EnvironmentId,
    ) -> Result<BTreeMap<ReleaseId, Counters>, Failure>;
}

/// What a router serves by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// None: no generation ever was.
    pub routes: Option<Routes>,
    /// The highest that was ever on disk.
    pub highest: Generation,
    /// Set while what is in force is on probation: the generation it would return to.
    pub probation: Option<Generation>,
    /// The last generation that it left by itself, and why.
    pub fell_back: Option<(Generation, String)>,
    /// Of this start; empty where it does not run.
    pub nonce: String,
    /// It answered; else this is what its files say.
    pub alive: bool,
}

impl InForce {
    /// Routes lead somewhere, and nobody answers by them.
    pub fn answers_nothing(&self) -> bool {
        !self.alive && self.routes.as_ref().is_some_and(|it| !it.instances().is_empty())
    }
}

/// What came of asking to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// In force for good.
    InForce,
    /// It was baked under another start of the router: bake again.
    BakeAgain,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Requests that were ended at the deadline.
    pub cut: u64,
}

/// The fates of the requests to one release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The whole response was handed to the client.
    pub completed: u64,
    /// The client or the instance went away before the end.
    pub aborted: u64,
    /// Requests of a prober that verifies: they are in no other count.
    pub verified: u64,
    /// Of the completed: 5xx.
    pub server_errors: u64,
    /// Waited in a hold.
    pub held: u64,
    /// Time to the last byte.
    pub p99_us: u64,
    /// Unix time in ms; 0: never.
    pub first_routed_at_ms: u64,
    /// Unix time in ms; 0: never.
    pub last_routed_at_ms: u64,
}
