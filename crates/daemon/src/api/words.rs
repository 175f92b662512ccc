//! What the daemon's API says and is told: JSON over HTTP/1.1 on `ROOT/daemon.sock`.
//!
//! | method, path | body | answer |
//! |---|---|---|
//! | `GET /v1/info` | | [`Info`] |
//! | `PUT /v1/uploads/PROJECT/ENVIRONMENT/DEPLOYMENT?archive=` | tar, or that format | `Received` |
//! | `PUT /v1/directories/PROJECT/ENVIRONMENT/DEPLOYMENT` | none; see below | [`Taking`] lines |
//! | `PUT /v1/lists/PROJECT/ENVIRONMENT/DEPLOYMENT` | a content list, to plan by | `Received` |
//! | `POST /v1/plan` | `model::deployment::Request` | [`PlanReport`] |
//! | `POST /v1/saved` | [`Keeping`] | [`Kept`] |
//! | `GET /v1/saved/ID` | | [`SavedShown`] |
//! | `POST /v1/saved/ID/deployments` | [`Using`] | [`Accepted`] |
//! | `POST /v1/admission` | [`Admission`] | 204 |
//! | `POST /v1/deployments` | `model::deployment::Request` | [`Accepted`] |
//! | `POST /v1/turns` | [`Turn`] | [`TurnReport`] within a second |
//! | `POST /v1/turns/leave` | [`Leaving`] | |
//! | `POST /v1/marks` | [`Marking`] | [`Marked`] |
//! | `GET /v1/deployments?project=&environment=&limit=` | | `[DeploymentRecord]`, newest first |
//! | `GET /v1/deployments/ID` | | `DeploymentRecord` |
//! | `GET /v1/deployments/ID/events?after=SEQUENCE` | | `Progress` lines until it ended |
//! | `POST /v1/deployments/ID/abort` | [`Asked`] | [`Accepted`] |
//! | `POST /v1/deployments/ID/promote` | [`Asked`] | [`Accepted`] |
//! | `POST /v1/deployments/ID/resume` | [`Asked`] | [`Accepted`] |
//! | `GET /v1/status` | | [`StatusReport`] |
//! | `POST /v1/releases/prune` | `prune::Asked` | `prune::Report` |
//! | `GET /v1/logs/PROJECT/ENVIRONMENT?…` | | text lines; see `logs::Which` |
//! | `POST /v1/one-offs` | `model::one_off::Asked` | `model::one_off::OneOff` |
//! | `GET /v1/one-offs` | | `[one_offs::Shown]`, oldest first |
//! | `GET /v1/one-offs/ID/output?out=&error=` | | `one_off::News` lines until it ended |
//! | `POST /v1/one-offs/ID/signal` | `one_offs::Signal` | 202 |
//! | `POST /v1/one-offs/ID/stop` | | 202 |
//! | `POST /v1/stop` | | 202; the daemon ends, instances and proxy go on |
//!
//! Any other status than 2xx carries an [`ErrorReport`].  `ID` may be `latest` with
//! `?project=&environment=`.
//!
//! A directory is handed over as an open descriptor (`SCM_RIGHTS`) that comes with an empty line
//! before the request: the user who runs the daemon may do that, and nobody else.

use drivers::{releases::Received, runtime::pm2::Listed};
use model::{
    control::{Mark, Marks, Said, Waiter},
    deployment::{DeploymentRecord, Finding, Overrides, Request},
    failure::Failure,
    id::DeploymentId,
    name::EnvironmentId,
    outlook::Outlook,
    plan::{Plan, ReleaseLabel, Share},
    release::difference::Difference,
    saved::{Brief, Keeps},
    service::EnvironmentSpec,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Of the program.
    pub version: String,
    /// Of the daemon.
    pub pid: u32,
    /// This life of the controller.
    pub epoch: u64,
    /// Unix time in ms.
    pub started_at_ms: u64,
    /// It still recovers: deployments are taken once it has.
    pub recovering: bool,
}

