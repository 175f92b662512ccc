//! A service with every value resolved for one environment: what the configuration comes to.

use crate::{
    backup::BackupSpec,
    bake::BakeRule,
    build::BuildSpec,
    canary::Canary,
    check::Check,
    edge::Edge,
    files::Files,
    hook::Hook,
    migrate::MigrateSpec,
    name::{EnvironmentId, Name},
    nginx::FrontSpec,
    pm2::RuntimeSpec,
    role::QuietSignal,
    schedule::Schedule,
    shared::Shared,
    window::Windows,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// So many seconds.
    pub const fn seconds(count: u64) -> Millis {
        Millis(count * 1000)
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// One environment, resolved: all that a deployment needs besides the release's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// Its project and name.
    pub id: EnvironmentId,
    /// Host names it answers to, lower case; `*` for every host that nobody else names.
    pub domains: Vec<String>,
    /// How its versions look.
    pub version: VersionScheme,
    /// Releases kept besides those that are needed.
    pub keep_releases: u32,
    /// Free bytes that preflight asks for; none: the greater of 1 GB and twice the need.
    pub disk_free_bytes: Option<u64>,
    /// At least one.
    pub services: Vec<ServiceSpec>,
    /// Where the embedded proxy listens; the same for all environments of one root.
    pub listen: Vec<String>,
    /// Addresses and ranges of the proxies in front whose word on clients is taken; None: nothing
    /// is said, and what was said before holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<Vec<String>>,
    /// What the proxy does of itself for its hosts; None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<Edge>,
    /// nginx, where it stands in front of the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front: Option<FrontSpec>,
    /// What all its releases have in common.
    #[serde(default, skip_serializing_if = "Shared::is_empty")]
    pub shared: Shared,
    /// Who may deploy when, and what is run beside.
    #[serde(default, skip_serializing_if = "ControlSpec::is_default")]
    pub control: ControlSpec,
    /// How its content is built on the host; empty: it comes whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builds: Vec<BuildSpec>,
    /// Programs that the host must have, and the versions that will do: `node` to `>=18`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, String>,
    /// What is backed up; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupSpec>,
}

/// Who may deploy when, and what is run beside the steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ControlSpec {
    /// Whether a deployment is confirmed by typing a word; none: in `production`, where somebody is
    /// there.
    pub confirm: Option<bool>,
    /// When deployments are let in.
    pub windows: Windows,
    /// The environment of the same project that must have accepted the content before.
    pub require: Option<Name>,
    /// Programs that are run beside the steps.
    pub hooks: Vec<Hook>,
}

impl ControlSpec {
    fn is_default(&self) -> bool {
        *self == ControlSpec::default()
    }
}

/// How an environment's versions look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionScheme {
    /// `YYYYMMDD-HHMM` in UTC; made when left out.
    Timestamp,
    /// `X.Y.Z` with an optional pre-release; a leading `v` is dropped.
    Semver,
    /// The short commit; taken from the source when left out.
    Git,
    /// Any single path segment of letters, digits, `.`, `_`, `+` and `-`.
    Any,
}

/// One service of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// Its name.
    pub name: Name,
    /// Program and arguments; placeholders are filled when an instance is started.
    pub command: Vec<String>,
    /// Files that the router answers with, and no process; none: a process does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
    /// What runs it.
    #[serde(default, skip_serializing_if = "RuntimeSpec::is_process")]
    pub runtime: RuntimeSpec,
    /// Copies that run.
    pub instances: u16,
    /// Its command is run by the clock, and no instance of it runs.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Path prefixes on whole segments; empty for a service without traffic.
    pub routes: Vec<String>,
    /// A fixed port instead of one from our range.
    pub port: Option<u16>,
    /// Its instances listen at Unix sockets; none: at ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<Socket>,
    /// How it says that it is ready.
    pub readiness: Readiness,
    /// Asked before the switch; none: readiness is enough.
    pub health: Option<HealthSpec>,
    /// Asked of each candidate before the switch.
    pub smoke: Vec<SmokeTest>,
    /// Further questions to each candidate before the switch.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// How the new takes over from the old.
    pub strategy: Strategy,
    /// How `strategy: rolling` goes on.
    #[serde(default)]
    pub rolling: Rolling,
    /// How `strategy: canary` goes on.
    #[serde(default)]
    pub canary: Canary,
    /// How long requests in flight to the old may take.
    pub drain: Millis,
    /// The signal that asks an instance to end.
    pub stop_signal: StopSignal,
    /// Tells an instance without routes, before the switch, to take no new job; none: it works
    /// until it is stopped.
    #[serde(default)]
    pub quiet_signal: Option<QuietSignal>,
    /// From the stop signal to the end of the whole group.
    pub grace: Millis,
    /// How long an instance may take to become ready.
    pub start_timeout: Millis,
    /// How long the new is watched under traffic before it is confirmed.
    pub bake: Millis,
    /// What is judged then.
    #[serde(default)]
    pub verdict: BakeRule,
    /// How long the old is kept running for a quick way back after the commit.
    pub keep_warm: Millis,
    /// What each instance may use.
    pub limits: Limits,
    /// The user it runs as.
    pub user: Option<String>,
    /// All run-time variables, in their order of precedence already merged.
    pub env: BTreeMap<String, String>,
    /// Names of the variables that came from an env file: their values are not shown.
    pub secret_env: Vec<String>,
    /// Whether the proxy keeps connections to it.
    pub upstream_keepalive: bool,
    /// Brings its database to the state that its code needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrate: Option<MigrateSpec>,
}

