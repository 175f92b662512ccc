//! The unit of one instance: for this boot only, and without a secret.

use crate::units;
use model::{
    failure::Failure,
    id::InstanceId,
    service::ServiceSpec,
    systemd::{Allowance, SystemdSpec},
};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};
use supervise::{
    becoming::{EXIT_NOT_EXECUTED, EXIT_NOT_WANTED},
    spec::InstanceSpec,
};

/// Units that are gone with the next boot: what should run then is the journal's to say.
const DIRECTORY: &str = "/run/systemd/system";
/// Only with it is a unit ours.
const MARK: &str = "# An instance of cutover's, made anew at every start; state directory ";
const CAPABILITIES: &str = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID \
                            CAP_KILL CAP_NET_BIND_SERVICE CAP_SETGID CAP_SETUID CAP_SYS_RESOURCE";

pub(super) fn name(instance: &InstanceId) -> String {
    format!("cutover-{instance}.service")
}

pub(super) fn path(unit: &str) -> PathBuf {
    Path::new(DIRECTORY).join(unit)
}

/// The first line of each.
pub(super) fn mark(root: &Path) -> String {
    format!("{MARK}{}\n", root.display())
}

/// What a unit is made of.
pub(super) struct Parts<'a> {
    pub(super) root: &'a Path,
    pub(super) program: &'a Path,
    /// Holds the token alone.
    pub(super) environment_file: &'a Path,
    pub(super) spec: &'a InstanceSpec,
    pub(super) service: &'a ServiceSpec,
    pub(super) told: &'a SystemdSpec,
}

pub(super) fn text(parts: &Parts<'_>) -> Result<String, Failure> {
    let Parts { root, spec, service, told, .. } = parts;
    let (program, state) = (units::word(parts.program)?, units::word(root)?);
    let us = format!("{program} supervise --root {state} --instance {}", spec.instance);
    let kind = if spec.notify { "notify" } else { "exec" };
    let mut text = mark(root);
    let mut line = |it: &str| {
        text.push_str(it);
        text.push('\n');
    };
    line("[Unit]");
    line(&format!("Description=cutover's {}", spec.instance));
    line("StartLimitIntervalSec=0");
    line("");
    line("[Service]");
    line(&format!("Type={kind}"));
    if spec.notify || told.watchdog_ms.is_some() {
        line("NotifyAccess=all");
    }
    line(&format!("ExecStart={us} --become"));
    // Unhindered by what hinders the application.
    line(&format!("ExecStopPost=+{us} --ended"));
    line(&format!("EnvironmentFile={}", units::word(parts.environment_file)?));
    // What is not kept ends at the gate, which says so by these.
    line("Restart=always");
    line("RestartSec=250ms");
    line(&format!("RestartPreventExitStatus={EXIT_NOT_WANTED} {EXIT_NOT_EXECUTED}"));
    line("KillMode=mixed");
    line(&format!("KillSignal={}", spec.stop_signal));
    line(&format!("TimeoutStopSec={}ms", spec.grace_ms.max(1)));
    line(&format!("TimeoutStartSec={}ms", service.start_timeout.0.max(1)));
    line("OOMPolicy=continue");
    line(&format!("SyslogIdentifier={}", spec.instance));
    limits(&mut line, parts);
    hardening(&mut line, root, &told.allowances);
    // Last, so that they count.
    for (name, value) in &told.properties {
        line(&format!("{name}={value}"));
    }
    Ok(text)
}

fn limits(line: &mut impl FnMut(&str), parts: &Parts<'_>) {
    let (limits, told) = (&parts.service.limits, parts.told);
    if let Some(bytes) = limits.memory_bytes {
        line(&format!("MemoryMax={bytes}"));
        line("MemorySwapMax=0");
    }
    if let Some(processes) = limits.processes {
        line(&format!("TasksMax={processes}"));
    }
    if let Some(files) = limits.files {
        line(&format!("LimitNOFILE={files}"));
    }
    if let Some(percent) = told.cpu_percent {
        line(&format!("CPUQuota={percent}%"));
    }
    if let Some(watchdog) = told.watchdog_ms {
        line(&format!("WatchdogSec={watchdog}ms"));
    }
}

fn hardening(line: &mut impl FnMut(&str), root: &Path, allowances: &[Allowance]) {
    let allows = |it: Allowance| allowances.contains(&it);
    let lies_in = |places: &[&str]| places.iter().any(|it| root.starts_with(it));
    let mut text = format!(
        "NoNewPrivileges=yes\nLockPersonality=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes\n\
         SystemCallArchitectures=native\nCapabilityBoundingSet={CAPABILITIES}\n"
    );
    let mut add = |it: &str| {
        // A text takes what is written to it.
        let _ = writeln!(text, "{it}");
    };
    if !allows(Allowance::System) {
        add("ProtectSystem=full");
    }
    // What the state directory lies in must stay as it is.
    if !allows(Allowance::Home) && !lies_in(&["/home", "/root", "/run/user"]) {
        add("ProtectHome=read-only");
    }
    if !allows(Allowance::Tmp) && !lies_in(&["/tmp", "/var/tmp"]) {
        add("PrivateTmp=yes");
    }
    if !allows(Allowance::Devices) {
        add("PrivateDevices=yes");
    }
    if !allows(Allowance::Kernel) {
        for what in ["ControlGroups", "KernelLogs", "KernelModules", "KernelTunables", "Hostname"] {
            add(&format!("Protect{what}=yes"));
        }
    }
    if !allows(Allowance::Namespaces) {
        add("RestrictNamespaces=yes");
    }
    if !allows(Allowance::Sockets) {
        add("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK");
    }
    line(text.trim_end());
}
