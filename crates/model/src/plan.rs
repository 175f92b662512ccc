//! What a deployment will do, whole, before any of it is done.

use crate::{
    backup::{BackupName, BackupRun},
    bake::BakeRule,
    build::BuildRun,
    check::Checks,
    hook::HookRun,
    id::{DeploymentId, Generation, InstanceId, ReleaseId},
    instance::Instance,
    migrate::MigrateRun,
    name::{EnvironmentId, Name},
    release::Source,
    role::QuietSignal,
    routes::Routes,
    service::{HealthSpec, Millis, Readiness, SmokeTest},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The plan version this build writes.  It resumes its own and the one before, and unwinds others.
///
/// Since 2 a plan may have several switches; since 3 backups; since 4 migrations; since 5 shares of
/// requests, and rules of a bake.
pub const PLAN_VERSION: u32 = 5;

/// Everything one deployment will do, decided before any of it is done.
///
/// A plan leaves the executor no choices: instance names, ports, generations and the routes to
/// return to are all in it.  So it can be printed, journaled, resumed after a crash, and tested
/// without a machine.  It holds no variable's value: those stay in the release's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_VERSION`] of the build that made it.
    pub version: u32,
    /// The deployment it is for.
    pub deployment: DeploymentId,
    /// The environment it changes, and the only one.
    pub environment: EnvironmentId,
    /// Why it is done.
    pub kind: Kind,
    /// What serves before; none: nothing did.
    pub from: Option<ReleaseLabel>,
    /// What serves after; none: nothing shall.
    pub to: Option<ReleaseLabel>,
    /// Services that go on as they are, beside those that it brings, and what they run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stays: BTreeMap<Name, ReleaseLabel>,
    /// In this order.
    pub steps: Vec<Step>,
    /// Steps before this index are undone if one of them fails; the last of them is `Confirm`.
    /// Steps from it on only ever go forward: they clear up after the old release.
    pub commit: usize,
}

/// Why an environment is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The first release of an environment.
    Initial,
    /// Another release.
    Update,
    /// Back to an earlier release.
    Rollback,
    /// New instances of the same release.
    Restart,
    /// More or fewer instances of the same release.
    Scale,
    /// No instances; 503 until it is started again.
    Stop,
    /// Instances of the release that was stopped.
    Start,
}

/// A release as people and paths name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseLabel {
    /// Its id.
    pub id: ReleaseId,
    /// Its version.
    pub version: String,
}

