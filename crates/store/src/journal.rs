//! The store as the engine's journal; what failures saw is masked before it is written.

use crate::{
    store::Store,
    table::{deployment, generation, mark, port, retired, standing},
};
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
use rusqlite::Transaction;

#[async_trait]
impl Journal for Store {
    fn epoch(&self) -> Epoch {
        Store::epoch(self)
    }

    async fn begin(&self, request: &Request, at_ms: u64) -> Result<Begun, Failure> {
        let request = request.clone();
        self.write(move |it| deployment::begin(it, &request, at_ms)).await
    }

    async fn planned(
        &self,
        plan: &Plan,
        overridden: &[Finding],
        at_ms: u64,
    ) -> Result<u64, Failure> {
        let (plan, overridden) = (plan.clone(), self.mask().findings(overridden));
        self.write(move |it| deployment::planned(it, &plan, &overridden, at_ms)).await
    }

    async fn record(
        &self,
        deployment: &DeploymentId,
        record: &Record,
        at_ms: u64,
    ) -> Result<u64, Failure> {
        let (deployment, record) = (deployment.clone(), self.mask().record(record));
        self.write(move |it| deployment::record(it, &deployment, &record, at_ms)).await
    }

    async fn ledger(&self, plan: &Plan) -> Result<Ledger, Failure> {
        let plan = plan.clone();
        self.read(move |it| deployment::ledger(it, &plan)).await
    }

    async fn finish(
        &self,
        deployment: &DeploymentId,
        outcome: Outcome,
        failure: Option<&Failure>,
        traffic: Option<Traffic>,
        at_ms: u64,
    ) -> Result<u64, Failure> {
        let (id, failure) = (deployment.clone(), failure.map(|it| self.mask().failure(it)));
        let finish = move |it: &Transaction<'_>| {
            deployment::finish(it, &id, outcome, failure.as_ref(), traffic.clone(), at_ms)
        };
        self.write(finish).await
    }

    async fn reopen(
        &self,
        deployment: &DeploymentId,
        abort: bool,
        at_ms: u64,
    ) -> Result<(), Failure> {
        let deployment = deployment.clone();
        self.write(move |it| deployment::reopen(it, &deployment, abort, at_ms)).await
    }

    async fn unfinished(&self) -> Result<Vec<DeploymentRecord>, Failure> {
        self.read(deployment::unfinished).await
    }

    async fn deployment(&self, id: &DeploymentId) -> Result<Option<DeploymentRecord>, Failure> {
        let id = id.clone();
        self.read(move |it| deployment::get(it, &id)).await
    }

    async fn history(
        &self,
        environment: &EnvironmentId,
        limit: usize,
    ) -> Result<Vec<DeploymentRecord>, Failure> {
        let environment = environment.clone();
        self.read(move |it| deployment::history(it, &environment, limit)).await
    }

    async fn reserve_generations(
        &self,
        environment: &EnvironmentId,
        above: Generation,
        count: u64,
    ) -> Result<Generation, Failure> {
        let environment = environment.clone();
        self.write(move |it| generation::reserve(it, &environment, above, count)).await
    }

    async fn ports_leased(&self) -> Result<Vec<u16>, Failure> {
        self.read(port::leased).await
    }

    async fn free_ports(&self, instances: &[InstanceId]) -> Result<(), Failure> {
        let instances = instances.to_vec();
        self.write(move |it| port::free(it, &instances)).await
    }

    async fn set_standing(
        &self,
        environment: &EnvironmentId,
        release: &ReleaseId,
        version: &str,
        standing: Standing,
        at_ms: u64,
    ) -> Result<(), Failure> {
        let (environment, release) = (environment.clone(), release.clone());
        let version = version.to_owned();
        let set = move |it: &Transaction<'_>| {
            standing::set(it, &environment, &release, &version, standing, at_ms)
        };
        self.write(set).await
    }

    async fn standings(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Vec<(ReleaseId, String, Standing)>, Failure> {
        let environment = environment.clone();
        self.read(move |it| standing::all(it, &environment)).await
    }

    async fn retire(&self, instance: &Instance, not_before_ms: u64) -> Result<(), Failure> {
        let instance = instance.clone();
        self.write(move |it| retired::retire(it, &instance, not_before_ms)).await
    }

    async fn claim(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, Failure> {
        let instances = instances.to_vec();
        self.write(move |it| retired::claim(it, &instances)).await
    }

    async fn retired(&self) -> Result<Vec<(Instance, u64)>, Failure> {
        self.read(retired::all).await
    }

    async fn marks(&self, environment: &EnvironmentId) -> Result<Marks, Failure> {
        let environment = environment.clone();
        self.read(move |it| mark::all(it, &environment)).await
    }

    async fn buried(&self, instance: &InstanceId) -> Result<(), Failure> {
        let instance = instance.clone();
        self.write(move |it| retired::forget(it, &instance).map(drop)).await
    }
}
