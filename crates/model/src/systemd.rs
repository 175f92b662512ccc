//! How systemd runs a service.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is asked of systemd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemdSpec {
    /// It is ended, and started again, when it has said nothing for so long.
    pub watchdog_ms: Option<u64>,
    /// Of one processor; 150 is one and a half.
    pub cpu_percent: Option<u32>,
    /// What of the hardening is left out.
    pub allowances: Vec<Allowance>,
    /// Further properties of its unit, as they are.
    pub properties: BTreeMap<String, String>,
}

/// One restriction that an application may need to be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allowance {
    /// Devices of the host.
    Devices,
    /// Files in users' homes.
    Home,
    /// Settings and modules of the kernel, its log and clock, control groups.
    Kernel,
    /// Namespaces of its own, as browsers make for their pages.
    Namespaces,
    /// All kinds of sockets, and not only local ones and those of IP.
    Sockets,
    /// Files of the system.
    System,
    /// The host's temporary files instead of its own.
    Tmp,
}

impl Allowance {
    /// All of them.
    pub const ALL: [Allowance; 7] = [
        Allowance::Devices,
        Allowance::Home,
        Allowance::Kernel,
        Allowance::Namespaces,
        Allowance::Sockets,
        Allowance::System,
        Allowance::Tmp,
    ];

    /// Its name in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Allowance::Devices => "devices",
            Allowance::Home => "home",
            Allowance::Kernel => "kernel",
            Allowance::Namespaces => "namespaces",
            Allowance::Sockets => "sockets",
            Allowance::System => "system",
            Allowance::Tmp => "tmp",
        }
    }
}

/// Properties that are ours to say: with others the instance would not be what the release says.
const OURS: [&str; 26] = [
    "Type",
    "ExecStart",
    "ExecStartPre",
    "ExecStartPost",
    "ExecCondition",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
    "Restart",
    "RestartSec",
    "RestartPreventExitStatus",
    "RestartForceExitStatus",
    "SuccessExitStatus",
    "RemainAfterExit",
    "KillMode",
    "KillSignal",
    "SendSIGKILL",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "TimeoutSec",
    "WatchdogSec",
    "NotifyAccess",
    "User",
    "Group",
    "DynamicUser",
    "WorkingDirectory",
];
/// The same, of what it is told and writes.
const OURS_BY_START: [&str; 6] =
    ["Environment", "PassEnvironment", "UnsetEnvironment", "Standard", "Syslog", "Root"];
const NAME_CHARACTERS_MAX: usize = 64;
const VALUE_CHARACTERS_MAX: usize = 1024;

/// Why a property cannot be given, if so.
pub fn property_problem(name: &str, value: &str) -> Option<String> {
    let is_name = name.len() <= NAME_CHARACTERS_MAX
        && name.starts_with(|it: char| it.is_ascii_uppercase())
        && name.bytes().all(|it| it.is_ascii_alphanumeric());
    if !is_name {
        return Some("it is no property's name, such as `IOWeight`".to_owned());
    }
    let ours = OURS.contains(&name) || OURS_BY_START.iter().any(|it| name.starts_with(it));
    if ours {
        return Some("cutover says it, by the keys of the service".to_owned());
    }
    let length = value.chars().count();
    if value.chars().any(char::is_control) || value.ends_with('\\') || length > VALUE_CHARACTERS_MAX
    {
        return Some("its value must be one line of at most 1024 characters".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_ours_and_one_line_may_be_given() {
        for (name, value) in [("IOWeight", "200"), ("Slice", "web.slice"), ("CPUWeight", "50")] {
            assert_eq!(property_problem(name, value), None, "{name}");
        }
        let wrong = [
            ("ExecStart", "/bin/sh"),
            ("User", "root"),
            ("EnvironmentFile", "/x"),
            ("RootDirectory", "/x"),
            ("ioweight", "1"),
            ("IOWeight=1\nUser", "1"),
            ("IOWeight", "1\nExecStart=/bin/sh"),
            ("IOWeight", "1\\"),
        ];
        for (name, value) in wrong {
            assert!(property_problem(name, value).is_some(), "{name}");
        }
    }
}