/// One idempotent act on the world.
///
/// A closed set, so that a reader sees all a deployment can do, `plan` can say it, and adding a
/// variant makes the compiler ask how it is done, undone and described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Back up what the deployment may change, before anything is changed.
    Backup {
        /// It.
        backup: BackupRun,
    },
    /// Put what a backup holds in the place of databases and directories, once the current state
    /// was backed up.
    Restore {
        /// What is restored.
        backup: BackupName,
        /// Of the current state: what an undo restores.
        before: BackupName,
        /// By whose configuration and variables.
        by: ReleaseId,
    },
    /// Put the release's content in its place.
    Stage {
        /// Whose record was written before the plan.
        release: ReleaseId,
        /// The directory's name.
        version: String,
        /// Where the content is now.
        source: Source,
    },
    /// Build the content where it lies.  Nothing leads there yet.
    Build {
        /// It.
        build: BuildRun,
    },
    /// Bring a database to the state that the release needs, with its code, before any of it
    /// starts.  It is not taken back: the old code must be able to live with what it made.
    Migrate {
        /// It.
        migration: MigrateRun,
    },
    /// Write the generations that later steps install, so that each of these is one rename.
    StageRoutes {
        /// All but the confirming one, which needs the nonce of the bake.
        staged: Vec<StagedRoutes>,
    },
    /// Put a generation in force that leads nowhere (503 with Retry-After), since none ever was:
    /// what the first trial falls back to.
    Announce {
        /// It.
        generation: Generation,
    },
    /// Keep warm instances from being ended by the reaper, since they shall serve again.
    Claim {
        /// They.
        instances: Vec<Instance>,
        /// From an undo on, they may be ended after so long.
        keep_warm: Millis,
    },
    /// Let requests wait in the proxy.  Undone last, by `back`, when the old serves again.
    Hold {
        /// In force before.
        from: Generation,
        /// To the old, held.
        held: Generation,
        /// To the old, not held.
        back: Generation,
    },
    /// Run the new instance.  It gets no traffic yet.
    Start {
        /// It.
        instance: Instance,
    },
    /// Wait until the instance is ready and healthy, or fail when patience is spent.
    Await {
        /// It.
        instance: Instance,
        /// What is asked.
        check: ReadyCheck,
    },
    /// Try requests on the candidate.
    Smoke {
        /// It.
        instance: Instance,
        /// In this order.
        tests: Vec<SmokeTest>,
    },
    /// Ask further questions: of a candidate, or, after the switch, by the public route.
    Check {
        /// One before the switch, all new ones of a service after it.
        instances: Vec<Instance>,
        /// What is asked.
        checks: Checks,
    },
    /// Tell workers of the old release to take no new job, and to go on with those they have.
    /// What is quiet can only be undone by a restart.
    Quiet {
        /// Of one service.
        instances: Vec<Instance>,
        /// What tells them.
        signal: QuietSignal,
        /// How each is known to be back, where it is undone.
        check: ReadyCheck,
    },
    /// Send the environment's traffic by `to`, on probation; the way back is `back`.
    Switch {
        /// In force before.  Of the first switch it is also what the proxy falls back to by itself.
        from: Generation,
        /// On probation.
        to: Generation,
        /// To the old for good: what an undo installs.
        back: Generation,
        /// Set where other switches follow, or came before: old and new serve together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<Share>,
    },
    /// Ask through the public route whether the new release answers.
    Verify {
        /// On probation.
        generation: Generation,
        /// Hosts and paths that are asked, each at least once.
        requests: Vec<PublicRequest>,
        /// The release that must answer.
        release: ReleaseId,
    },
    /// Watch the candidate under traffic.
    Bake {
        /// On probation.
        generation: Generation,
        /// The instances whose exits end it.
        instances: Vec<InstanceId>,
        /// At least so long.
        for_at_least: Millis,
        /// What is judged at its end.
        #[serde(default, skip_serializing_if = "BakeRule::is_default")]
        rule: BakeRule,
    },
    /// End the probation.  Once it is done and durable, the deployment only goes forward.
    Confirm {
        /// On probation.
        confirms: Generation,
        /// The same routes, for good.
        by: Routes,
    },
    /// From now on restart the instances when they exit.
    Keep {
        /// All that shall run from the commit on, those that ran before included.
        instances: Vec<InstanceId>,
    },
    /// Point `current` and `previous` at releases.
    Link {
        /// Version; none: nothing serves, and the link stays.
        current: Option<String>,
        /// Version; none: there is none, and no link to one.
        previous: Option<String>,
    },
    /// Let requests in flight to the instances finish.
    Drain {
        /// No route leads to them, or requests are held.
        instances: Vec<InstanceId>,
        /// Then what is left is ended.
        deadline: Millis,
    },
    /// End an instance that no route leads to, or that is held.
    Stop {
        /// It.
        instance: Instance,
        /// How it is known to be back, where the stop is undone.
        check: ReadyCheck,
    },
    /// Record that an instance may be ended later; the reaper does it.
    Retire {
        /// It.
        instance: Instance,
        /// From now.
        keep_warm: Millis,
    },
    /// Remove staged generations that were not used, and releases beyond what is kept.
    Prune {
        /// Generations whose staged files are of no use any more.
        generations: Vec<Generation>,
        /// Versions, chosen by retention when the plan was made.
        releases: Vec<String>,
        /// Whose backups beyond what is kept go, by its configuration.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backups: Option<ReleaseId>,
    },
    /// Run a program of the owner's, once.
    Hook {
        /// It.
        hook: HookRun,
    },
    /// Write `manifest.json`.
    Manifest,
}

/// A generation that is written before it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagedRoutes {
    /// What it says.
    pub routes: Routes,
    /// Set where it will be on probation.
    pub probation: Option<Probation>,
}

/// How far a replacement in batches, or by stages, has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// From 1.
    pub batch: u16,
    /// So many are planned.
    pub batches: u16,
    /// New instances that requests are sent to.
    pub new: u16,
    /// All instances that requests are sent to.
    pub all: u16,
    /// Of the requests, those that the new instances get; none: the same as of the instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

