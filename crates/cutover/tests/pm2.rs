//! A whole installation whose instances run in a real PM2, under load: switched, refused, rolled
//! back, and with PM2's daemon and ours killed.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::Signal;
use std::{fs, time::Duration};
use testkit::{
    app::App,
    pm2::Pm2,
    stand::{Layout, Stand, TARGET, assert_clean, kill},
    time::eventually,
};

const ABORTED: i32 = 3;
const SOON: Duration = Duration::from_secs(60);

fn stand(more: &str) -> (Pm2, Stand) {
    let program = testkit::pm2::program().canonicalize().unwrap();
    let told = format!("pm2: {{ program: {}{more} }}", program.display());
    let stand = Stand::new(Layout {
        app: App::Node,
        start_timeout_s: 40.0,
        instances: 1,
        more: vec!["runtime: pm2".to_owned(), told],
        ..Layout::default()
    });
    (Pm2::new(&stand.root.join("pm2")), stand)
}

fn names(pm2: &Pm2) -> Vec<String> {
    let name = |it: &serde_json::Value| it["name"].as_str().unwrap().to_owned();
    pm2.list().iter().map(name).collect()
}

fn dumped(stand: &Stand) -> Vec<String> {
    let text = fs::read(stand.root.join("pm2/dump.pm2")).unwrap_or_default();
    let list: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap_or_default();
    list.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn pm2_runs_what_is_switched_refused_and_rolled_back() {
    let (pm2, stand) = stand("");
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load();
    stand.deploy("2.0.0", "").expect(0);
    let shown = stand.cutover(&["--json", "ps"]).expect(0).out;
    assert!(shown.contains("\"pm_id\"") && shown.contains("\"mode\": \"fork\""), "{shown}");
    // The release that does not start is refused, and leaves nothing in PM2.
    stand.deploy("3.0.0", "exit1").expect(ABORTED);
    assert_eq!(stand.serving(), ["2.0.0"]);
    assert_eq!(names(&pm2).len(), 2, "what serves and what is warm: {:?}", names(&pm2));
    stand.cutover(&["rollback", TARGET]).expect(0);
    assert_eq!(stand.serving(), ["1.0.0"]);
    assert_clean(&load.stop().unwrap());
    let serving = stand.instances("serving");
    let name = serving[0].0.replace('.', "-");
    assert!(dumped(&stand).contains(&name), "{:?}", dumped(&stand));
    let words = ["logs", TARGET, "-n", "200"];
    eventually("its lines are in the log", SOON, || {
        stand.cutover(&words).expect(0).out.contains(&serving[0].0).then_some(())
    });
    stand.down().expect(0);
    eventually("PM2's own daemon has ended", SOON, || {
        (!pm2.daemon().is_some_and(testkit::stand::alive)).then_some(())
    });
}

#[test]
fn pm2_and_the_controller_are_killed_and_the_service_goes_on() {
    let (pm2, stand) = stand("");
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load();
    pm2.signal(Signal::KILL);
    // A new daemon knows nothing of what the old one ran.
    stand.deploy("2.0.0", "").expect(0);
    assert_eq!(stand.serving(), ["2.0.0"]);
    let directory = stand.release("3.0.0", "");
    let from = directory.display().to_string();
    let (mut verb, ..) = stand.start(&["deploy", TARGET, "3.0.0", "--from", &from]);
    eventually("the candidate is on its way", SOON, || {
        (!stand.instances("candidate").is_empty()).then_some(())
    });
    kill(stand.pid_of("daemon").unwrap(), Signal::KILL);
    pm2.signal(Signal::KILL);
    verb.ended(Duration::from_secs(180));
    eventually("the deployment has ended", Duration::from_secs(180), || {
        let environment = stand.environment();
        (environment["active"].is_null() && environment["attention"].is_null()).then_some(())
    });
    let serving = stand.serving();
    assert!(serving == ["2.0.0"] || serving == ["3.0.0"], "{serving:?}");
    assert_clean(&load.stop().unwrap());
    // What serves, and was lost by PM2, is started again by name once it ends.
    let (id, pid) = stand.instances("serving").remove(0);
    kill(pid, Signal::KILL);
    eventually("it is started again", SOON, || {
        stand.instances("serving").iter().any(|it| it.0 == id && it.1 != pid).then_some(())
    });
    stand.until_answers(&serving[0], SOON);
}

#[test]
fn an_emptied_list_or_dump_brings_back_only_what_the_journal_says() {
    let (pm2, stand) = stand("");
    stand.deploy("1.0.0", "").expect(0);
    let (id, first) = stand.instances("serving").remove(0);
    let other_than = |pid: u32| {
        let all = stand.instances("serving");
        all.into_iter().find(|it| it.0 == id && it.1 != pid).map(|it| it.1)
    };
    pm2.run(&["delete", "all"]);
    let second = eventually("it is started again", SOON, || other_than(first));
    stand.until_answers("1.0.0", SOON);
    assert_eq!(names(&pm2), [id.replace('.', "-")]);
    // A foreign one is in the list too; what PM2 would bring back of it is not ours to start.
    pm2.run(&["start", "sleep", "--interpreter", "none", "--name", "theirs", "--", "600"]);
    assert_eq!(names(&pm2).len(), 2);
    let said = stand.cutover(&["doctor"]).expect(0).text();
    assert!(said.contains("theirs: not ours, and never touched"), "{said}");
    let theirs = pm2.list().into_iter().find(|it| it["name"] == "theirs").unwrap();
    pm2.signal(Signal::KILL);
    fs::write(stand.root.join("pm2/dump.pm2"), "[]").unwrap();
    kill(second, Signal::KILL);
    eventually("it is started again by a new daemon", SOON, || other_than(second));
    stand.until_answers("1.0.0", SOON);
    assert_eq!(names(&pm2), [id.replace('.', "-")]);
    let theirs = u32::try_from(theirs["pid"].as_u64().unwrap()).unwrap();
    assert!(testkit::stand::alive(theirs), "a foreign process was ended");
    kill(theirs, Signal::KILL);
}

#[test]
fn a_cluster_of_pm2s_is_switched_under_load() {
    let (pm2, stand) = stand(", exec_mode: cluster, instances: 2");
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load();
    stand.deploy("2.0.0", "").expect(0);
    assert_clean(&load.stop().unwrap());
    let releases = stand.root.join("projects/shop/production/releases/2.0.0");
    let release = fs::canonicalize(releases).unwrap();
    let workers = pm2.list();
    let new: Vec<_> =
        workers.iter().filter(|it| it["pm2_env"]["pm_cwd"] == release.to_str().unwrap()).collect();
    assert_eq!(new.len(), 2, "{:?}", names(&pm2));
    for worker in new {
        let pid = worker["pid"].as_u64().unwrap();
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), release);
    }
}
