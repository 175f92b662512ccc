//! What an environment's history says of its instances: who they are, and who shall run.

use crate::{
    deployment::{DeploymentRecord, Stage},
    id::InstanceId,
    instance::Instance,
    journal::{Outcome, Status},
    plan::{Kind, Plan, ReleaseLabel, Step},
};

/// What the history says of an environment's instances.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    /// All that are known, those of newer plans first.
    pub known: Vec<Instance>,
    /// Shall run since the newest commit.
    pub kept: Vec<InstanceId>,
    /// Of these, those without routes.
    pub workers: Vec<InstanceId>,
    /// Were ended by the newest commit, where that was a stop.
    pub stopped: Vec<Instance>,
    /// The newest commit was a stop.
    pub is_stopped: bool,
    /// What the newest commit brought, or stopped.
    pub current: Option<ReleaseLabel>,
    /// When that commit was made: Unix time in ms.
    pub committed_at_ms: Option<u64>,
    /// Who asked for it.
    pub by: Option<String>,
}

impl Roster {
    /// From an environment's deployments, newest first.
    pub fn new(history: &[DeploymentRecord]) -> Roster {
        let mut roster = Roster::default();
        for plan in history.iter().filter_map(|it| it.plan.as_ref()) {
            roster.meet(plan);
        }
        let newest = history.iter().find(|it| is_committed(it));
        let Some((record, plan)) = newest.and_then(|it| Some((it, it.plan.as_ref()?))) else {
            return roster;
        };
        roster.current = plan.to.clone().or_else(|| plan.from.clone());
        roster.is_stopped = plan.kind == Kind::Stop;
        roster.by = Some(record.by.clone());
        roster.committed_at_ms =
            record.steps.get(plan.commit.saturating_sub(1)).and_then(|it| it.ended_at_ms);
        for step in &plan.steps[plan.commit..] {
            match step {
                Step::Keep { instances } => roster.kept.clone_from(instances),
                Step::Stop { instance, .. } if plan.kind == Kind::Stop => {
                    let served = plan.from.as_ref().is_some_and(|it| it.id == instance.release);
                    roster.stopped.extend(served.then(|| instance.clone()));
                }
                _ => {}
            }
        }
        let routed = plan.steps.iter().find_map(|it| match it {
            Step::Confirm { by, .. } => Some(by),
            _ => None,
        });
        let worker = |it: &&InstanceId| routed.is_some_and(|by| !by.leads_to(it));
        roster.workers = roster.kept.iter().filter(worker).cloned().collect();
        roster
    }

    /// An instance by its id.
    pub fn instance(&self, id: &InstanceId) -> Option<&Instance> {
        self.known.iter().find(|it| it.id == *id)
    }

    fn meet(&mut self, plan: &Plan) {
        for step in &plan.steps {
            match step {
                Step::Start { instance }
                | Step::Stop { instance, .. }
                | Step::Retire { instance, .. } => self.learn(instance),
                Step::Claim { instances, .. } => instances.iter().for_each(|it| self.learn(it)),
                Step::Confirm { by, .. } => {
                    by.instances().into_iter().for_each(|it| self.learn(it));
                }
                _ => {}
            }
        }
    }

    fn learn(&mut self, instance: &Instance) {
        if self.instance(&instance.id).is_none() {
            self.known.push(instance.clone());
        }
    }
}

/// Whether the deployment's commit was made; it may still be clearing up.
pub fn is_committed(record: &DeploymentRecord) -> bool {
    if let Stage::Ended(Outcome::Deployed | Outcome::DeployedUntidy) = record.stage {
        return true;
    }
    let Some(plan) = &record.plan else { return false };
    record.stage == Stage::Running
        && record.steps.len() >= plan.commit
        && record.steps[..plan.commit].iter().all(|it| it.status == Status::Done)
}