/// The proxy's own way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probation {
    /// In force before.
    pub fallback: Generation,
    /// From the swap, unless it is confirmed.
    pub expires: Millis,
}

/// What makes a candidate fit to be tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadyCheck {
    /// How it says that it is ready.
    pub readiness: Readiness,
    /// For readiness; an exit is a verdict at once.
    pub start_timeout: Millis,
    /// Asked when it is ready.
    pub health: Option<HealthSpec>,
}

/// A request through the public route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicRequest {
    /// Sent as `Host`.
    pub host: String,
    /// Sent as the path; any answer below 500 from the new release will do.
    pub path: String,
}

/// How the old release would return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBack {
    /// It still runs: one rename.
    Warm,
    /// It was stopped before the commit, so it would have to boot while requests are held.
    Cold,
}

impl Plan {
    /// The backup that it makes.
    pub fn backup(&self) -> Option<&BackupRun> {
        self.steps.iter().find_map(|it| match it {
            Step::Backup { backup } => Some(backup),
            _ => None,
        })
    }

    /// How the old release would return if a step before the commit failed.
    pub fn way_back(&self) -> WayBack {
        let stops = |it: &Step| matches!(it, Step::Stop { .. });
        if self.steps[..self.commit].iter().any(stops) { WayBack::Cold } else { WayBack::Warm }
    }

    /// The index of the first step that moves traffic.
    pub fn switch(&self) -> Option<usize> {
        self.steps.iter().position(|it| matches!(it, Step::Switch { .. }))
    }

    /// The version of a release that it takes traffic from or to.
    pub fn version_of(&self, release: &ReleaseId) -> Option<&str> {
        let labels = self.from.iter().chain(&self.to);
        let mut known = labels.filter(|it| it.id == *release).map(|it| it.version.as_str());
        known.next().or_else(|| {
            let staged = self.steps.iter().flat_map(|it| match it {
                Step::StageRoutes { staged } => staged.as_slice(),
                _ => &[],
            });
            let mut instances = staged.flat_map(|it| it.routes.instances());
            instances.find(|it| it.release == *release).map(|it| it.version.as_str())
        })
    }

    /// Whether another program, such as nginx, is led straight to what it switches to.
    pub fn leads_past_the_proxy(&self) -> bool {
        let staged = self.steps.iter().flat_map(|it| match it {
            Step::StageRoutes { staged } => staged.as_slice(),
            _ => &[],
        });
        let mut tried = staged.filter(|it| it.probation.is_some()).flat_map(|it| &it.routes.paths);
        tried.any(|it| it.links.is_some())
    }

    /// The generations that it needs: one is staged only when it confirms.
    pub fn generations(&self) -> u64 {
        let staged = self.steps.iter().map(|it| match it {
            Step::StageRoutes { staged } => staged.len() as u64,
            _ => 0,
        });
        staged.sum::<u64>() + 1
    }
}

impl Step {
    /// The word that progress, history and errors show for it.
    pub fn word(&self) -> &'static str {
        match self {
            Step::Backup { .. } => "backup",
            Step::Restore { .. } => "restore",
            Step::Stage { .. } => "stage",
            Step::Build { .. } => "build",
            Step::Migrate { .. } => "migrate",
            Step::StageRoutes { .. } => "routes",
            Step::Announce { .. } => "announce",
            Step::Claim { .. } => "claim",
            Step::Hold { .. } => "hold",
            Step::Start { .. } => "start",
            Step::Await { .. } => "health",
            Step::Smoke { .. } => "smoke",
            Step::Check { checks, .. } if checks.host.is_some() => "recheck",
            Step::Check { .. } => "check",
            Step::Quiet { .. } => "quiet",
            Step::Switch { .. } => "switch",
            Step::Verify { .. } => "verify",
            Step::Bake { .. } => "bake",
            Step::Confirm { .. } => "confirm",
            Step::Keep { .. } => "keep",
            Step::Link { .. } => "link",
            Step::Drain { .. } => "drain",
            Step::Stop { .. } => "stop",
            Step::Retire { .. } => "retire",
            Step::Prune { .. } => "clean up",
            Step::Hook { .. } => "hook",
            Step::Manifest => "manifest",
        }
    }
}
