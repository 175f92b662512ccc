//! The first thing that a newcomer runs, and what it says and leaves where it fails.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::Signal;
use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    time::Duration,
};
use testkit::{app::built, guard::Killed, stand::kill, time::eventually, tree::Snapshot};

const DEMO_MAX: Duration = Duration::from_secs(120);

/// The demo with a temporary folder of its own, and what it prints.
struct Demo {
    folder: tempfile::TempDir,
    process: Killed,
}

impl Demo {
    fn start() -> Demo {
        built("example-app", "example-app");
        built("cutover-testkit", "cutover-load");
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(built("cutover", "cutover"));
        command.arg("demo").env("TMPDIR", folder.path());
        let output = File::create(folder.path().join("output")).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let process = Killed::start(&mut command).unwrap();
        Demo { folder, process }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap()
    }

    /// What it prints after this command.
    fn after(&self, command: &str) -> String {
        self.text().split_once(command).map_or(String::new(), |it| it.1.to_owned())
    }

    fn ended(&mut self) -> Option<i32> {
        self.process.ended(DEMO_MAX).code()
    }

    fn stages(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|it| it.starts_with("cutover-demo-")).collect()
    }

    #[track_caller]
    fn nothing_runs(&self) {
        let left = Snapshot::take(self.folder.path(), &[]).unwrap();
        assert_eq!(left.processes(), Vec::<u32>::new(), "{left}\n{}", self.text());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let Ok(left) = Snapshot::take(self.folder.path(), &[]) else { return };
        left.processes().into_iter().for_each(|it| kill(it, Signal::KILL));
    }
}

#[test]
fn it_proves_what_it_says_and_leaves_nothing() {
    let mut demo = Demo::start();
    assert_eq!(demo.ended(), Some(0), "{}", demo.text());
    let text = demo.text();
    assert!(text.contains("0 failed; p99") && text.contains("0 lost, 0 doubled"), "{text}");
    assert!(demo.stages().is_empty(), "{text}");
    demo.nothing_runs();
}

#[test]
fn one_that_fails_says_why_ends_all_and_keeps_what_was_written() {
    let mut demo = Demo::start();
    let deploy = "$ cutover deploy shop 2.0.0";
    eventually("v2 is on trial", DEMO_MAX, || {
        demo.after(deploy).contains("✓ verify").then_some(())
    });
    let instances = instances(demo.folder.path(), "2.0.0");
    assert_eq!(instances.len(), 2, "{}", demo.text());
    instances.into_iter().for_each(|it| kill(it, Signal::KILL));

    assert_eq!(demo.ended(), Some(1), "{}", demo.text());
    let said = demo.after(deploy);
    for part in ["running: signal 9", "serving now  1.0.0 again", "expected 0", "rm -r "] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    demo.nothing_runs();
    // The log that the failure names can be read.
    let log = said.lines().find_map(|it| it.trim().strip_prefix("log ")).unwrap().trim();
    assert!(fs::read_to_string(log).unwrap().contains("rolled"), "{log}");
    assert_eq!(demo.stages().len(), 1, "{said}");
}

#[test]
fn one_that_is_told_to_end_ends_all() {
    let mut demo = Demo::start();
    eventually("v2 is deployed", DEMO_MAX, || {
        demo.after("$ cutover deploy shop 2.0.0").contains("✓ start").then_some(())
    });
    demo.process.signal(Signal::TERM);
    assert_eq!(demo.ended(), Some(1), "{}", demo.text());
    assert!(demo.text().contains("interrupted"), "{}", demo.text());
    demo.nothing_runs();
}

/// The application's processes of that version below the folder.
fn instances(folder: &Path, version: &str) -> Vec<u32> {
    let mark = format!("CUTOVER_VERSION={version}");
    let all = Snapshot::take(folder, &[]).unwrap().processes();
    let of_version = all.into_iter().filter(|pid| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|it| *it == 0).any(|it| it == mark.as_bytes())
    });
    of_version.collect()
}
