//! A machine that systemd runs: in namespaces, over this host's own files, and with its network.
//!
//! What is written in it is kept in a folder beside, so it can be booted again, with another boot
//! id.  Folders that it shares lie at the same path inside and outside.

use crate::{
    guard::Killed,
    time::{eventually, within},
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Into the namespaces and their mounts, by two programs of this host.
const BOOT: &str = include_str!("machine/boot.sh");
const INSIDE: &str = include_str!("machine/inside.sh");
/// For systemd to have started everything.
const BOOT_WAIT: Duration = Duration::from_secs(60);
/// For it to end everything.
const OFF_WAIT: Duration = Duration::from_secs(60);
/// What would only take time, or touch this host's devices and clock.
const MASKED: [&str; 14] = [
    "getty.target",
    "timers.target",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-timesyncd.service",
    "systemd-logind.service",
    "systemd-modules-load.service",
    "systemd-binfmt.service",
    "systemd-tmpfiles-setup.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-update-utmp.service",
    "proc-sys-fs-binfmt_misc.automount",
    "dev-hugepages.mount",
    "sys-fs-fuse-connections.mount",
];
/// Started at its boot, and wanted by nothing of this host's.
const TARGET: &str = "[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n\
                      Wants=multi-user.target\n";

/// A machine; it is off, and nothing of it is left, when this is dropped.
#[derive(Debug)]
pub struct Machine {
    folder: TempDir,
    name: String,
    shared: Vec<PathBuf>,
    boots: u32,
    running: Option<Killed>,
}

impl Machine {
    /// Boots one that shares these folders.
    ///
    /// # Panics
    /// If it does not come up; root, systemd and a writable `/sys/fs/cgroup` are needed.
    pub fn boot(shared: &[&Path]) -> Self {
        let folder = tempfile::Builder::new().prefix("cutover-machine-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let name = folder.path().file_name().and_then(|it| it.to_str()).expect("it is ours");
        let mut machine = Self {
            name: name.to_lowercase().replace('.', ""),
            shared: shared.iter().map(|it| (*it).to_owned()).collect(),
            folder,
            boots: 0,
            running: None,
        };
        machine.furnish();
        machine.on();
        machine
    }

    /// What differs from this host's own files.
    fn furnish(&self) {
        let folder = self.folder.path();
        for name in ["upper", "work", "root"] {
            fs::create_dir(folder.join(name)).expect("the folder is writable");
        }
        // It is the machine's `/`, which others than root pass too.
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.join("upper"), all).expect("the folder is ours");
        let units = folder.join("upper/etc/systemd/system");
        fs::create_dir_all(&units).expect("the folder is writable");
        // This host's own services are not the machine's.
        let wanted =
            ["multi-user", "sockets", "sysinit", "timers", "getty"].iter().flat_map(|it| {
                fs::read_dir(format!("/etc/systemd/system/{it}.target.wants")).into_iter().flatten()
            });
        let wanted = wanted.flatten().filter_map(|it| it.file_name().into_string().ok());
        for unit in MASKED.iter().map(|it| (*it).to_owned()).chain(wanted) {
            // One that several want is masked already.
            let _ = symlink("/dev/null", units.join(unit));
        }
        let write = |name: &str, text: &str| {
            fs::write(folder.join("upper/etc").join(name), text).expect("the folder is writable");
        };
        write("systemd/system/default.target", TARGET);
        write("hostname", &self.name);
        write("fstab", "");
        write("machine-id", "00000000000000000000000000007001\n");
        fs::write(folder.join("boot.sh"), BOOT).expect("the folder is writable");
        fs::write(folder.join("inside.sh"), INSIDE).expect("the folder is writable");
    }

    /// Switches it on; every time it has another boot id.
    fn on(&mut self) {
        self.boots += 1;
        let folder = self.folder.path();
        let id = format!("7d0f5a52-0000-4000-8000-{:012x}\n", self.boots);
        fs::write(folder.join("boot_id"), id).expect("the folder is writable");
        let log = fs::File::create(folder.join("log")).expect("the folder is writable");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh"]).arg(folder.join("boot.sh")).arg(folder).arg(&self.name);
        command.args(&self.shared).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file can be had twice")).stderr(log);
        self.running = Some(Killed::start(&mut command).expect("`unshare` is there"));
        let up = within(BOOT_WAIT, || {
            let output = self.command("systemctl", &["is-system-running"])?.output().ok()?;
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            matches!(said.as_str(), "running" | "degraded").then_some(())
        });
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(up.is_some(), "the machine does not come up: {}", log());
    }

    /// systemd's process, as this host sees it.
    fn first(&self) -> Option<u32> {
        let pid = self.running.as_ref()?.pid();
        let path = format!("/proc/{pid}/task/{pid}/children");
        let child = fs::read_to_string(path).ok()?.split_whitespace().next()?.to_owned();
        // What the script runs before is its child as well, for a moment.
        let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let numbers = status.lines().find_map(|it| it.strip_prefix("NSpid:"))?;
        let numbers: Vec<&str> = numbers.split_whitespace().collect();
        (numbers.len() > 1 && numbers.last() == Some(&"1")).then_some(child)?.parse().ok()
    }

    /// What stands before a program for it to run in the machine.
    ///
    /// # Panics
    /// If the machine is off.
    pub fn through(&self) -> Vec<String> {
        through(self.first().expect("the machine is on"))
    }

    fn command(&self, program: &str, words: &[&str]) -> Option<Command> {
        let through = through(self.first()?);
        let mut command = Command::new(&through[0]);
        command.args(&through[1..]).arg(program).args(words).stdin(Stdio::null());
        Some(command)
    }

    /// Runs a program in it, to its end.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn run(&self, program: &str, words: &[&str]) -> Output {
        let mut command = self.command(program, words).expect("the machine is on");
        command.output().expect("it can be run in the machine")
    }

    /// What `systemctl` prints with these words, which must end well.
    ///
    /// # Panics
    /// With all it said, if it does not.
    #[track_caller]
    pub fn systemctl(&self, words: &[&str]) -> String {
        let output = self.run("systemctl", words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "systemctl {words:?}: {text}{error}");
        text.trim().to_owned()
    }

    /// Lets systemd end everything, and boots it again.
    ///
    /// # Panics
    /// If it does not go down, or not come up.
    pub fn reboot(&mut self) {
        // systemd as a container's first process exits where a host would reboot.
        let _ = self.run("systemctl", &["exit", "--no-block"]);
        let mut running = self.running.take().expect("the machine is on");
        running.ended(OFF_WAIT);
        self.on();
    }

    /// Takes its power away, and boots it again.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn crash(&mut self) {
        self.off();
        self.on();
    }

    fn off(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let first = running.exited().is_none().then(|| {
            let pid = running.pid();
            let path = format!("/proc/{pid}/task/{pid}/children");
            let text = fs::read_to_string(path).unwrap_or_default();
            text.split_whitespace().next().and_then(|it| it.parse::<u32>().ok())
        });
        if let Some(first) = first.flatten() {
            // With it the kernel ends all of its namespace.
            crate::stand::kill(first, rustix::process::Signal::KILL);
        }
        let _ = within(OFF_WAIT, || running.exited());
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.off();
        let Ok(hierarchies) = fs::read_dir("/sys/fs/cgroup") else { return };
        for hierarchy in hierarchies.flatten() {
            remove_groups(&hierarchy.path().join(&self.name));
        }
        // The mounts are gone with the namespace; the kernel needs a moment to let go of them.
        let work = self.folder.path().join("work/work");
        let _ = within(Duration::from_secs(5), || {
            let _ = fs::remove_dir_all(&work);
            (!work.exists()).then_some(())
        });
    }
}

fn through(first: u32) -> Vec<String> {
    let words = ["nsenter", "-t", &first.to_string(), "-m", "-u", "-i", "-p", "-C"];
    words.iter().map(|it| (*it).to_owned()).collect()
}

/// Groups are removed from the innermost out.
fn remove_groups(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    // A group stays busy for a moment after its last process.
    let _ = within(Duration::from_secs(2), || {
        let _ = fs::remove_dir(group);
        (!group.exists()).then_some(())
    });
}

/// Waits until the machine's unit is in this state.
///
/// # Panics
/// If it is not in time.
#[track_caller]
pub fn until_state(machine: &Machine, unit: &str, state: &str, timeout: Duration) {
    eventually(&format!("{unit} is {state}"), timeout, || {
        let asked = machine.run("systemctl", &["show", "-P", "ActiveState", "--", unit]);
        (String::from_utf8_lossy(&asked.stdout).trim() == state).then_some(())
    });
}
