//! What a plan is made from.

use crate::{
    desire::desire,
    observe::observe,
    port::{Ports, router::InForce},
    preflight,
};
use model::{
    control,
    deployment::{Change, Finding, Request},
    failure::Failure,
    id::Generation,
    plan::Plan,
    planner::{self, Desired, Observed, Wanted, ports_needed},
    release::{Release, Standing},
};

/// What a plan is made from: all that was seen, and what is wanted.
pub(super) struct Prepared {
    pub(super) findings: Vec<Finding>,
    /// What was said by hand, and is passed.
    pub(super) passed: Vec<Finding>,
    pub(super) observed: Observed,
    in_force: InForce,
    pub(super) desired: Desired,
}

/// Looks, and changes nothing.
pub(super) async fn prepare(ports: &Ports, request: &Request) -> Result<Prepared, Failure> {
    let (observed, in_force) = observe(ports, &request.environment).await?;
    let desired = desire(ports, request, &observed).await?;
    let mut findings = preflight::findings(ports, &desired, &observed, &in_force).await?;
    let now_ms = ports.clock.now_ms();
    let marks = ports.journal.marks(&request.environment).await?;
    let brings = match &request.change {
        Change::Deploy { spec, .. } => Some(&**spec),
        _ => None,
    };
    let (against, mut passed) =
        control::judge(&request.environment, &marks, brings, &request.overrides, now_ms);
    findings.extend(against);
    match preflight::past_migrations(&desired, &observed) {
        Some(finding) if request.overrides.accept_schema => passed.push(finding),
        other => findings.extend(other),
    }
    Ok(Prepared { findings, passed, observed, in_force, desired })
}

impl Prepared {
    /// The plan as it would be if it were begun now.
    pub(super) async fn plan(&self, ports: &Ports) -> Result<Plan, Failure> {
        let mut observed = self.observed.clone();
        observed.first_generation = Generation(self.in_force.highest.0 + 1);
        observed.ports_free = self.free_ports(ports).await?;
        planner::plan(&observed, &self.desired)
    }

    /// Makes sure that the router runs, writes the release's record, reserves numbers, and plans.
    pub(super) async fn reserve(
        mut self,
        ports: &Ports,
        request: &Request,
    ) -> Result<Plan, Failure> {
        // A plan that cannot be made reserves and writes nothing.
        let generations = self.plan(ports).await?.generations();
        if let Some(release) = self.release() {
            ports.router.ensure(&release.spec.listen).await?;
            if let Some(peers) = &release.spec.trusted {
                ports.router.trust(peers).await?;
            }
            let edge = release.spec.edge.as_ref();
            for trouble in ports.router.edge(&request.environment, edge).await? {
                tracing::warn!(environment = %request.environment, trouble, "at the edge");
            }
        }
        self.write_release(ports, request).await?;
        let (journal, above) = (&ports.journal, self.in_force.highest);
        self.observed.first_generation =
            journal.reserve_generations(&request.environment, above, generations).await?;
        self.observed.ports_free = self.free_ports(ports).await?;
        planner::plan(&self.observed, &self.desired)
    }

    /// Writes the record of what it brings, and that it stands nowhere yet.
    pub(super) async fn write_release(
        &self,
        ports: &Ports,
        request: &Request,
    ) -> Result<(), Failure> {
        let Wanted::Release { release, source: Some(_), .. } = &self.desired.wanted else {
            return Ok(());
        };
        ports.releases.record(release).await?;
        if self.observed.releases.iter().any(|it| it.release.id == release.id) {
            return Ok(());
        }
        let (environment, standing) = (&request.environment, Standing::Staged);
        let (id, version, now_ms) = (&release.id, &release.version, ports.clock.now_ms());
        ports.journal.set_standing(environment, id, version, standing, now_ms).await
    }

    fn release(&self) -> Option<&Release> {
        match &self.desired.wanted {
            Wanted::Release { release, .. } => Some(release),
            _ => self.observed.current.as_ref(),
        }
    }

    async fn free_ports(&self, ports: &Ports) -> Result<Vec<u16>, Failure> {
        let count = ports_needed(&self.desired, &self.observed);
        if count == 0 {
            return Ok(vec![]);
        }
        let mut leased = ports.journal.ports_leased().await?;
        leased.extend(ports.router.ports_on_disk().await?);
        ports.machine.free_ports(count, &leased).await
    }
}