/// The request is taken; watch its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its id.
    pub deployment: DeploymentId,
    /// It was taken before.
    pub known: bool,
}

/// Somebody asks for his turn, and asks again until it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What shall be done then.
    pub request: Request,
    /// Unix time in ms of the first asking: what the order goes by.
    pub since_ms: u64,
    /// Take the place of who waits, and of who has not switched the traffic yet.
    pub supersede: bool,
}

/// Somebody does not wait any longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaving {
    /// Where he waited.
    pub environment: EnvironmentId,
    /// Whose place it was.
    pub deployment: DeploymentId,
}

/// How it stands with a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "turn", rename_all = "snake_case")]
pub enum TurnReport {
    /// It came: watch its events.
    Came(Accepted),
    /// It did not yet: ask again at once, or give the place up.
    Waits(Box<Place>),
}

/// A place in the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// From 1.
    pub position: usize,
    /// Who waits, the next first, the asker included.
    pub queue: Vec<Waiter>,
    /// Who has the lock.
    pub holder: Option<Box<DeploymentRecord>>,
    /// Who keeps it by hand.
    pub kept: Option<Mark>,
}

/// Something that is said of an environment by hand, or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marking {
    /// Which environment.
    pub environment: EnvironmentId,
    /// What.
    pub said: Said,
    /// It shall hold; else it is taken back.
    pub holds: bool,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What was said of an environment before, where it is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// What was taken back.
    pub before: Option<Mark>,
}

/// Who asks for an abort, a resume or a promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The CI actor, the SSH user or the user.
    pub by: String,
}

/// What would be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanReport {
    /// What preflight found; any that is not overridable means that a deployment would be refused.
    pub findings: Vec<Finding>,
    /// None where the findings allow none.
    pub plan: Option<Plan>,
    /// One sentence a step.
    pub sentences: Vec<String>,
    /// `0`, or why requests would wait.
    pub downtime: String,
    /// Services that would run in another number than is configured, since they were scaled.
    #[serde(default)]
    pub scaled: Vec<String>,
    /// What would differ from what serves, or from nothing; none: the change is no deployment.
    #[serde(default)]
    pub changes: Option<Changes>,
    /// Routes, instances and ports as they would be, and what stays done.
    #[serde(default)]
    pub outlook: Option<Outlook>,
    /// None: nothing is put in its place.
    #[serde(default)]
    pub disk: Option<Disk>,
}

/// What a deployment would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The content is what serves; none: nothing serves.
    pub same_content: Option<bool>,
    /// Variables by name, and everything else that is configured.
    pub configuration: Difference,
    /// By the hashes of both; none: told by an older build.
    #[serde(default)]
    pub files: Option<FileChanges>,
}

/// Files and links that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChanges {
    /// Only there afterwards.
    pub added: Files,
    /// There now and afterwards, with other content, mode or kind.
    pub changed: Files,
    /// Only there now.
    pub removed: Files,
}

/// Some files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// All of them.
    pub count: usize,
    /// Of all of them.
    pub bytes: u64,
    /// The first, by path.
    pub names: Vec<String>,
}

/// Room on the file system of the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// What the content takes for a moment.
    pub needed_bytes: u64,
    /// What has to be free: less is a finding.
    pub asked_bytes: u64,
    /// What is.
    pub free_bytes: u64,
}

/// A plan or a staged release that shall be kept for later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keeping {
    /// What shall be deployed then; its content was sent before.
    pub request: Request,
    /// Which of both.
    pub keeps: Keeps,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What would be done, and what speaks against it.
    #[serde(flatten)]
    pub report: PlanReport,
    /// None: what speaks against it is not overridden, and nothing is kept.
    pub saved: Option<Brief>,
    /// Older ones that had to go.
    pub gone: Vec<Brief>,
}

/// One that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedShown {
    /// Of which.
    pub environment: EnvironmentId,
    /// Whether a deployment there is confirmed; none: nothing is configured.
    pub confirm: Option<bool>,
    /// It.
    pub saved: Brief,
}

