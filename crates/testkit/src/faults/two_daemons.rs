//! Two daemons want one state directory.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    stand::{Layout, TARGET, alive, kill},
    time::{eventually, within},
};
use rustix::process::Signal;
use std::{fs, time::Duration};

const DEATH_WAIT: Duration = Duration::from_secs(5);
/// One that asks the older meanwhile waits long for an answer.
const START_WAIT: Duration = Duration::from_secs(60);
/// For a daemon that was woken up to find out that it was replaced.
const WAKE_WAIT: Duration = Duration::from_secs(5);

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("stopped: refused, then taken over", |_| taken_over());
    report.case("stopped in its bake: taken over, ends", |_| taken_over_midway());
    report.case("lock unlinked: the older does nothing more", |report| {
        let note = unlinked();
        report.note(note);
    });
    report
}

fn daemon(scene: &Scene) -> u32 {
    scene.stand.pid_of("daemon").expect("a daemon runs")
}

fn taken_over() {
    let mut scene = Scene::new(quick());
    let old = daemon(&scene);
    kill(old, Signal::STOP);
    let ran = scene.stand.cutover(&["daemon", "start"]);
    kill(old, Signal::CONT);
    scene.remember(&ran);
    assert_ne!(ran.code, Some(0), "{}", ran.text());
    for part in [old.to_string().as_str(), "stopped", "--take-over"] {
        assert!(ran.text().contains(part), "does not say {part}: {}", ran.text());
    }
    kill(old, Signal::STOP);
    scene.stand.cutover(&["daemon", "start", "--take-over"]).expect(0);
    eventually("the old daemon is gone", DEATH_WAIT, || (!alive(old)).then_some(()));
    assert_ne!(daemon(&scene), old);
    let ran = scene.deploy("").ended();
    assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
}

fn taken_over_midway() {
    let mut scene = Scene::new(Layout { bake_s: 2.0, ..quick() });
    let mut going = scene.deploy("");
    going.until("bake", "running");
    kill(daemon(&scene), Signal::STOP);
    scene.stand.cutover(&["daemon", "start", "--take-over"]).expect(0);
    let ran = going.ended();
    assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
}

fn unlinked() -> String {
    let mut scene = Scene::new(Layout { bake_s: 2.0, ..quick() });
    let mut going = scene.deploy("");
    going.until("bake", "running");
    going.kill();
    let old = daemon(&scene);
    kill(old, Signal::STOP);
    fs::remove_file(scene.stand.root.join("state.lock")).expect("the lock is a file");
    // In the foreground: the start from the command line finds the older, which does not answer.
    let new = Going::start(&scene.stand, &["daemon", "run"]);
    eventually("a second daemon answers", START_WAIT, || {
        let info = &scene.stand.status()["controller"];
        (info["pid"].as_u64()? != u64::from(old)).then_some(())
    });
    // Now both run, and the older goes on where it was.
    kill(old, Signal::CONT);
    scene.settled();
    let gone = within(WAKE_WAIT, || (!alive(old)).then_some(()));
    let log = fs::read_to_string(scene.stand.root.join("daemon.log")).unwrap_or_default();
    assert!(log.contains("epoch"), "nothing was refused for its epoch: {log}");
    kill(old, Signal::KILL);
    drop(new);
    assert_eq!(scene.check(FIRST, SECOND, None, Allowed::NONE), "deployed");
    scene.stand.cutover(&["rollback", TARGET]).expect(0);
    scene.serves(FIRST);
    format!("the older {}", if gone.is_some() { "ended by itself" } else { "idled" })
}
