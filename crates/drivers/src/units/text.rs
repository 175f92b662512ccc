//! What the units say.

use super::{Part, Units};
use model::failure::{Blame, Failure};
use std::path::Path;

/// A temporary directory of its own would hide a state directory that lies there.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

pub(super) fn of(part: Part, units: &Units) -> Result<String, Failure> {
    let names = Names {
        program: word(&units.program)?,
        root: word(&units.root)?,
        plain_root: specifiers(&units.root.to_string_lossy()),
        controller: Part::Controller.unit(&units.name),
        proxy: Part::Proxy.unit(&units.name),
        instances: Part::Instances.unit(&units.name),
    };
    Ok(match part {
        Part::Controller => controller(&names),
        Part::Proxy => proxy(&names, &units.root),
        Part::Instances => instances(&names),
    })
}

struct Names {
    program: String,
    root: String,
    plain_root: String,
    controller: String,
    proxy: String,
    instances: String,
}

/// It starts users' programs, so it keeps what they may need: no file system of its own.
fn controller(names: &Names) -> String {
    let Names { program, root, plain_root, instances, .. } = names;
    format!(
        "[Unit]
Description=cutover's controller of {plain_root}
Wants={instances}
After=network.target {instances}
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={program} daemon --root {root}
Environment=HOME=%h LANG=C.UTF-8
Restart=on-failure
RestartSec=200ms
# Only the controller ends with its unit: what serves goes on, and is found again.
KillMode=process
TimeoutStartSec=2min
TimeoutStopSec=15s
# Instances are limited one by one, in groups below this one.
Delegate=yes
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=1048576
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
CapabilityBoundingSet=~CAP_SYS_MODULE CAP_SYS_BOOT CAP_SYS_TIME CAP_SYSLOG CAP_MAC_ADMIN
CapabilityBoundingSet=~CAP_MAC_OVERRIDE CAP_AUDIT_CONTROL CAP_WAKE_ALARM CAP_SYS_RAWIO

[Install]
WantedBy=multi-user.target
"
    )
}

fn proxy(names: &Names, root: &Path) -> String {
    let Names { program, root: root_word, plain_root, instances, .. } = names;
    let private_tmp = if TEMPORARY.iter().any(|it| root.starts_with(it)) { "no" } else { "yes" };
    format!(
        "[Unit]
Description=cutover's proxy of {plain_root}
Wants={instances}
After=network.target {instances}
# There is one since the first deployment: it says where to listen.
ConditionPathExists={plain_root}/proxy/holder.json
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={program} supervise --root {root_word} --holder
# A proxy that served on while this unit was started again is replaced by a new one.
ExecStartPost=-{program} --root {root_word} proxy restart --left-over
Restart=on-failure
RestartSec=100ms
# Only the holder ends with its unit: the proxy serves on.  `cutover proxy stop` ends both.
KillMode=process
FileDescriptorStoreMax=64
TimeoutStartSec=1min
TimeoutStopSec=15s
OOMPolicy=continue
TasksMax=4096
LimitNOFILE=1048576
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={root_word}
ProtectHome=read-only
PrivateTmp={private_tmp}
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_KILL
UMask=0077

[Install]
WantedBy=multi-user.target
"
    )
}

fn instances(names: &Names) -> String {
    let Names { program, root, plain_root, controller, proxy, .. } = names;
    format!(
        "[Unit]
Description=cutover's instances of {plain_root}: ended when the host goes down
# Ended after these, in the order in which what serves may end.
Before={controller} {proxy}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStop={program} --root {root} down --all --yes --until-start
KillMode=process
TimeoutStopSec=5min

[Install]
WantedBy=multi-user.target
"
    )
}

/// One word of a command line, as systemd reads it.
pub(crate) fn word(path: &Path) -> Result<String, Failure> {
    let text = path.to_string_lossy();
    if text.chars().any(|it| it.is_control() || it == '\u{fffd}') {
        let message = format!("name {} in a unit: it has odd characters", path.display());
        return Err(Failure::new(Blame::Request, message));
    }
    let escaped = specifiers(&text).replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$");
    let plain = escaped.chars().all(|it| it.is_ascii_alphanumeric() || "/._-+@,:%".contains(it));
    Ok(if plain { escaped } else { format!("\"{escaped}\"") })
}

/// systemd replaces what begins with `%`.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_stay_one_word() {
        let of = |text: &str| word(Path::new(text));
        assert_eq!(of("/var/lib/cutover").unwrap(), "/var/lib/cutover");
        assert_eq!(of("/a b/%h/$x\"").unwrap(), "\"/a b/%%h/$$x\\\"\"");
        assert!(of("/a\nExecStart=/bin/sh").is_err());
    }

    #[test]
    fn only_a_state_directory_elsewhere_leaves_tmp_private() {
        let units = |root: &str| Units {
            root: root.into(),
            program: "/usr/local/bin/cutover".into(),
            name: "cutover".to_owned(),
        };
        let usual = of(Part::Proxy, &units("/var/lib/cutover")).unwrap();
        assert!(usual.contains("PrivateTmp=yes") && usual.contains("FileDescriptorStoreMax="));
        assert!(of(Part::Proxy, &units("/tmp/x")).unwrap().contains("PrivateTmp=no"));
        let controller = of(Part::Controller, &units("/var/lib/cutover")).unwrap();
        assert!(controller.contains("KillMode=process\n"), "{controller}");
    }
}
