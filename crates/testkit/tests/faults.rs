//! The load against a server that is wrong on purpose: every fault shows up in its own count.

#![allow(clippy::unwrap_used, reason = "in a test that is a failure with its reason")]

mod server;

use server::{Fault, Server};
use std::{collections::BTreeMap, time::Duration};
use testkit::load::{FaultKind, Load, Options, StreamEnd, Summary, binary};

fn sum_up(server: &Server, requests: u64, change: impl Fn(&mut Options)) -> Summary {
    let mut options = Options {
        requests: Some(requests),
        rate: None,
        body_bytes_max: 20_000,
        timeout_ms: 3000,
        post_log: vec![server.post_log()],
        ..Options::idle(server.address(), "localhost")
    };
    change(&mut options);
    let load = Load::start(&binary(), &options).unwrap();
    load.finish(Duration::from_secs(20)).unwrap()
}

fn gets(fault: Fault) -> Summary {
    sum_up(&Server::start(fault), 40, |options| options.get_clients = 1)
}

fn posts(fault: Fault) -> Summary {
    sum_up(&Server::start(fault), 40, |options| options.post_clients = 1)
}

/// Every tenth of 40 requests fails as `kind`.
fn assert_four(summary: &Summary, kind: FaultKind, aborted: u64) {
    assert!(!summary.ok);
    assert_eq!(summary.failures, BTreeMap::from([(kind, 4)]), "{summary:#?}");
    let counts = (summary.requests, summary.completed, summary.failed, summary.aborted);
    assert_eq!(counts, (40, 36, 4, aborted), "{summary:#?}");
    let first = &summary.first_failures[0];
    assert!(first.fault == Some(kind) && first.connection > 0 && first.started_ms > 0, "{first:?}");
}

#[test]
fn an_honest_server_has_no_failures() {
    let server = Server::start(Fault::None);
    let summary = sum_up(&server, 300, |options| {
        (options.get_clients, options.post_clients, options.connect_clients) = (2, 2, 1);
    });
    assert!(summary.ok, "{summary:#?}");
    assert_eq!((summary.requests, summary.completed), (300, 300));
    assert!(summary.posts.compared && summary.posts.logged == summary.posts.sent);
    assert!(summary.latency_us.p50 <= summary.latency_us.p99);
    assert!(summary.latency_us.p99 <= summary.latency_us.max && summary.latency_us.p50 > 0);
    assert!(summary.longest_gap_ms > 0.0);
}

#[test]
fn truncated_bodies_are_aborts() {
    assert_four(&gets(Fault::Truncate), FaultKind::Truncated, 4);
}

#[test]
fn truncated_chunked_bodies_are_aborts() {
    assert_four(&gets(Fault::TruncateChunked), FaultKind::Truncated, 4);
}

#[test]
fn resets_within_a_response_are_aborts() {
    assert_four(&gets(Fault::ResetWithin), FaultKind::Reset, 4);
}

#[test]
fn silence_is_an_abort() {
    let server = Server::start(Fault::Hang);
    let summary = sum_up(&server, 40, |options| {
        options.get_clients = 1;
        options.timeout_ms = 200;
    });
    assert_four(&summary, FaultKind::Timeout, 4);
    assert!(summary.longest_gap_ms >= 200.0, "{}", summary.longest_gap_ms);
}

#[test]
fn wrong_bytes_are_seen() {
    assert_four(&gets(Fault::WrongBody), FaultKind::Checksum, 0);
    assert_four(&posts(Fault::WrongBody), FaultKind::Checksum, 0);
}

#[test]
fn bytes_nobody_asked_for_break_the_protocol() {
    assert_four(&gets(Fault::Extra), FaultKind::Protocol, 0);
}

#[test]
fn answers_of_the_app_and_of_the_proxy_are_told_apart() {
    assert_four(&gets(Fault::Status500), FaultKind::AppServerError, 0);
    assert_four(&posts(Fault::Status404), FaultKind::AppClientError, 0);
    assert_four(&gets(Fault::Proxy503), FaultKind::ProxyError, 0);
}

#[test]
fn a_refused_connection_is_a_failure() {
    let target = ([127, 0, 0, 1], testkit::ports::free()).into();
    let options =
        Options { requests: Some(5), get_clients: 1, ..Options::idle(target, "localhost") };
    let load = Load::start(&binary(), &options).unwrap();
    let summary = load.finish(Duration::from_secs(10)).unwrap();
    assert_eq!(summary.failures, BTreeMap::from([(FaultKind::Refused, 5)]));
    assert_eq!((summary.completed, summary.aborted, summary.ok), (0, 0, false));
}

