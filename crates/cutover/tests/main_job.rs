//! The main job as a user does it: deploy, cut over under load, refuse what is broken, roll back.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    time::Duration,
};
use testkit::stand::{Layout, Stand, TARGET, assert_clean};

/// Requests that must come through between two acts.
const BETWEEN_REQUESTS: u64 = 100;
const BETWEEN_WAIT: Duration = Duration::from_secs(20);

#[test]
fn ten_deployments_under_load_fail_no_request() {
    let stand = Stand::new(Layout { bake_s: 0.3, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load_with(|it| {
        it.slow_clients = 1;
        it.slow_ms = 1000;
    });
    for patch in 1..=10 {
        let version = format!("1.0.{patch}");
        let ran = stand.deploy(&version, "").expect(0);
        assert!(ran.out.contains("0 failed"), "{}", ran.text());
        load.until_more(BETWEEN_REQUESTS, BETWEEN_WAIT);
        assert_eq!(stand.answers().as_deref(), Some(version.as_str()));
    }
    let summary = load.stop().unwrap();
    assert_clean(&summary);
    assert!(summary.posts.compared, "{summary:#?}");
    assert_eq!((summary.posts.lost, summary.posts.doubled), (0, 0));
    let backwards = summary.transitions.keys().filter(|it| {
        let (from, to) = it.split_once("->").expect("a transition has two sides");
        let patch = |it: &str| it.rsplit('.').next().and_then(|it| it.parse::<u32>().ok());
        patch(from) > patch(to)
    });
    assert_eq!(backwards.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn recreate_holds_requests_and_fails_none() {
    let stand = Stand::new(Layout { strategy: "recreate", instances: 1, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    // Long exchanges end when the old stops: only short ones are held over it.
    let load = stand.load_with(|it| {
        it.websocket_clients = 0;
        it.event_clients = 0;
    });
    let ran = stand.deploy("2.0.0", "").expect(0);
    load.until_more(BETWEEN_REQUESTS, BETWEEN_WAIT);
    let summary = load.stop().unwrap();
    assert_clean(&summary);
    assert_eq!(stand.answers().as_deref(), Some("2.0.0"), "{}", ran.text());
}

#[test]
fn a_rolling_update_under_load_turns_back_from_its_second_batch() {
    let stand = Stand::new(Layout {
        strategy: "rolling",
        instances: 4,
        bake_s: 0.3,
        more: vec!["rolling: { batch: 2 }".to_owned()],
        ..Layout::default()
    });
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load();
    let ran = stand.deploy("2.0.0", "").expect(0);
    let last = ran.out.lines().last().unwrap();
    assert!(last.contains("1.0.0: ") && last.contains("2.0.0: "), "who answered: {last}");
    assert!(last.contains(", 0 failed"), "{last}");
    assert_eq!(stand.instances("serving").len(), 4);
    assert_eq!(stand.instances("warm").len(), 4, "the old is a quick way back");

    // Its first two instances are fine; the third is not.
    let directory = stand.release("3.0.0", "");
    fs::rename(directory.join("example-app"), directory.join("app")).unwrap();
    let script = "#!/bin/sh\ncase $CUTOVER_INSTANCE in *.web.3.*) exit 1;; esac\nexec ./app\n";
    fs::write(directory.join("example-app"), script).unwrap();
    fs::set_permissions(directory.join("example-app"), Permissions::from_mode(0o755)).unwrap();
    let from = directory.display().to_string();
    let ran = stand.cutover(&["deploy", TARGET, "3.0.0", "--from", &from]).expect(4);
    assert!(ran.text().contains("2.0.0"), "{}", ran.text());
    load.until_more(BETWEEN_REQUESTS, BETWEEN_WAIT);
    assert_eq!(stand.serving(), ["2.0.0"]);
    assert_eq!(stand.instances("serving").len(), 4);
    assert!(stand.instances("candidate").is_empty() && stand.instances("stray").is_empty());
    assert_clean(&load.stop().unwrap());
}

#[test]
fn a_broken_release_is_refused_and_a_rollback_brings_the_old_back() {
    let stand = Stand::new(Layout::default());
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load();
    stand.deploy("2.0.0", "").expect(0);
    let before = stand.snapshot();

    let ran = stand.deploy("3.0.0", "all_500").expect(3);
    for part in ["/api/version", "500", "2.0.0", "cutover"] {
        assert!(ran.text().contains(part), "{part}: {}", ran.text());
    }
    assert_eq!(stand.answers().as_deref(), Some("2.0.0"));
    let kept = [
        "file */releases/3.0.0*",
        "file */contents/3.0.0*",
        "file */logs/*",
        "file */records/*",
        "file */current",
    ];
    assert_eq!(before.changes(&stand.snapshot(), &kept), Vec::<String>::new());

    load.until_more(BETWEEN_REQUESTS, BETWEEN_WAIT);
    stand.cutover(&["rollback", TARGET]).expect(0);
    assert_eq!(stand.serving(), ["1.0.0"]);
    load.until_more(BETWEEN_REQUESTS, BETWEEN_WAIT);
    assert_eq!(stand.answers().as_deref(), Some("1.0.0"));
    assert_clean(&load.stop().unwrap());
}

#[test]
fn restart_scale_stop_and_start_are_plans_under_load() {
    let stand = Stand::new(Layout { bake_s: 0.3, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let first = stand.instances("serving");
    let load = stand.load();
    stand.cutover(&["restart", TARGET]).expect(0);
    let second = stand.instances("serving");
    assert_eq!(second.len(), 2);
    assert!(second.iter().all(|it| !first.contains(it)), "{first:?} {second:?}");
    stand.cutover(&["scale", TARGET, "web=3"]).expect(0);
    assert_eq!(stand.instances("serving").len(), 3);
    stand.cutover(&["scale", TARGET, "web=1"]).expect(0);
    assert_eq!(stand.instances("serving").len(), 1);
    load.until_more(BETWEEN_REQUESTS, BETWEEN_WAIT);
    assert_clean(&load.stop().unwrap());

    stand.cutover(&["stop", TARGET]).expect(0);
    let answer = stand.get("/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after"), "{answer}");
    stand.cutover(&["start", TARGET]).expect(0);
    stand.until_answers("1.0.0", Duration::from_secs(5));
}

#[test]
fn down_leaves_no_process_and_no_port() {
    let stand = Stand::new(Layout::default());
    let before = stand.snapshot();
    stand.deploy("1.0.0", "").expect(0);
    stand.down().expect(0);
    let left: Vec<String> = before.changes(&stand.snapshot(), &["file *"]).into_iter().collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(std::net::TcpListener::bind(stand.address).is_ok(), "the port is still taken");
}
