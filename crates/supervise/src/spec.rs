//! What one instance is to run: `ROOT/run/INSTANCE/spec.json`, written whole before the start.

use model::redact::Redactor;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// The format this build writes and reads.
pub const FORMAT: u32 = 1;

/// Everything `cutover supervise` needs to run one instance; it reads no other configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceSpec {
    /// Always [`FORMAT`].
    pub format: u32,
    /// The instance's id: also the name of its directory.
    pub instance: String,
    /// In the child's environment as `CUTOVER_TOKEN`: found again in `/proc/PID/environ`.
    pub token: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it starts: the release's real path.
    pub directory: PathBuf,
    /// All of the child's environment; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Who it runs as; none: as we do.
    pub user: Option<User>,
    /// What it may use.
    pub limits: Limits,
    /// The signal that asks it to end, as its number.
    pub stop_signal: i32,
    /// From the stop signal to the end of the whole group.
    pub grace_ms: u64,
    /// Whether it says `READY=1` itself; else readiness is asked from outside.
    pub notify: bool,
    /// What happens when it exits by itself.
    pub restart: Restart,
    /// It is stopped after so long, whoever watches; none: it may run for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_ms: Option<u64>,
    /// The Unix socket at which it is to listen: one that an earlier life left is removed before it
    /// starts, and its own is opened to all who may enter the directory.  None: it listens at none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<PathBuf>,
    /// Where its output goes.
    pub output: Output,
    /// Names of variables whose values are masked in its output.
    #[serde(default)]
    pub redact: Vec<String>,
}

impl InstanceSpec {
    /// Masks what is not to be seen in the output.
    pub fn redactor(&self) -> Redactor {
        let value = |name: &'_ String| self.environment.get_key_value(name);
        let values = self.redact.iter().filter_map(value);
        Redactor::new(values.map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

/// A user and group, already looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Limits on one instance and all its descendants; none: not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Needs a writable cgroup.
    pub memory_bytes: Option<u64>,
    /// Needs a writable cgroup.
    pub processes: Option<u64>,
    /// RLIMIT_NOFILE.
    pub files: Option<u64>,
}

/// What happens when the child exits by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Its exit is a verdict: somebody else decides.
    Never,
    /// Started again, with a delay that doubles from 100 ms to 10 s and is reset by 60 s of life.
    Always,
}

/// Files that get what the child writes: each line in `out` or `error`, and both in `combined`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// From stdout.
    pub out: PathBuf,
    /// From stderr.
    pub error: PathBuf,
    /// From both, each line led by the time and the instance's id.
    pub combined: PathBuf,
    /// A file above this is rotated.
    pub rotate_bytes: u64,
    /// Rotated files that are kept.
    pub rotate_count: u32,
    /// Lines are dropped, and counted, while less than this is free.
    pub free_bytes_min: u64,
}
