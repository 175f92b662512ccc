//! The machine goes down and comes up again: every process of ours dies at once, and the boot id is
//! another.
//!
//! The boot id that the program sees is changed outside of it: all of it runs in a mount namespace
//! in which `/proc/sys/kernel/random/boot_id` is a file of ours.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    guard::Killed,
    stand::{Layout, Stand, kill},
    time::eventually,
};
use rustix::process::Signal;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const BOOTS: [&str; 2] =
    ["11111111-1111-4111-8111-111111111111\n", "22222222-2222-4222-8222-222222222222\n"];
const MOUNT_WAIT: Duration = Duration::from_secs(10);
/// From the start of the daemon to the first answer.
const SERVE_WAIT: Duration = Duration::from_secs(30);

pub(super) fn in_probation(context: &Context) -> Report {
    let mut report = Report::new(context);
    let words: &[&str] = context.pick(&["bake"], &["stage", "health", "switch", "bake"]);
    for word in words {
        report.case(word, |report| {
            let machine = Machine::new(Layout { bake_s: 5.0, ..quick() });
            let outcome = machine.reboot_at(report, word, "running");
            // Before the switch was begun a new life may as well go on with it.
            assert!(outcome != "deployed" || *word != "bake", "it had not been confirmed");
        });
    }
    report
}

pub(super) fn after_confirm(context: &Context) -> Report {
    let mut report = Report::new(context);
    let points: &[(&str, &str)] =
        context.pick(&[("drain", "running")], &[("confirm", "done"), ("drain", "running")]);
    for (word, status) in points {
        report.case(word, |report| {
            let mut machine = Machine::new(Layout { drain_s: 6.0, ..quick() });
            // Something in flight to the old keeps the drain from ending at once.
            machine.scene.load(|it| {
                it.slow_clients = 2;
                it.slow_ms = 5000;
            });
            let outcome = machine.reboot_at(report, word, status);
            assert!(outcome.starts_with("deployed"), "{outcome}");
        });
    }
    report
}

/// An installation in a namespace whose boot id is ours.
struct Machine {
    scene: Scene,
    boot_id: PathBuf,
    _namespace: Killed,
}

impl Machine {
    fn new(layout: Layout) -> Self {
        let mut stand = Stand::new(layout);
        let boot_id = stand.folder.path().join("boot_id");
        fs::write(&boot_id, BOOTS[0]).expect("the folder is writable");
        let namespace = namespace(&boot_id);
        let enter = ["nsenter", "--mount", "--target"].map(str::to_owned).into_iter();
        stand.through = enter.chain([namespace.pid().to_string(), "--".to_owned()]).collect();
        Self { scene: Scene::on(stand, ""), boot_id, _namespace: namespace }
    }

    /// Goes down when the step has this status, comes up, and checks; how the deployment ended.
    fn reboot_at(mut self, report: &mut Report, word: &str, status: &str) -> String {
        let mut going = Going::deploy(&self.scene.stand, SECOND, "", &[]);
        going.until(word, status);
        let machine = self.scene.stand.snapshot().processes();
        assert!(machine.len() >= 5, "only {machine:?} run");
        for pid in machine {
            kill(pid, Signal::KILL);
        }
        going.kill();
        self.scene.drop_load();
        eventually("all of it is down", MOUNT_WAIT, || {
            let left = self.scene.stand.snapshot().processes();
            left.iter().for_each(|it| kill(*it, Signal::KILL));
            left.is_empty().then_some(())
        });
        report.kill_points += 1;
        // In place: a new file would not be the one that is mounted.
        fs::write(&self.boot_id, BOOTS[1]).expect("the folder is writable");
        let up = self.scene.stand.cutover(&["daemon", "start"]);
        self.scene.remember(&up);
        up.expect(0);
        let began = std::time::Instant::now();
        eventually("something answers after the reboot", SERVE_WAIT, || self.scene.stand.answers());
        report.note(format!("serves after {} ms", began.elapsed().as_millis()));
        self.scene.load(|_| ());
        let outcome = self.scene.check(FIRST, SECOND, None, Allowed::NONE);
        report.note(outcome.clone());
        outcome
    }
}

/// A process in a mount namespace of its own, in which the boot id is read from `file`.
fn namespace(file: &Path) -> Killed {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]).args(["sleep", "86400"]);
    command.stdin(Stdio::null());
    let namespace = Killed::start(&mut command).expect("unshare is installed");
    let pid = namespace.pid().to_string();
    // Before it is in its own namespace the mount would be everybody's.
    let own = fs::read_link("/proc/self/ns/mnt").expect("we have a namespace");
    eventually("the namespace is there", MOUNT_WAIT, || {
        let theirs = fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()?;
        let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        (theirs != own && words.starts_with(b"sleep")).then_some(())
    });
    let mut mount = Command::new("nsenter");
    mount.args(["--mount", "--target", &pid, "--", "mount", "--bind"]).arg(file).arg(BOOT_ID);
    assert!(mount.status().expect("nsenter is installed").success(), "the mount failed");
    namespace
}
