//! A service whose instances listen at Unix sockets, behind our own proxy.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::Signal;
use std::{fs, path::PathBuf, time::Duration};
use testkit::{
    app::App,
    stand::{Layout, Stand, TARGET, assert_clean, kill},
    time::eventually,
};

const MOMENT: Duration = Duration::from_secs(30);
const NOTHING_TOUCHED_YET: i32 = 3;

fn at_sockets() -> Layout {
    let more = vec!["listen: socket".to_owned()];
    let quick = Layout { app: App::Node, bake_s: 0.2, drain_s: 1.0, ..Layout::default() };
    Layout { keep_warm_s: 0.0, more, ..quick }
}

/// Where instances listen.
fn sockets(stand: &Stand) -> Vec<PathBuf> {
    let found = fs::read_dir(stand.root.join("sockets")).unwrap();
    found.map(|it| it.unwrap().path().join("listen")).collect()
}

#[test]
fn releases_at_sockets_lose_no_request_and_come_back_when_they_are_killed() {
    let stand = Stand::new(at_sockets());
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load();
    stand.deploy("1.1.0", "").expect(0);
    stand.cutover(&["rollback", TARGET]).expect(0);
    load.until_more(100, MOMENT);
    let summary = load.stop().unwrap();
    assert_clean(&summary);
    assert_eq!(summary.versions.len(), 2, "{:?}", summary.versions.keys());

    // A port and a socket are ways to the same service.
    let text = fs::read_to_string(stand.config()).unwrap();
    fs::write(stand.config(), text.replace("listen: socket", "listen: port")).unwrap();
    let load = stand.load();
    stand.deploy("1.2.0", "").expect(0);
    fs::write(stand.config(), &text).unwrap();
    stand.deploy("1.3.0", "").expect(0);
    load.until_more(100, MOMENT);
    assert_clean(&load.stop().unwrap());
    let said = stand.cutover(&["ps"]).expect(0).out;
    assert_eq!(said.matches(" socket ").count(), 2, "{said}");
    let listening = sockets(&stand);
    assert!(listening.len() == 2 && listening.iter().all(|it| it.exists()), "{listening:?}");

    // What is started again finds its name free.
    for (_, pid) in stand.instances("serving") {
        kill(pid, Signal::KILL);
    }
    stand.until_answers("1.3.0", MOMENT);
    eventually("both run again", MOMENT, || (stand.instances("serving").len() == 2).then_some(()));
}

#[test]
fn who_listens_elsewhere_is_told_where_to() {
    let stand = Stand::new(Layout { instances: 1, start_timeout_s: 2.0, ..at_sockets() });
    let ran = stand.deploy("1.0.0", "listen_wrong_port").expect(NOTHING_TOUCHED_YET).text();
    assert!(ran.contains("nobody accepts on unix:/"), "{ran}");
    assert!(ran.contains("let it listen at the socket whose path is in PORT"), "{ran}");
}
