//! Another build takes the place of the program while it serves.
//!
//! Two builds are one program and a copy of it with bytes behind its end: they do the same, and are
//! not the same file.  So this shows how one takes over from another, not what a change of format
//! would do; of that the tests of formats tell.

use super::{
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    load::{StreamEnd, StreamKind, Summary},
    stand::{Stand, alive},
    time::eventually,
};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

const BOUNDED_UPGRADES: u32 = 4;
const FULL_UPGRADES: u32 = 50;
const WAIT: Duration = Duration::from_secs(30);
/// A new proxy whose first act is this.
const ENDS: (&str, &str) = ("ends at once", "exit 1");
const HANGS: (&str, &str) = ("hangs", "exec sleep 60");

/// An installation with a program of its own, and two builds to put in its place.
fn prepared() -> (Stand, [PathBuf; 2]) {
    let mut stand = Stand::new(quick());
    let bin = stand.folder.path().join("bin");
    fs::create_dir(&bin).expect("the folder is writable");
    let builds = ["one", "other"].map(|name| {
        let path = stand.folder.path().join(name);
        fs::copy(&stand.program, &path).expect("there is room for a copy");
        let file = fs::OpenOptions::new().append(true).open(&path);
        file.expect("it is ours").write_all(name.as_bytes()).expect("there is room");
        path
    });
    let program = bin.join("cutover");
    fs::copy(&stand.program, &program).expect("there is room for a copy");
    stand.program = program;
    (stand, builds)
}

/// What `version --all` says.
fn roles(stand: &Stand) -> Vec<Value> {
    let ran = stand.cutover(&["--json", "version", "--all"]).expect(0);
    let said: Value = serde_json::from_str(&ran.out).expect("it is JSON");
    said["roles"].as_array().expect("roles are a list").clone()
}

fn pid_of(stand: &Stand, role: &str) -> u32 {
    let found = roles(stand).into_iter().find(|it| it["role"] == role);
    let pid = found.and_then(|it| u32::try_from(it["pid"].as_u64()?).ok());
    pid.unwrap_or_else(|| panic!("no {role} runs"))
}

fn upgrade(scene: &mut Scene, file: &Path) {
    let file = file.display().to_string();
    let ran = scene.stand.cutover(&["self", "upgrade", &file, "--drain", "30m"]);
    scene.remember(&ran);
    ran.expect(0);
    for it in roles(&scene.stand) {
        let role = it["role"].as_str().unwrap_or_default();
        let takes_part = ["controller", "holder", "proxy"].contains(&role);
        assert!(!takes_part || it["same"] == true, "{it} runs another build");
    }
}

/// Under load, again and again, with a deployment in the midst.
pub(super) fn under_load(context: &Context) -> Report {
    let mut report = Report::new(context);
    let count = context.pick(BOUNDED_UPGRADES, FULL_UPGRADES);
    report.case(&format!("{count} times"), |report| {
        let (stand, builds) = prepared();
        let mut scene = Scene::on(stand, "");
        scene.load(|_| ());
        let first = pid_of(&scene.stand, "proxy");
        for turn in 0..count {
            upgrade(&mut scene, &builds[turn as usize % 2]);
        }
        // What the first proxy was asked for at the start it still serves.
        assert!(alive(first), "the first proxy has ended, with its WebSocket");
        let summary = scene.finish(Allowed::NONE).expect("a load runs");
        report.note(told(&summary, count));
        eventually("the first proxy has left", WAIT, || (!alive(first)).then_some(()));
        scene.serves(FIRST);
    });
    report.case("and then a deployment", |report| {
        let (stand, builds) = prepared();
        let mut scene = Scene::on(stand, "");
        scene.load(|_| ());
        upgrade(&mut scene, &builds[0]);
        // Streams of the old release are in the old proxy: they end with its drain, politely.
        let ran = scene.deploy("").ended();
        let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
        assert_eq!(outcome, "deployed");
        let ran = scene.stand.cutover(&["self", "rollback"]);
        scene.remember(&ran);
        ran.expect(0);
        scene.serves(SECOND);
        report.note("the old proxy's streams ended with the drain".to_owned());
    });
    report
}

fn told(summary: &Summary, count: u32) -> String {
    for kind in [StreamKind::WebSocket, StreamKind::Events] {
        let of_kind: Vec<_> = summary.streams.iter().filter(|it| it.kind == kind).collect();
        let [one] = of_kind.as_slice() else { panic!("{kind:?} came again: {of_kind:?}") };
        assert!(one.end == StreamEnd::Stopped && one.messages > 0, "{one:?}");
    }
    let (requests, posts) = (summary.requests, summary.posts.sent);
    format!("{count} upgrades, {requests} requests ({posts} POSTs), both streams lived")
}

/// A new build whose proxy is of no use.
pub(super) fn bad(context: &Context) -> Report {
    let mut report = Report::new(context);
    for (what, act) in context.pick(vec![ENDS], vec![ENDS, HANGS]) {
        report.case(what, |report| {
            let (stand, _) = prepared();
            let mut scene = Scene::on(stand, "");
            scene.load(|_| ());
            let before = ["controller", "holder", "proxy"].map(|it| pid_of(&scene.stand, it));
            let program = fs::read(&scene.stand.program).expect("it is there");
            let file = bad_build(&scene.stand, act);
            let ran = scene.stand.cutover(&["self", "upgrade", &file.display().to_string()]);
            scene.remember(&ran);
            assert!(ran.text().contains("the old one serves on"), "{}", ran.text());
            ran.expect(4);
            let after = ["controller", "holder", "proxy"].map(|it| pid_of(&scene.stand, it));
            assert_eq!(before, after, "something was touched");
            let now = fs::read(&scene.stand.program).expect("it is there");
            assert!(now == program, "the former program is not in its place");
            scene.finish(Allowed::NONE).expect("a load runs");
            scene.serves(FIRST);
            report.note(format!("a new proxy that {what}: the old one serves on"));
        });
    }
    report.case("no program at all", |_| {
        let (stand, _) = prepared();
        let file = stand.folder.path().join("nonsense");
        fs::write(&file, "nonsense").expect("the folder is writable");
        let file = file.display().to_string();
        let ran = stand.cutover(&["self", "upgrade", &file]).expect(2);
        assert!(ran.text().contains("nothing was changed"), "{}", ran.text());
        let ran = stand.cutover(&["self", "upgrade", &file, "--sha256", "00"]).expect(1);
        assert!(ran.text().contains("it is not the program that was named"), "{}", ran.text());
    });
    report
}

/// It is the program in all but its proxy.
fn bad_build(stand: &Stand, act: &str) -> PathBuf {
    let real = stand.folder.path().join("one");
    let file = stand.folder.path().join("bad");
    let real = real.display();
    let text = format!("#!/bin/sh\n[ \"$1\" = proxy ] && {act}\nexec {real} \"$@\"\n");
    fs::write(&file, text).expect("the folder is writable");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    file
}
