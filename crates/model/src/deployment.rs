//! What is asked for, and what is remembered of it.

use crate::{
    failure::Failure,
    id::{DeploymentId, InstanceId},
    journal::{Outcome, Status},
    name::{EnvironmentId, Name},
    plan::{Kind, Plan, ReleaseLabel},
    release::Source,
    service::EnvironmentSpec,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A change to one environment, asked by somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Chosen by who asks: asking again with the same id is harmless.
    pub deployment: DeploymentId,
    /// The environment to change.
    pub environment: EnvironmentId,
    /// What is wanted.
    pub change: Change,
    /// Who asks: the CI actor, the SSH user or the user.
    pub by: String,
    /// Why, in the asker's words.
    pub reason: Option<String>,
    /// What is overridden; recorded with the deployment.
    pub overrides: Overrides,
}

/// What is wanted of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Another release.
    Deploy {
        /// The configuration, resolved by who asks.
        spec: Box<EnvironmentSpec>,
        /// Checked against the scheme; none: made by the scheme.
        version: Option<String>,
        /// Where its content comes from.
        source: Source,
        /// Only these; none: all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        services: Vec<Name>,
    },
    /// An earlier release, with its own configuration.
    Rollback {
        /// None: the newest accepted before the current one that was never rolled back.
        to: Option<String>,
        /// Also restore the backup that was made before the release came that is left.
        #[serde(default)]
        with_data: bool,
    },
    /// New instances of the current release.
    Restart,
    /// So many instances of these services.
    Scale {
        /// By service.
        instances: BTreeMap<Name, u16>,
    },
    /// No instances, until `Start`.
    Stop,
    /// As before the stop.
    Start,
}

/// What the asker wants to go on in spite of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Preflight findings that say they can be overridden.
    pub force: bool,
    /// Health checks; readiness is still awaited.
    pub skip_health_check: bool,
    /// Smoke tests.
    pub skip_smoke: bool,
    /// The backup before the first change.
    #[serde(default)]
    pub skip_backup: bool,
    /// Migrations.
    #[serde(default)]
    pub skip_migrate: bool,
    /// That earlier code meets a database from which later releases took something.
    #[serde(default)]
    pub accept_schema: bool,
    /// A lock that somebody keeps by hand.
    #[serde(default)]
    pub break_lock: bool,
    /// A freeze: why, in the asker's words.
    #[serde(default)]
    pub freeze: Option<String>,
    /// Windows: why, in the asker's words.
    #[serde(default)]
    pub window: Option<String>,
}

impl Overrides {
    /// What is left out by them, each in a sentence without its end; findings speak for themselves.
    pub fn left_out(&self) -> Vec<&'static str> {
        let health = "health is not asked (--skip-health-check): only readiness is awaited";
        let smoke = "no smoke test is run (--skip-smoke)";
        let backup = "nothing is backed up (--skip-backup): a rollback cannot bring data back";
        let migrate = "no migration is run (--skip-migrate): databases stay as they are";
        let given = [
            (self.skip_backup, backup),
            (self.skip_migrate, migrate),
            (self.skip_health_check, health),
            (self.skip_smoke, smoke),
        ];
        given.into_iter().filter(|it| it.0).map(|it| it.1).collect()
    }
}

/// A finding of preflight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What is wrong, and what to try.
    pub failure: Failure,
    /// `--force` goes on in spite of it.
    pub overridable: bool,
}

/// Where a deployment stands, for lists and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The lock is taken; the world is looked at.
    Planning,
    /// The plan is journaled.
    Running,
    /// It ended.
    Ended(Outcome),
}

/// What is remembered of one deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// Its id.
    pub id: DeploymentId,
    /// The environment.
    pub environment: EnvironmentId,
    /// Why it was done.
    pub kind: Kind,
    /// Where it stands.
    pub stage: Stage,
    /// What served before.
    pub from: Option<ReleaseLabel>,
    /// What shall, or did, serve after.
    pub to: Option<ReleaseLabel>,
    /// Who asked.
    pub by: String,
    /// Why, in the asker's words.
    pub reason: Option<String>,
    /// What was overridden.
    pub overrides: Overrides,
    /// Unix time in ms.
    pub started_at_ms: u64,
    /// Unix time in ms.
    pub ended_at_ms: Option<u64>,
    /// The first failure: why it did not end well, or what was left over.
    pub failure: Option<Failure>,
    /// Findings that were overridden.
    pub overridden: Vec<Finding>,
    /// None before the plan was made.
    pub plan: Option<Plan>,
    /// By the plan's steps.
    pub steps: Vec<StepRecord>,
    /// What the proxy counted from the first step to the end, if it could be asked.
    pub traffic: Option<Traffic>,
}

/// What is remembered of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its word.
    pub word: String,
    /// What it is about: an instance, a version.
    pub subject: String,
    /// Where it stands.
    pub status: Status,
    /// Unix time in ms of its first attempt.
    pub started_at_ms: Option<u64>,
    /// Unix time in ms of its outcome, its undo included.
    pub ended_at_ms: Option<u64>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What a watch came to, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

/// What the proxy counted of an environment during a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests that ended.
    pub requests: u64,
    /// Of these: answered with 5xx, or cut.
    pub failed: u64,
    /// Waited in a hold.
    pub held: u64,
    /// Of the new release.
    pub p99_us: u64,
    /// Who answered them, in the order in which the releases were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<Served>,
}

/// What one release answered during a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Its version.
    pub version: String,
    /// Requests that ended.
    pub requests: u64,
    /// Of these: answered with 5xx, or cut.
    pub failed: u64,
}

/// One line of a deployment's progress, as it happens and as it is replayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Rises within a deployment; 0 for lines that are not journaled.
    pub sequence: u64,
    /// Unix time in ms.
    pub at_ms: u64,
    /// What happened.
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum News {
    /// It was taken on.
    Accepted {
        /// Its id.
        deployment: DeploymentId,
        /// The environment.
        environment: EnvironmentId,
    },
    /// Something before the plan, or within a step, that a watcher wants to know.
    Note {
        /// In words.
        text: String,
    },
    /// A watch ended, and the release stays.
    Judged {
        /// What was found, in words.
        verdict: String,
    },
    /// Preflight found something.
    Found {
        /// It.
        finding: Finding,
        /// It is gone on in spite of it.
        overridden: bool,
    },
    /// The plan is made.
    Planned {
        /// It.
        plan: Box<Plan>,
    },
    /// A step came to this status.
    Step {
        /// By the plan's indices.
        index: usize,
        /// Its word.
        word: String,
        /// What it is about.
        subject: String,
        /// Now.
        status: Status,
        /// Why, where it failed.
        failure: Option<Failure>,
    },
    /// It ended.
    Ended {
        /// So.
        outcome: Outcome,
        /// The first failure.
        failure: Option<Failure>,
        /// What the proxy counted.
        traffic: Option<Traffic>,
        /// What serves now.
        serving: Option<ReleaseLabel>,
        /// Instances kept warm, until when (Unix time in ms).
        warm: Vec<(InstanceId, u64)>,
    },
}