#[test]
fn a_stale_get_is_retried_and_a_stale_post_has_failed() {
    let retried = gets(Fault::CloseUnanswered);
    assert!(retried.ok, "{retried:#?}");
    assert_eq!((retried.completed, retried.stale_retried), (40, 4));
    assert_four(&posts(Fault::CloseUnanswered), FaultKind::Closed, 4);
}

#[test]
fn an_announced_close_is_no_failure() {
    for summary in [gets(Fault::AnnouncedClose), posts(Fault::AnnouncedClose)] {
        assert!(summary.ok, "{summary:#?}");
        assert_eq!((summary.connections, summary.stale_retried), (4, 0));
    }
}

#[test]
fn lost_and_doubled_posts_are_named() {
    let doubled = posts(Fault::DoublePost);
    assert!(!doubled.ok && doubled.failed == 0);
    assert_eq!((doubled.posts.doubled, doubled.posts.lost), (4, 0));
    assert_eq!(doubled.posts.first_doubled.len(), 4);
    let lost = posts(Fault::LosePost);
    assert!(!lost.ok && lost.failed == 0);
    assert_eq!((lost.posts.doubled, lost.posts.lost, lost.posts.acknowledged), (0, 4, 40));
}

#[test]
fn versions_are_seen_in_order() {
    let summary = gets(Fault::VersionOnce);
    assert!(summary.ok, "{summary:#?}");
    let counts: Vec<u64> = summary.versions.values().map(|count| count.requests).collect();
    assert_eq!(counts, [9, 31]);
    assert!(summary.versions["1"].last_ms <= summary.versions["2"].first_ms);
    assert_eq!(summary.transitions, [("1->2".to_owned(), 1)].into());
    assert_eq!(summary.sequences, [("1,2".to_owned(), 1)].into());
    let back = gets(Fault::VersionFlips);
    assert_eq!(back.transitions, [("1->2".to_owned(), 4), ("2->1".to_owned(), 4)].into());
}

fn streams(fault: Fault, messages: u64, change: impl Fn(&mut Options)) -> Summary {
    let server = Server::start(fault);
    let mut options = Options::idle(server.address(), "localhost");
    options.timeout_ms = 1000;
    change(&mut options);
    let load = Load::start(&binary(), &options).unwrap();
    load.until("messages", Duration::from_secs(20), |now| now.messages >= messages);
    load.stop().unwrap()
}

#[test]
fn websockets_tell_how_they_ended() {
    let ends = |fault| {
        let summary = streams(fault, 5, |options| options.websocket_clients = 1);
        assert_eq!(summary.ok, summary.streams_failed == 0);
        let first = summary.streams[0].clone();
        (first.end, first.close_code, first.messages)
    };
    assert_eq!(ends(Fault::WebSocketRestart), (StreamEnd::Goodbye, Some(1012), 3));
    assert_eq!(ends(Fault::WebSocketError), (StreamEnd::BadCode, Some(1011), 3));
    assert_eq!(ends(Fault::WebSocketCut), (StreamEnd::Broken, None, 3));
    assert_eq!(ends(Fault::WebSocketWrong), (StreamEnd::Wrong, None, 3));
    let (end, code, messages) = ends(Fault::None);
    assert_eq!((end, code), (StreamEnd::Stopped, Some(1000)));
    assert!(messages >= 5);
}

#[test]
fn event_streams_tell_how_they_ended() {
    let ends = |fault| {
        let summary = streams(fault, 5, |options| options.event_clients = 1);
        assert_eq!(summary.ok, summary.streams_failed == 0);
        (summary.streams[0].end, summary.streams[0].messages)
    };
    assert_eq!(ends(Fault::EventsLastChunk), (StreamEnd::Goodbye, 3));
    assert_eq!(ends(Fault::EventsCut), (StreamEnd::Broken, 3));
    assert_eq!(ends(Fault::EventsSkip), (StreamEnd::Wrong, 3));
    assert_eq!(ends(Fault::None).0, StreamEnd::Stopped);
}

#[test]
fn the_rate_is_kept() {
    let server = Server::start(Fault::None);
    let summary = sum_up(&server, 60, |options| {
        options.get_clients = 3;
        options.rate = Some(100.0);
    });
    let took_ms = summary.ended_ms - summary.started_ms;
    assert!(summary.ok && took_ms >= 580, "60 requests at 100 a second took {took_ms} ms");
}

#[test]
fn a_load_without_clients_is_refused_in_words() {
    let target = ([127, 0, 0, 1], 1).into();
    let load = Load::start(&binary(), &Options::idle(target, "localhost")).unwrap();
    let error = format!("{:#}", load.finish(Duration::from_secs(5)).unwrap_err());
    assert!(error.contains("no client is asked for"), "{error}");
}
