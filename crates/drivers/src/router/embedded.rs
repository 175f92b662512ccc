//! The proxy that comes with this program, under its own holder.

mod ask;
mod edge;
mod ensure;
mod files;
mod install;
mod translate;
mod trust;

pub use edge::{looked_at, looked_at_one};

use crate::{blocking::blocking, layout::Layout};
use async_trait::async_trait;
use engine::port::router::{Confirmed, Counters, Drained, InForce, Router};
use model::{
    edge::Edge,
    failure::{Blame, Failure},
    id::{Epoch, Generation, InstanceId, ReleaseId},
    name::EnvironmentId,
    plan::StagedRoutes,
    routes::{Claim, Routes},
    service::Millis,
};
use proxy::control::{Answer, Ask, Status};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Beyond a drain's deadline: the proxy ends what is left politely.
const DRAIN_MARGIN: Duration = Duration::from_secs(20);

/// Speaks to the proxy over its socket, and stages its route files.
#[derive(Clone, Debug)]
pub struct EmbeddedRouter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    layout: Layout,
    /// This very program, which has the roles `supervise` and `proxy`.
    program: PathBuf,
    /// Two who find no holder start one.
    beginning: Mutex<()>,
}

impl EmbeddedRouter {
    /// Under the state directory; `program` is executed as `PROGRAM supervise --holder`.
    pub fn new(layout: Layout, program: PathBuf) -> EmbeddedRouter {
        EmbeddedRouter { shared: Arc::new(Shared { layout, program, beginning: Mutex::default() }) }
    }

    fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    /// What the proxy says of itself; none where it does not run.
    pub(crate) async fn status(&self) -> Result<Option<Status>, Failure> {
        let this = self.clone();
        blocking(move || this.status_now()).await
    }

    fn drain_now(
        &self,
        instances: Vec<String>,
        deadline: Millis,
        epoch: Epoch,
    ) -> Result<Drained, Failure> {
        let order = Ask::Drain { instances, deadline_ms: deadline.0, epoch: epoch.0 };
        match self.order(&order, deadline.duration() + DRAIN_MARGIN)? {
            Some(Answer::Drained { cut, .. }) => Ok(Drained { cut }),
            Some(Answer::Refused { reason, message }) => {
                Err(install::refused("drain instances", reason, &message))
            }
            // A request lives in the proxy: where there is none, none is in flight.
            None => Ok(Drained { cut: 0 }),
            Some(other) => Err(ask::odd("drain instances", &other)),
        }
    }

    fn counters_now(
        &self,
        environment: &EnvironmentId,
    ) -> Result<BTreeMap<ReleaseId, Counters>, Failure> {
        let Some(status) = self.status_now()? else {
            return Err(not_running("count requests"));
        };
        let releases = status.environments.get(&environment.stem()).map(|it| &it.releases);
        let counters = releases.into_iter().flatten().map(|(release, it)| {
            let counters = Counters {
                completed: it.completed,
                aborted: it.aborted,
                verified: it.verified,
                server_errors: it.by_class[5],
                held: it.held,
                p99_us: it.p99_us,
                first_routed_at_ms: it.first_routed_at_ms,
                last_routed_at_ms: it.last_routed_at_ms,
            };
            (ReleaseId(release.clone()), counters)
        });
        Ok(counters.collect())
    }
}

#[async_trait]
impl Router for EmbeddedRouter {
    async fn ensure(&self, listen: &[String]) -> Result<(), Failure> {
        let (this, listen) = (self.clone(), listen.to_vec());
        blocking(move || this.ensure_now(&listen)).await
    }

    async fn trust(&self, peers: &[String]) -> Result<(), Failure> {
        let (this, peers) = (self.clone(), peers.to_vec());
        blocking(move || this.trust_now(&peers)).await
    }

    async fn edge(
        &self,
        environment: &EnvironmentId,
        edge: Option<&Edge>,
    ) -> Result<Vec<String>, Failure> {
        let (this, environment, edge) = (self.clone(), environment.clone(), edge.cloned());
        blocking(move || this.edge_now(&environment, edge.as_ref())).await
    }

    async fn edge_trouble(&self, edge: &Edge) -> Result<Vec<String>, Failure> {
        let edge = edge.clone();
        blocking(move || Ok(edge::trouble(&edge))).await
    }

    async fn keep_alive(&self) -> Result<(), Failure> {
        let this = self.clone();
        blocking(move || this.keep_alive_now()).await
    }

    async fn stage(
        &self,
        environment: &EnvironmentId,
        staged: &[StagedRoutes],
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let (this, environment, staged) = (self.clone(), environment.clone(), staged.to_vec());
        blocking(move || this.stage_now(&environment, &staged, epoch)).await
    }

    async fn unstage(
        &self,
        environment: &EnvironmentId,
        generations: &[Generation],
    ) -> Result<(), Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        let generations = generations.to_vec();
        blocking(move || this.unstage_now(&environment, &generations)).await
    }

    async fn install(
        &self,
        environment: &EnvironmentId,
        to: Generation,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        blocking(move || this.install_now(&environment, to, epoch)).await
    }

    async fn try_out(
        &self,
        environment: &EnvironmentId,
        from: Generation,
        to: Generation,
        epoch: Epoch,
    ) -> Result<(), Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        blocking(move || this.try_out_now(&environment, from, to, epoch)).await
    }

    async fn confirm(
        &self,
        environment: &EnvironmentId,
        confirms: Generation,
        nonce: &str,
        by: &Routes,
        epoch: Epoch,
    ) -> Result<Confirmed, Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        let (nonce, by) = (nonce.to_owned(), by.clone());
        blocking(move || this.confirm_now(&environment, confirms, nonce, &by, epoch)).await
    }

    async fn in_force(&self, environment: &EnvironmentId) -> Result<InForce, Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        blocking(move || this.in_force_now(&environment)).await
    }

    async fn drain(
        &self,
        instances: &[InstanceId],
        deadline: Millis,
        epoch: Epoch,
    ) -> Result<Drained, Failure> {
        let this = self.clone();
        let instances = instances.iter().map(|it| it.0.clone()).collect();
        blocking(move || this.drain_now(instances, deadline, epoch)).await
    }

    async fn named_on_disk(&self) -> Result<Vec<InstanceId>, Failure> {
        let this = self.clone();
        blocking(move || Ok(this.targets_on_disk()?.into_iter().map(|it| it.0).collect())).await
    }

    async fn ports_on_disk(&self) -> Result<Vec<u16>, Failure> {
        let this = self.clone();
        blocking(move || Ok(this.targets_on_disk()?.into_iter().filter_map(|it| it.1).collect()))
            .await
    }

    async fn conflict(
        &self,
        environment: &EnvironmentId,
        claims: &[Claim],
    ) -> Result<Option<(Claim, String)>, Failure> {
        let (this, environment, claims) = (self.clone(), environment.clone(), claims.to_vec());
        blocking(move || this.conflict_now(&environment, &claims)).await
    }

    async fn counters(
        &self,
        environment: &EnvironmentId,
    ) -> Result<BTreeMap<ReleaseId, Counters>, Failure> {
        let (this, environment) = (self.clone(), environment.clone());
        blocking(move || this.counters_now(&environment)).await
    }
}

fn not_running(doing: &str) -> Failure {
    Failure::new(Blame::Platform, format!("{doing}: the proxy is not running"))
        .hint("see proxy/proxy.log and proxy/holder.log in the state directory")
}
