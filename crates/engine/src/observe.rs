//! What an environment is like now, from everybody who knows a part of it.

use crate::port::{Ports, router::InForce, runtime::Life};
use model::{
    failure::{Blame, Failure},
    id::{InstanceId, ReleaseId},
    instance::Instance,
    name::EnvironmentId,
    planner::{Kept, Observed},
    release::Release,
    roster::Roster,
};

/// Deployments that are looked at for instances that still run.
const HISTORY_MAX: usize = 200;

/// What an environment is like now.
pub(crate) struct Sight {
    pub(crate) in_force: InForce,
    pub(crate) roster: Roster,
    /// Instances of the environment that the runtime knows.
    pub(crate) lives: Vec<(InstanceId, Life)>,
    /// With when they may be ended.
    pub(crate) retired: Vec<(Instance, u64)>,
}

impl Sight {
    pub(crate) async fn of(ports: &Ports, environment: &EnvironmentId) -> Result<Sight, Failure> {
        let roster = roster(ports, environment).await?;
        Sight::with(ports, environment, roster).await
    }

    pub(crate) async fn with(
        ports: &Ports,
        environment: &EnvironmentId,
        roster: Roster,
    ) -> Result<Sight, Failure> {
        let in_force = ports.router.in_force(environment).await?;
        let mut lives = ports.runtime.list().await?;
        lives.retain(|(id, _)| belongs(id, environment));
        let mut retired = ports.journal.retired().await?;
        retired.retain(|(it, _)| it.environment == *environment);
        Ok(Sight { in_force, roster, lives, retired })
    }

    /// What shall run: the instances of the routes in force, and those kept that have no routes.
    pub(crate) fn active(&self) -> Vec<Instance> {
        let routes = self.in_force.routes.iter();
        let mut active: Vec<Instance> = routes.flat_map(|it| it.instances()).cloned().collect();
        for id in &self.roster.workers {
            let known = self.roster.instance(id);
            let known = known.filter(|it| !active.iter().any(|mine| mine.id == it.id));
            active.extend(known.cloned());
        }
        active
    }

    pub(crate) fn runs(&self, id: &InstanceId) -> bool {
        self.lives.iter().any(|(it, life)| it == id && matches!(life, Life::Running(_)))
    }

    pub(crate) fn life(&self, id: &InstanceId) -> &Life {
        self.lives.iter().find(|(it, _)| it == id).map_or(&Life::Absent, |(_, life)| life)
    }

    /// Kept running for a quick way back, and still running.
    fn warm(&self) -> Vec<Instance> {
        let warm = self.retired.iter().map(|(it, _)| it).filter(|it| self.runs(&it.id));
        warm.cloned().collect()
    }

    /// Of no use to anybody: what a deployment left that needed attention, for one.
    fn left_over(&self, active: &[Instance]) -> Vec<Instance> {
        let mut left = vec![];
        for (id, _) in &self.lives {
            let used = active.iter().any(|it| it.id == *id)
                || self.retired.iter().any(|(it, _)| it.id == *id);
            // Whoever is in no plan of ours is not ours to stop.
            left.extend(self.roster.instance(id).filter(|_| !used).cloned());
        }
        left
    }
}

/// Everything that a plan depends on but numbers and ports, which are reserved when they are
/// needed.
pub(crate) async fn observe(
    ports: &Ports,
    environment: &EnvironmentId,
) -> Result<(Observed, InForce), Failure> {
    let sight = Sight::of(ports, environment).await?;
    let releases = kept(ports, environment).await?;
    let active = sight.active();
    let current = current(ports, environment, &sight, &active, &releases).await?;
    let (_, linked_previous) = ports.releases.links(environment).await?;
    let observed = Observed {
        routes: sight.in_force.routes.clone(),
        on_probation: sight.in_force.probation.is_some(),
        first_generation: sight.in_force.highest,
        current,
        warm: sight.warm(),
        left_over: sight.left_over(&active),
        stopped: sight.roster.stopped.clone(),
        is_stopped: sight.roster.is_stopped,
        active,
        releases,
        linked_previous,
        prepared: ports.releases.prepared(environment).await?,
        ports_free: vec![],
    };
    Ok((observed, sight.in_force))
}

/// What the environment's history says of its instances.
pub(crate) async fn roster(ports: &Ports, environment: &EnvironmentId) -> Result<Roster, Failure> {
    let history = ports.journal.history(environment, HISTORY_MAX).await?;
    Ok(Roster::new(&history))
}

/// Whether an instance's id says that it is the environment's.
pub(crate) fn belongs(id: &InstanceId, environment: &EnvironmentId) -> bool {
    id.0.strip_prefix(&environment.stem()).is_some_and(|it| it.starts_with('.'))
}

/// The environment that an instance's id says.
pub(crate) fn environment_of(id: &InstanceId) -> Option<EnvironmentId> {
    let mut parts = id.0.splitn(3, '.');
    let (project, environment) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(EnvironmentId { project, environment })
}

async fn kept(ports: &Ports, environment: &EnvironmentId) -> Result<Vec<Kept>, Failure> {
    let standings = ports.journal.standings(environment).await?;
    Ok(Kept::in_order(ports.releases.list(environment).await?, standings))
}

/// What serves; where nothing is routed, what works or was stopped.
async fn current(
    ports: &Ports,
    environment: &EnvironmentId,
    sight: &Sight,
    active: &[Instance],
    releases: &[Kept],
) -> Result<Option<Release>, Failure> {
    let known = |id: &ReleaseId| releases.iter().find(|it| it.release.id == *id);
    let committed = sight.roster.current.as_ref().map(|it| &it.id);
    // It may leave services to earlier releases; but what is routed outranks the history.
    let explains = |it: &&ReleaseId| {
        known(it).is_some_and(|kept| {
            let owners = kept.release.owners();
            active.iter().all(|it| owners.contains(&&it.release))
        })
    };
    let serving = active.first().map(|it| &it.release);
    let Some(id) = committed.filter(explains).or(serving).or(committed) else { return Ok(None) };
    if let Some(kept) = releases.iter().find(|it| it.release.id == *id) {
        return Ok(Some(kept.release.clone()));
    }
    let read = ports.releases.read(environment, id).await;
    read.map(Some).map_err(|failure| {
        let message = format!("read what serves: {}", failure.message);
        Failure { message, blame: Blame::Platform, ..failure }
    })
}
