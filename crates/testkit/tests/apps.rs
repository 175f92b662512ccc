//! Every example app by itself: all it answers, under load, and how it stops.

#![allow(clippy::unwrap_used, reason = "in a test that is a failure with its reason")]

use rustix::process::Signal;
use std::{fs, time::Duration};
use testkit::{
    app::{App, Running, get},
    crc::crc32_hex,
    load::{Load, Options, StreamEnd, binary},
};

const STOPS_WITHIN: Duration = Duration::from_secs(5);

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("an answer has a head").1
}

fn document(running: &Running, path: &str) -> serde_json::Value {
    let answer = get(running.address, path).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    assert!(answer.to_lowercase().contains("\r\nx-app-version: 1.2.3\r\n"), "{path}: {answer}");
    serde_json::from_str(body(&answer)).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
}

fn answers_all_it_promises(app: App) {
    let root = tempfile::tempdir().unwrap();
    let release = root.path().join("release");
    app.release(&release, "1.2.3", "").unwrap();
    let running = Running::start(app, &release, &[]).ready();
    let greeting = get(running.address, "/").unwrap();
    assert_eq!(body(&greeting), format!("Hello from {}, version 1.2.3\n", app.name()));
    let version = document(&running, "/api/version");
    assert_eq!(version["version"], "1.2.3", "the file wins over the environment");
    assert_eq!((&version["release"], &version["slot"]), (&"r1".into(), &"blue".into()));
    assert_eq!(version["pid"], running.process.pid());
    let health = document(&running, "/api/health");
    assert_eq!((&health["status"], &health["version"]), (&"healthy".into(), &"1.2.3".into()));
    assert!(health["uptime"].is_number() && health["checks"]["http"] == "pass", "{health}");
    assert_eq!(document(&running, "/api/health/ready")["status"], "ready");
    assert_eq!(document(&running, "/api/health/live")["status"], "alive");
    assert_eq!(document(&running, "/api/deployment/status")["status"], "active");
    assert_eq!(document(&running, "/slow/20")["slept_ms"], 20);
    let none = serde_json::json!({ "count": 0, "duplicates": 0 });
    assert_eq!(document(&running, "/posts"), none);
    let pattern = get(running.address, "/bytes/100").unwrap();
    let expected = crc32_hex(&testkit::crc::pattern(100));
    assert!(pattern.to_lowercase().contains(&format!("x-crc32: {expected}\r\n")), "{pattern}");
    assert!(get(running.address, "/nothing").unwrap().starts_with("HTTP/1.1 404 "));
    assert!(running.output().contains("listening on 127.0.0.1:"), "{}", running.output());
}

fn loses_nothing_under_load(app: App) {
    let root = tempfile::tempdir().unwrap();
    let release = root.path().join("release");
    let posts = root.path().join("posts.log");
    app.release(&release, "1.2.3", "").unwrap();
    let variables = [("POST_LOG", posts.to_str().unwrap())];
    let running = Running::start(app, &release, &variables).ready();
    let history = root.path().join("history");
    let options = Options {
        slow_clients: 1,
        slow_ms: 100,
        body_bytes_max: 1 << 20,
        post_log: vec![posts],
        history: Some(history.clone()),
        ..Options::to(running.address, "localhost")
    };
    let load = Load::start(&binary(), &options).unwrap();
    load.until("300 requests and 40 messages", Duration::from_secs(30), |now| {
        now.completed >= 300 && now.messages >= 40
    });
    let summary = load.stop().unwrap();
    assert!(summary.ok, "{summary:#?}");
    assert_eq!(summary.requests, summary.completed);
    assert_eq!(summary.versions.keys().collect::<Vec<_>>(), ["1.2.3"]);
    assert_eq!(summary.sequences, [("1.2.3".to_owned(), summary.connections)].into());
    let posts = &summary.posts;
    assert!(posts.compared && posts.sent > 50, "{posts:?}");
    assert_eq!((posts.acknowledged, posts.logged), (posts.sent, posts.sent));
    assert_eq!(summary.streams.len(), 2);
    for stream in &summary.streams {
        assert_eq!((stream.end, stream.unanswered), (StreamEnd::Stopped, 0), "{stream:?}");
        assert!(stream.messages > 5, "{stream:?}");
    }
    assert_eq!(document(&running, "/posts")["count"], posts.sent);
    assert_eq!(document(&running, "/posts")["duplicates"], 0);
    assert_eq!(fs::read_to_string(history).unwrap().lines().count() as u64, summary.requests);
}

/// What is in flight ends well, streams get their goodbye, and the code is 0.
fn stops_in_good_order(app: App) {
    let root = tempfile::tempdir().unwrap();
    let release = root.path().join("release");
    app.release(&release, "1.2.3", "").unwrap();
    let mut running = Running::start(app, &release, &[]).ready();
    let options = Options {
        slow_clients: 2,
        slow_ms: 1500,
        websocket_clients: 2,
        event_clients: 2,
        ..Options::idle(running.address, "localhost")
    };
    let load = Load::start(&binary(), &options).unwrap();
    load.until("streams flow", Duration::from_secs(20), |now| now.messages >= 20);
    running.process.signal(Signal::TERM);
    let status = running.process.ended(STOPS_WITHIN);
    let summary = load.stop().unwrap();
    assert!(status.success(), "{status}: {}", running.output());
    let first: Vec<_> = summary.streams.iter().filter(|stream| stream.messages > 0).collect();
    assert_eq!(first.len(), 4, "{summary:#?}");
    for stream in first {
        assert_eq!(stream.end, StreamEnd::Goodbye, "{stream:?}");
    }
    let in_flight = "slow answers that were begun end well";
    assert!(summary.completed >= 2 && summary.aborted == 0, "{in_flight}: {summary:#?}");
}

#[test]
fn node_answers_all_it_promises() {
    answers_all_it_promises(App::Node);
}

#[test]
fn python_answers_all_it_promises() {
    answers_all_it_promises(App::Python);
}

#[test]
fn rust_answers_all_it_promises() {
    answers_all_it_promises(App::Rust);
}

#[test]
fn node_loses_nothing_under_load() {
    loses_nothing_under_load(App::Node);
}

#[test]
fn python_loses_nothing_under_load() {
    loses_nothing_under_load(App::Python);
}

#[test]
fn rust_loses_nothing_under_load() {
    loses_nothing_under_load(App::Rust);
}

#[test]
fn node_stops_in_good_order() {
    stops_in_good_order(App::Node);
}

#[test]
fn python_stops_in_good_order() {
    stops_in_good_order(App::Python);
}

#[test]
fn rust_stops_in_good_order() {
    stops_in_good_order(App::Rust);
}