/// Somebody deploys what is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Using {
    /// Chosen by who asks: asking again with the same id is harmless.
    pub deployment: DeploymentId,
    /// Who asks.
    pub by: String,
    /// Why; none: as it was said when it was kept.
    pub reason: Option<String>,
    /// Besides those that were asked for when it was kept.
    pub overrides: Overrides,
    /// The configuration as it is now, where the asker has it.
    pub spec: Option<Box<EnvironmentSpec>>,
}

/// Somebody wants to know whether he would be let in, before he sends anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// What shall be deployed.
    pub request: Request,
    /// Of its content, where it is known before it is sent.
    pub digest: Option<String>,
    /// He would wait for the lock, or take the place of who has it.
    pub waits: bool,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// What the command line exits with.
    pub exit_code: u8,
    /// Why, whose move it is, what to try.
    pub failure: Failure,
    /// The deployment that has the lock, where that is why.
    pub holder: Option<Box<DeploymentRecord>>,
}

/// A line of the answer to a directory that was handed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "taking", rename_all = "snake_case")]
pub enum Taking {
    /// How far it is.
    Copied {
        /// So far.
        bytes: u64,
        /// In all, as far as it was looked through.
        total: u64,
    },
    /// The last: all of it was taken.
    Received(Received),
    /// The last: it cannot be taken this way, and must be sent.
    SendIt {
        /// Why.
        why: String,
    },
    /// The last: nothing was taken.
    Refused(Box<ErrorReport>),
}

/// What was found when an environment was asked for its health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// It.
    pub environment: EnvironmentId,
    /// The sum of it.
    pub status: HealthState,
    /// `pass` or `fail`, by instance, and for the public route.
    pub checks: BTreeMap<String, String>,
    /// What was measured.
    pub metrics: HealthMetrics,
    /// When, as ISO 8601 in UTC.
    pub timestamp: String,
    /// Those that failed, and why.
    pub failures: Vec<CheckResult>,
}

/// Healthy, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Everything passed.
    Healthy,
    /// Something failed.
    Unhealthy,
}

/// What was measured; none: nobody could be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthMetrics {
    /// Mean of the public route, in milliseconds.
    pub response_time: Option<f64>,
    /// Percent of the limit, else of the machine's memory, of the instance that takes most of it.
    pub memory_usage: Option<f64>,
    /// Percent of all processors.
    pub cpu_usage: Option<f64>,
}

/// One of the questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// An instance, or `public route`.
    pub name: String,
    /// None: it passed.
    pub failure: Option<Failure>,
}

/// One screen of truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The state directory.
    pub root: String,
    /// None: it does not run.
    pub controller: Option<Info>,
    /// Unix time in ms when the controller was last seen, where it does not run.
    pub controller_last_seen_ms: Option<u64>,
    /// None: it does not run.
    pub proxy: Option<ProxyReport>,
    /// All that are known here.
    pub environments: Vec<EnvironmentReport>,
    /// On the file system of the root.
    pub disk_free_bytes: u64,
    /// What somebody should look at.
    pub alerts: Vec<String>,
}

/// The data plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyReport {
    /// Its process.
    pub pid: u32,
    /// Where it accepts.
    pub addresses: Vec<String>,
    /// Since it started.
    pub uptime_ms: u64,
    /// Client connections open now.
    pub connections: u64,
}

/// A release that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialReport {
    /// Requests to the new.
    pub requests: u64,
    /// Of these: 5xx or no answer.
    pub failed: u64,
    /// How far it has come, where it comes by batches or stages.
    pub share: Option<Share>,
}

