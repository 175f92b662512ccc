//! Verbs that look into a release, and run things in it, on an installation that lives.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::Signal;
use serde_json::Value;
use std::{fs, time::Duration};
use testkit::{
    stand::{Layout, Stand, TARGET, alive, kill},
    time::eventually,
};

/// For something that takes a moment.
const MOMENT: Duration = Duration::from_secs(20);

fn stand() -> Stand {
    let stand = Stand::new(Layout { bake_s: 0.5, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    stand
}

/// The pid that a command has told in its first line.
fn told_pid(out: &std::path::Path) -> u32 {
    eventually("it tells its pid", MOMENT, || {
        fs::read_to_string(out).unwrap().lines().next().and_then(|it| it.parse().ok())
    })
}

fn gone(pid: u32) {
    eventually("it is gone", MOMENT, || (!alive(pid)).then_some(()));
}

#[test]
fn a_command_is_run_once_and_its_exit_code_is_ours() {
    let stand = stand();
    let run = |script: &str| stand.cutover(&["run", TARGET, "--", "sh", "-c", script]);
    let ran = run("echo $CUTOVER_VERSION; echo oh >&2; pwd; exit 3").expect(3);
    let mut lines = ran.out.lines();
    assert_eq!(lines.next(), Some("1.0.0"), "{}", ran.text());
    assert!(lines.next().unwrap().ends_with("/releases/1.0.0"), "{}", ran.text());
    assert_eq!(ran.error, "oh\n");
    run("kill -9 $$").expect(137);
    let words = ["run", TARGET, "--time-limit", "200ms", "--", "sleep", "1000"];
    let ran = stand.cutover(&words).expect(124);
    assert!(ran.error.contains("stopped at its time limit"), "{}", ran.text());
    stand.cutover(&["run", TARGET, "--", "./not-there"]).expect(127);
    stand.cutover(&["run", TARGET, "--release", "9.9.9", "--", "true"]).expect(1);
    stand.cutover(&["run", TARGET]).expect(1);

    // Ctrl-C is the command's.
    let script = "trap 'exit 7' INT; echo $$; while :; do sleep 0.05; done";
    let (mut child, out, _) = stand.start(&["run", TARGET, "--", "sh", "-c", script]);
    let pid = told_pid(&out);
    kill(child.pid(), Signal::INT);
    assert_eq!(child.ended(MOMENT).code(), Some(7));
    gone(pid);
}

#[test]
fn a_command_lives_as_long_as_who_waits_for_it() {
    let stand = stand();
    let script = "echo $$; exec sleep 1000";
    let words = ["run", TARGET, "--", "sh", "-c", script];
    let (child, out, _) = stand.start(&words);
    let pid = told_pid(&out);
    kill(child.pid(), Signal::KILL);
    gone(pid);

    // A controller that dies takes nothing with it: who waits goes on with the next one.
    let script = "echo $$; while [ ! -e go ]; do sleep 0.05; done; echo after; exit 6";
    let words = ["run", TARGET, "--", "sh", "-c", script];
    let (mut child, out, _) = stand.start(&words);
    told_pid(&out);
    kill(stand.pid_of("daemon").unwrap(), Signal::KILL);
    let directory = stand.root.join("projects/shop/production/current");
    fs::write(directory.join("go"), "").unwrap();
    assert_eq!(child.ended(MOMENT).code(), Some(6));
    assert_eq!(fs::read_to_string(&out).unwrap().lines().last(), Some("after"));

    // Where both die, the next controller ends it.
    let script = "echo $$; exec sleep 1000";
    let (child, out, _) = stand.start(&["run", TARGET, "--", "sh", "-c", script]);
    let pid = told_pid(&out);
    kill(stand.pid_of("daemon").unwrap(), Signal::KILL);
    kill(child.pid(), Signal::KILL);
    assert!(alive(pid), "nobody is there to end it");
    stand.cutover(&["daemon", "start"]).expect(0);
    gone(pid);
}

#[test]
fn a_detached_command_goes_on_and_is_asked_for_later() {
    let stand = stand();
    let script = "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two; exit 5";
    let words = ["--json", "run", TARGET, "--detach", "--", "sh", "-c", script];
    let ran = stand.cutover(&words).expect(0);
    let told: Value = serde_json::from_str(ran.out.trim()).unwrap();
    let id = told["one_off"].as_str().unwrap().to_owned();
    let listed = || -> Vec<Value> {
        let ran = stand.cutover(&["--json", "run", "--list", TARGET]).expect(0);
        serde_json::from_str(&ran.out).unwrap()
    };
    assert_eq!((listed().len(), listed()[0]["status"].as_str()), (1, Some("running, detached")));
    fs::write(stand.root.join("projects/shop/production/current/go"), "").unwrap();
    let ran = stand.cutover(&["run", "--attach", &id]).expect(5);
    assert_eq!(ran.out, "one\ntwo\n");
    assert_eq!(listed()[0]["exit_code"].as_u64(), Some(5));

    let words = ["--json", "run", TARGET, "--detach", "--", "sleep", "1000"];
    let ran = stand.cutover(&words).expect(0);
    let told: Value = serde_json::from_str(ran.out.trim()).unwrap();
    let pid = u32::try_from(listed()[1]["pid"].as_u64().unwrap()).unwrap();
    stand.cutover(&["run", "--stop", told["one_off"].as_str().unwrap()]).expect(0);
    gone(pid);
    stand.cutover(&["run", TARGET, "--detach", "--", "sleep", "1000"]).expect(0);
    let pid = u32::try_from(listed()[2]["pid"].as_u64().unwrap()).unwrap();
    stand.down().expect(0);
    assert!(!alive(pid), "`down` leaves nothing");
}

#[test]
fn a_command_beside_an_instance_is_as_the_instance_is() {
    let stand = stand();
    let script = "echo $CUTOVER_INSTANCE $PORT; pwd; exit 3";
    let ran = stand.cutover(&["exec", TARGET, "web.2", "--", "sh", "-c", script]).expect(3);
    let mut lines = ran.out.lines();
    assert!(lines.next().unwrap().starts_with("shop.production.web.2."), "{}", ran.text());
    assert!(lines.next().unwrap().ends_with("/releases/1.0.0"), "{}", ran.text());
    stand.cutover(&["exec", TARGET, "web.9", "--", "true"]).expect(1);
    stand.cutover(&["exec", TARGET, "--", "./not-there"]).expect(127);
    stand.cutover(&["exec", TARGET, "--", "sh", "-c", "kill -9 $$"]).expect(137);
}

#[test]
fn lines_and_instances_are_found_as_they_are_asked_for() {
    let stand = stand();
    stand.deploy("2.0.0", "").expect(0);
    let logs = |more: &[&str]| {
        let words: Vec<&str> = ["logs", TARGET, "-n", "500"].iter().chain(more).copied().collect();
        stand.cutover(&words).expect(0).out
    };
    let all = logs(&[]);
    assert!(!all.is_empty());
    let of = |version: &str| logs(&["--release", version]);
    let (old, new) = (of("1.0.0"), of("2.0.0"));
    assert!(!old.is_empty() && !new.is_empty());
    assert_eq!(old.lines().count() + new.lines().count(), all.lines().count(), "{all}");
    assert_eq!(logs(&["--since", "1h"]), all);
    assert_eq!(logs(&["--since", "2999-01-01T00:00:00Z"]), "");
    let one = logs(&["--grep", r"web\.1\."]);
    assert!(!one.is_empty() && one.lines().all(|it| it.contains("web.1.")), "{one}");
    stand.cutover(&["logs", TARGET, "--grep", "("]).expect(1);

    let ran = stand.cutover(&["--json", "ps", TARGET]).expect(0);
    let listed: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    let serving = listed.iter().find(|it| it["role"] == "serving").unwrap();
    assert_eq!(
        (serving["instances"].as_u64(), serving["mode"].as_str()),
        (Some(2), Some("process"))
    );
    for key in ["name", "id", "status", "restarts", "created_at_ms", "version", "port"] {
        assert!(!serving[key].is_null(), "{key}: {serving}");
    }
    for key in ["memory_bytes", "cpu_percent", "uptime_ms"] {
        assert!(serving[key].is_number(), "{key}: {serving}");
    }
    let ran = stand.cutover(&["top", TARGET]).expect(0);
    assert!(ran.out.contains("requests/s") && ran.out.contains("web.2"), "{}", ran.text());
}

#[test]
fn the_schema_is_printed() {
    let stand = Stand::new(Layout::default());
    let ran = stand.cutover(&["schema"]).expect(0);
    let schema: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["$defs"]["service"]["properties"]["secrets"].is_object());
}
