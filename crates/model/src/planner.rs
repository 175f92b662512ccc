//! From what is, and what is wanted, to a plan: every choice a deployment makes, made here.
//!
//! What serves is in force as generation N.  A plan reserves the numbers after it:
//!
//! | | goes to | |
//! |---|---|---|
//! | N+1 | the new, on probation | installed by `Switch`; the proxy falls back to N by itself |
//! | N+2 | the new, for good | installed by `Confirm` |
//! | N+3 | the old, for good | installed by the undo of `Switch` |
//!
//! Where requests have to be held (`recreate`) it is five: N+1 old, held; N+2 trial, with N+1 to
//! fall back to; N+3 confirm; N+4 old, held; N+5 old.
//!
//! Where instances are replaced in batches (`rolling`) there is a trial for each: N+1, N+2, … lead
//! to more and more of the new and fewer of the old, and from each of them the proxy falls back to
//! N.  Only the last is confirmed, so that all of the old runs until then.
//!
//! Where requests move by stages (`canary`) it is the same, but for what the trials say: all of the
//! new and all of the old, each with its share, and at last the new alone.
//!
//! **The first deployment** of an environment has no N.  Its plan stages and installs one
//! (`Announce`): a generation that leads nowhere, which answers 503 with Retry-After.  So the trial
//! has something to fall back to, an undo has something to go back to, and the first deployment
//! needs no rules of its own.

mod batch;
mod draft;
mod fleet;
mod numbers;

use crate::{
    backup::BackupName,
    deployment::Overrides,
    failure::Failure,
    id::{DeploymentId, Generation, ReleaseId},
    instance::Instance,
    name::{EnvironmentId, Name},
    plan::Plan,
    release::{Release, Source, Standing},
    routes::Routes,
};
use std::collections::BTreeMap;

pub use draft::public_requests;

/// What is, as far as a plan depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// In force; none: no generation ever was.
    pub routes: Option<Routes>,
    /// What is in force is on probation.
    pub on_probation: bool,
    /// The first of the numbers that are reserved for this plan.
    pub first_generation: Generation,
    /// What serves or works, or did before it was stopped.
    pub current: Option<Release>,
    /// What serves or works: the instances of the routes in force, and those without routes.
    pub active: Vec<Instance>,
    /// Kept running for a quick way back, and still running.
    pub warm: Vec<Instance>,
    /// Started for this environment once, and of no use any more.
    pub left_over: Vec<Instance>,
    /// What the last stop ended.
    pub stopped: Vec<Instance>,
    /// The newest change was a stop.
    pub is_stopped: bool,
    /// Kept releases, the one whose standing changed last first.
    pub releases: Vec<Kept>,
    /// The version that `previous` points at.
    pub linked_previous: Option<String>,
    /// Versions that are staged for later.
    pub prepared: Vec<String>,
    /// Ports that nobody has.
    pub ports_free: Vec<u16>,
}

/// A release whose content is in place.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its record.
    pub release: Release,
    /// How it stands.
    pub standing: Standing,
}

impl Kept {
    /// In the order in which a planner sees them: those whose standing changed last first, then
    /// those without any.
    pub fn in_order(
        mut records: Vec<Release>,
        standings: Vec<(ReleaseId, String, Standing)>,
    ) -> Vec<Kept> {
        let mut kept = vec![];
        for (id, _, standing) in standings {
            if let Some(at) = records.iter().position(|it| it.id == id) {
                kept.push(Kept { release: records.remove(at), standing });
            }
        }
        let rest = records.into_iter();
        kept.extend(rest.map(|release| Kept { release, standing: Standing::Staged }));
        kept
    }
}

/// What is wanted, with all that had to be looked up for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The deployment that wants it.
    pub deployment: DeploymentId,
    /// The environment to change.
    pub environment: EnvironmentId,
    /// It.
    pub wanted: Wanted,
    /// What is left out.
    pub overrides: Overrides,
    /// What a backup that is made first is called; none: none is made.
    pub backup: Option<BackupName>,
    /// The backup whose data comes back.
    pub restore: Option<BackupName>,
}

/// What is wanted of an environment.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Another release.
    Release {
        /// It.
        release: Box<Release>,
        /// Where its content is; none: in its place already.
        source: Option<Source>,
        /// It is an earlier one, and the present one is no good.
        back: bool,
    },
    /// New instances of the current release.
    Restart,
    /// So many instances of these services.
    Scale {
        /// By service.
        instances: BTreeMap<Name, u16>,
    },
    /// No instances.
    Stop,
    /// As before the stop.
    Start,
}

impl Observed {
    /// Whether there is something to stop: instances, or jobs that are begun by the clock.
    pub fn works(&self) -> bool {
        let by_clock = |it: &Release| it.spec.services.iter().any(|it| it.schedule.is_some());
        !self.active.is_empty() || (!self.is_stopped && self.current.as_ref().is_some_and(by_clock))
    }

    /// The record of a release, if it is kept.
    pub fn release(&self, id: &ReleaseId) -> Option<&Release> {
        let kept = self.releases.iter().map(|it| &it.release).chain(&self.current);
        kept.into_iter().find(|it| it.id == *id)
    }
}

/// Ports that a plan may need at most.
pub fn ports_needed(desired: &Desired, observed: &Observed) -> usize {
    let spec = match &desired.wanted {
        Wanted::Release { release, .. } => Some(&release.spec),
        _ => observed.current.as_ref().map(|it| &it.spec),
    };
    let services = spec.map(|it| it.services.iter().map(|it| usize::from(it.instances)).sum());
    let scaled = match &desired.wanted {
        Wanted::Scale { instances } => instances.values().map(|it| usize::from(*it)).sum(),
        _ => 0,
    };
    // After a scaling more may run, or have run, than the release says.
    services.unwrap_or(0) + scaled + observed.active.len() + observed.stopped.len()
}

/// Decides all that the deployment will do.
///
/// # Errors
///
/// Where it cannot be wanted of what is: whose move it is then, and what to try.
pub fn plan(observed: &Observed, desired: &Desired) -> Result<Plan, Failure> {
    let fleet = fleet::Fleet::new(observed, desired)?;
    Ok(draft::draft(observed, desired, &fleet))
}
