//! The journal without secrets: what failures saw is masked before it is written.

use crate::secrets::Secrets;
use async_trait::async_trait;
use engine::port::journal::{Begun, Journal};
use model::{
    control::Marks,
    deployment::{DeploymentRecord, Finding, Request, Traffic},
    failure::Failure,
    id::{DeploymentId, Epoch, Generation, InstanceId, ReleaseId},
    instance::Instance,
    journal::{Ledger, Outcome, Record},
    name::EnvironmentId,
    plan::Plan,
    release::Standing,
};
use std::sync::Arc;
use store::Store;

/// Hands everything on to the store.
pub struct MaskedJournal {
    /// The journal itself.
    pub store: Arc<Store>,
    /// What is masked.
    pub secrets: Secrets,
}

#[async_trait]
impl Journal for MaskedJournal {
    fn epoch(&self) -> Epoch {
        Journal::epoch(&*self.store)
    }

    async fn begin(&self, request: &Request, at_ms: u64) -> Result<Begun, Failure> {
        self.store.begin(request, at_ms).await
    }

    async fn planned(
        &self,
        plan: &Plan,
        overridden: &[Finding],
        at_ms: u64,
    ) -> Result<u64, Failure> {
        let redactor = self.secrets.redactor();
        let masked: Vec<Finding> =
            overridden.iter().map(|it| redactor.finding(it.clone())).collect();
        self.store.planned(plan, &masked, at_ms).await
    }

    async fn record(
        &self,
        deployment: &DeploymentId,
        record: &Record,
        at_ms: u64,
    ) -> Result<u64, Failure> {
        let masked = self.secrets.redactor().record(record.clone());
        self.store.record(deployment, &masked, at_ms).await
    }

    async fn ledger(&self, plan: &Plan) -> Result<Ledger, Failure> {
        self.store.ledger(plan).await
    }

    async fn finish(
        &self,
        deployment: &DeploymentId,
        outcome: Outcome,
        failure: Option<&Failure>,
        traffic: Option<Traffic>,
        at_ms: u64,
    ) -> Result<u64, Failure> {
        let masked = failure.map(|it| self.secrets.redactor().failure(it.clone()));
        self.store.finish(deployment, outcome, masked.as_ref(), traffic, at_ms).await
    }

    async fn reopen(&self, id: &DeploymentId, abort: bool, at_ms: u64) -> Result<(), Failure> {
        self.store.reopen(id, abort, at_ms).await
    }

    async fn unfinished(&self) -> Result<Vec<DeploymentRecord>, Failure> {
        self.store.unfinished().await
    }

    async fn deployment(&self, id: &DeploymentId) -> Result<Option<DeploymentRecord>, Failure> {
        self.store.deployment(id).await
    }

    async fn history(
        &self,
        environment: &EnvironmentId,
        limit: usize,
    ) -> Result<Vec<DeploymentRecord>, Failure> {
        self.store.history(environment, limit).await
    }

    async fn reserve_generations(
        &self,
        environment: &EnvironmentId,
        above: Generation,
        count: u64,
    ) -> Result<Generation, Failure> {
        self.store.reserve_generations(environment, above, count).await
    }

    async fn ports_leased(&self) -> Result<Vec<u16>, Failure> {
        self.store.ports_leased().await
    }

    async fn free_ports(&self, instances: &[InstanceId]) -> Result<(), Failure> {
        self.store.free_ports(instances).await
    }

    async fn set_standing(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
        version: &str,
        standing: Standing,
        at_ms: u64,
    ) -> Result<(), Failure> {
        self.store.set_standing(environment, release, version, standing, at_ms).await
    }

    async fn standings(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Vec<(ReleaseId, String, Standing)>, Failure> {
        self.store.standings(environment).await
    }

    async fn retire(&self, instance: &Instance, not_before_ms: u64) -> Result<(), Failure> {
        self.store.retire(instance, not_before_ms).await
    }

    async fn claim(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, Failure> {
        self.store.claim(instances).await
    }

    async fn retired(&self) -> Result<Vec<(Instance, u64)>, Failure> {
        self.store.retired().await
    }

    async fn marks(&self, environment: &EnvironmentId) -> Result<Marks, Failure> {
        self.store.marks(environment).await
    }

    async fn buried(&self, instance: &InstanceId) -> Result<(), Failure> {
        self.store.buried(instance).await
    }
}