/// That a service's instances listen at Unix sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// nginx goes straight to them, by so many links; none: only the proxy goes there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<u16>,
}

/// How an instance says that it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Its port accepts.
    Port,
    /// It sends `READY=1` to `NOTIFY_SOCKET`.
    Notify,
    /// It has no port: that it runs, and goes on to for [`ALIVE`], is enough.
    Running,
    /// It runs for so long.
    Alive(Millis),
    /// A line that it writes matches this regular expression.
    Log(String),
}

/// What has no better way to say that it is ready must have lived so long.
pub const ALIVE: Millis = Millis::seconds(1);

/// The question after readiness, and how patiently it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthSpec {
    /// The question.
    pub probe: Probe,
    /// From the end of one asking to the next, after the first passed.
    pub interval: Millis,
    /// For one asking.
    pub timeout: Millis,
    /// Passes in a row that make it healthy.
    pub successes: u32,
    /// Askings, after readiness, that may fail before it is given up.
    pub tries: u32,
}

/// A question asked of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// GET the path; a health document's status counts as well as the HTTP status.
    Http {
        /// Starts with `/`.
        path: String,
        /// The wanted status.
        status: u16,
    },
    /// The port accepts.
    Tcp,
    /// A program in the release's directory, with the instance's environment, ends with 0.
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// One request that is sent to each candidate, and what must come back.
///
/// Several make a sequence: what one captures, the later ones may use as `{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmokeTest {
    /// `GET`, `POST` or another, upper case.
    pub method: String,
    /// Starts with `/`.
    pub path: String,
    /// The wanted status; 200 when left out.
    pub status: u16,
    /// Text that the body must contain.
    pub contains: Option<String>,
    /// Fields of a JSON body by dotted path; placeholders in values are filled.
    pub json: BTreeMap<String, serde_json::Value>,
    /// Sent with it.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Sent with it.
    #[serde(default)]
    pub body: Option<Body>,
    /// A regular expression that must be found in the body.
    #[serde(default)]
    pub matches: Option<String>,
    /// Headers of the answer, names in lower case, and their whole values.
    #[serde(default)]
    pub expect_headers: BTreeMap<String, String>,
    /// Parts of the answer that later requests of the sequence use, by name.
    #[serde(default)]
    pub capture: BTreeMap<String, Capture>,
    /// For the whole answer.
    #[serde(default = "smoke_timeout")]
    pub timeout: Millis,
}

/// What a request carries.  Placeholders in its texts are filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// As it is.
    Text(String),
    /// As `application/json`.
    Json(serde_json::Value),
    /// As `application/x-www-form-urlencoded`.
    Form(BTreeMap<String, String>),
}

/// Where in an answer a captured value stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// A field of a JSON body, by dotted path.
    Json(String),
    /// A header, lower case.
    Header(String),
    /// A cookie that is set.
    Cookie(String),
}

/// For one request of a smoke test where nothing else is said.
pub const SMOKE_TIMEOUT: Millis = Millis::seconds(10);

fn smoke_timeout() -> Millis {
    SMOKE_TIMEOUT
}

impl SmokeTest {
    /// GET the path; 200 is wanted, and nothing else of the answer.
    pub fn get(path: impl Into<String>) -> SmokeTest {
        SmokeTest {
            method: "GET".to_owned(),
            path: path.into(),
            status: 200,
            contains: None,
            json: BTreeMap::new(),
            headers: BTreeMap::new(),
            body: None,
            matches: None,
            expect_headers: BTreeMap::new(),
            capture: BTreeMap::new(),
            timeout: SMOKE_TIMEOUT,
        }
    }
}

/// How the new takes over from the old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// New beside old, then one switch.
    BlueGreen,
    /// Requests are held while the old stops and the new starts.
    Recreate,
    /// New beside old, then a switch for each batch of instances.
    Rolling,
    /// New beside old, then a switch for each share of the requests.
    Canary,
}

/// How a rolling replacement goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rolling {
    /// Instances that are started, and switched to, at a time.
    pub batch: u16,
}

impl Default for Rolling {
    fn default() -> Rolling {
        Rolling { batch: 1 }
    }
}

/// What each instance may use; none: not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// With all its descendants.
    pub memory_bytes: Option<u64>,
    /// With all its descendants.
    pub processes: Option<u64>,
    /// Open files of each process.
    pub files: Option<u64>,
}

/// Signals that may ask an instance to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    /// 15, the default.
    SigTerm,
    /// 2.
    SigInt,
    /// 3.
    SigQuit,
    /// 1.
    SigHup,
    /// 10.
    SigUsr1,
    /// 12.
    SigUsr2,
}

impl StopSignal {
    /// Its number on Linux.
    pub fn number(self) -> i32 {
        match self {
            StopSignal::SigTerm => 15,
            StopSignal::SigInt => 2,
            StopSignal::SigQuit => 3,
            StopSignal::SigHup => 1,
            StopSignal::SigUsr1 => 10,
            StopSignal::SigUsr2 => 12,
        }
    }
}
