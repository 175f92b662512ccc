//! How PM2 runs a service.

use crate::systemd::SystemdSpec;
use serde::{Deserialize, Serialize};

/// What runs the instances of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeSpec {
    /// A process that we supervise.
    #[default]
    Process,
    /// PM2.
    Pm2(Pm2Spec),
    /// systemd.
    Systemd(SystemdSpec),
}

impl RuntimeSpec {
    /// Whether we supervise it ourselves.
    pub fn is_process(&self) -> bool {
        *self == RuntimeSpec::Process
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            RuntimeSpec::Process => "process",
            RuntimeSpec::Pm2(_) => "pm2",
            RuntimeSpec::Systemd(_) => "systemd",
        }
    }
}

/// What is asked of PM2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pm2Spec {
    /// PM2's own program: a path, or a name that is looked for where programs of the system lie.
    pub program: String,
    /// `PM2_HOME`; none: one of ours, below the state directory.
    pub home: Option<String>,
    /// How PM2 starts it.
    pub mode: Mode,
    /// Processes that share one instance's port; more than one only in cluster mode.
    pub workers: u16,
    /// It sends `ready` to PM2 once it is.
    pub wait_ready: bool,
    /// PM2 restarts a process beyond it.
    pub max_memory_restart_bytes: Option<u64>,
    /// Leads each line of its log files.
    pub log_date_format: Option<String>,
    /// All workers write into one file.
    pub merge_logs: bool,
}

/// PM2's `exec_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A process by itself.
    #[default]
    Fork,
    /// Workers of Node's cluster module, whose port PM2's daemon holds.
    Cluster,
}

impl Mode {
    /// As PM2 writes it.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Fork => "fork",
            Mode::Cluster => "cluster",
        }
    }
}

impl Default for Pm2Spec {
    fn default() -> Pm2Spec {
        Pm2Spec {
            program: "pm2".to_owned(),
            home: None,
            mode: Mode::Fork,
            workers: 1,
            wait_ready: false,
            max_memory_restart_bytes: None,
            log_date_format: None,
            merge_logs: true,
        }
    }
}