/// One environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentReport {
    /// Its name.
    pub id: EnvironmentId,
    /// What the route file and the proxy say is served; never what was hoped.
    pub serving: Vec<ReleaseLabel>,
    /// Unix time in ms of the deployment that brought it.
    pub since_ms: Option<u64>,
    /// In a word.
    pub state: EnvironmentState,
    /// In force.
    pub generation: u64,
    /// The generation that it would return to, while on probation.
    pub probation: Option<u64>,
    /// What is seen of it while it is watched.
    #[serde(default)]
    pub trial: Option<TrialReport>,
    /// Requests wait.
    pub held: bool,
    /// Host names.
    pub hosts: Vec<String>,
    /// Path prefixes and their services.
    pub paths: Vec<(String, String)>,
    /// Serving, warm and candidate instances.
    pub instances: Vec<InstanceReport>,
    /// What it runs by the clock.
    #[serde(default)]
    pub jobs: Vec<JobReport>,
    /// Services with routes that run in another number than is configured, since they were scaled.
    #[serde(default)]
    pub scaled: Vec<String>,
    /// The versions that the links point at.
    pub current: Option<String>,
    /// As `current`.
    pub previous: Option<String>,
    /// Links that are broken or disagree with what serves, in words.
    pub link_problems: Vec<String>,
    /// Of the proxy, since it started, of what serves.
    pub requests: u64,
    /// As `requests`: 5xx or cut.
    pub failed: u64,
    /// What was said of it by hand.
    #[serde(default)]
    pub marks: Marks,
    /// Plans and staged releases that are kept for later, the newest first.
    #[serde(default)]
    pub saved: Vec<Brief>,
    /// Who waits for its lock, the next first.
    #[serde(default)]
    pub queue: Vec<Waiter>,
    /// Not ended.
    pub active: Option<DeploymentRecord>,
    /// Why it needs attention, if it does.
    pub attention: Option<DeploymentRecord>,
    /// Ended, newest first.
    pub last: Vec<DeploymentRecord>,
    /// Versions that a rollback could go to, best first, and whether they are warm.
    pub rollback_options: Vec<(String, bool)>,
    /// What to type next, if something is to be done.
    pub next_command: Option<String>,
}

/// What is run by the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// Its service.
    pub service: String,
    /// Five fields.
    pub schedule: String,
    /// Of the schedule.
    pub timezone: String,
    /// Unix time in ms; none: never, or the environment is stopped.
    pub next_ms: Option<u64>,
    /// Times in a row it was due while it still ran.
    pub skipped: u32,
    /// The last run.
    pub last: Option<JobRun>,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRun {
    /// As its lines in the log name it.
    pub id: String,
    /// Of its release.
    pub version: String,
    /// Unix time in ms.
    pub due_ms: u64,
    /// Unix time in ms; none: it runs.
    pub ended_at_ms: Option<u64>,
    /// None: it runs.
    pub exit_code: Option<u8>,
    /// In words; none: it runs.
    pub how: Option<String>,
}

/// An environment in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentState {
    /// It serves.
    Active,
    /// It was stopped, or never deployed.
    Inactive,
    /// A deployment runs.
    Deploying,
    /// It should serve, and does not.
    Failed,
    /// A deployment stopped half-way; an operator must look.
    NeedsAttention,
}

/// The status of what is no process: the proxy answers with files of its release.
pub const STATIC: &str = "static";

impl InstanceReport {
    /// Whether requests to it are answered, as far as can be seen from outside.
    pub fn serves(&self) -> bool {
        self.status == "running" || self.status == STATIC
    }
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// Its id.
    pub id: String,
    /// Its service.
    pub service: String,
    /// Its release's version.
    pub version: String,
    /// `serving`, `warm`, `candidate`, `stray`.
    pub role: String,
    /// `running`, `exited: …`, `absent`, `stopped`, or [`STATIC`].
    pub status: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Where it answers.
    pub port: Option<u16>,
    /// The Unix socket at which it answers, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// Blue or green.
    pub slot: String,
    /// Times it was started again.
    pub restarts: u32,
    /// Unix time in ms.
    pub since_ms: Option<u64>,
    /// Resident, of all its processes.
    pub memory_bytes: Option<u64>,
    /// Requests in flight.
    pub in_flight: u64,
    /// Kept warm until then, Unix time in ms.
    pub warm_until_ms: Option<u64>,
    /// The unit that systemd runs it in; none: systemd does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What PM2 lists of it, where PM2 runs it; empty: it does not, or says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pm2: Vec<Listed>,
}
