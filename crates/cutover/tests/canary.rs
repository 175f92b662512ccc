//! A canary under load: shares, the verdict of a stage, and the way back from it.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use serde_json::Value;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};
use testkit::{
    load::Options,
    stand::{Layout, Stand, TARGET, assert_clean},
    time::eventually,
};

/// For a stage to be reached, and for what is seen of it.
const MOMENT: Duration = Duration::from_secs(40);

/// Answers after `MS` milliseconds, and is healthy.
const APPLICATION: &str = r#"#!/usr/bin/env python3
import http.server, json, os, time
VERSION = open("VERSION").read().strip()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if "health" not in self.path:
            time.sleep(MS / 1000)
        body = json.dumps({"status": "healthy", "version": VERSION}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-app-version", VERSION)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *rest):
        pass
address = ("127.0.0.1", int(os.environ["PORT"]))
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"#;

fn stand(canary: &str) -> Stand {
    Stand::new(Layout {
        strategy: "canary",
        instances: 1,
        bake_s: 0.5,
        more: vec![format!("canary: {canary}")],
        ..Layout::default()
    })
}

/// Only what ends at once: a stream would be counted when it ends.
fn short(options: &mut Options) {
    options.websocket_clients = 0;
    options.event_clients = 0;
}

/// Requests to the new, and to all, by one look at the proxy.
fn seen(environment: &Value) -> Option<(f64, f64)> {
    let tried = environment["trial"]["requests"].as_f64()?;
    Some((tried, environment["requests"].as_f64()?))
}

#[test]
fn requests_move_by_shares_and_somebody_may_wait_no_longer() {
    let stand = stand("{ stages: [10%, 50%], each: 40s }");
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load_with(short);
    let from = stand.release("2.0.0", "").display().to_string();
    let (mut deploying, out, _) = stand.start(&["deploy", TARGET, "2.0.0", "--from", &from]);
    for (stage, share) in [("stage 1 of 3, 10 %", 0.1), ("stage 2 of 3, 50 %", 0.5)] {
        let begin = eventually(stage, MOMENT, || {
            let status = stand.cutover(&["status"]).out;
            status.contains(stage).then(|| seen(&stand.environment())).flatten()
        });
        let end = eventually("enough is seen", MOMENT, || {
            seen(&stand.environment()).filter(|it| it.1 - begin.1 >= 400.0)
        });
        let (tried, all) = (end.0 - begin.0, end.1 - begin.1);
        // Chance would stay within five deviations; requests on their way are counted by one only.
        let bound = 5.0 * (all * share * (1.0 - share)).sqrt() + 10.0;
        assert!((tried - all * share).abs() < bound, "{tried} of {all} at {share}");
        stand.cutover(&["promote", "-d", TARGET]).expect(130);
    }
    let status = deploying.ended(MOMENT);
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.contains(", 0 failed") && last.contains("2.0.0: "), "{last}");
    let shown = stand.cutover(&["show", TARGET]).expect(0).out;
    assert!(shown.contains("promoted by"), "{shown}");
    assert_eq!(stand.serving(), ["2.0.0"]);
    assert_clean(&load.stop().unwrap());
    let nothing = stand.cutover(&["promote", "-d", TARGET]);
    assert!(nothing.text().contains("it has ended"), "{}", nothing.text());
}

#[test]
fn one_in_ten_that_fails_goes_back_with_its_stage() {
    let stand = stand("{ stages: [30%], each: 30s }");
    stand.deploy("1.0.0", "").expect(0);
    let load = stand.load_with(short);
    let ran = stand.deploy("2.0.0", "errors=10").expect(4);
    assert!(ran.text().contains("stage 1 of 2, 30 % of the requests"), "{}", ran.text());
    assert!(ran.text().contains("requests failed"), "{}", ran.text());
    assert_eq!(stand.serving(), ["1.0.0"]);
    load.stop().unwrap();
}

#[test]
fn what_answers_three_times_as_late_goes_back() {
    let stand = stand("{ stages: [50%], each: 4s }");
    let deploy = |version: &str, delay_ms: &str| {
        let directory = stand.release(version, "");
        serve_late(&directory, delay_ms);
        stand.cutover(&["deploy", TARGET, version, "--from", &directory.display().to_string()])
    };
    deploy("1.0.0", "30").expect(0);
    let load = stand.load_with(|it| {
        short(it);
        // It answers to GET only, and the same to each.
        it.post_clients = 0;
        it.connect_clients = 0;
    });
    let ran = deploy("2.0.0", "90").expect(4);
    assert!(ran.text().contains("slower: the median is "), "{}", ran.text());
    assert!(ran.text().contains("stage 1 of 2, 50 % of the requests"), "{}", ran.text());
    assert_eq!(stand.serving(), ["1.0.0"]);
    let again = deploy("3.0.0", "30").expect(0);
    load.stop().unwrap();
    assert!(again.out.lines().last().unwrap().contains(", 0 failed, "), "{}", again.out);
    let shown = stand.cutover(&["show", TARGET]).expect(0).out;
    assert!(shown.contains("done: good: "), "{shown}");
}

fn serve_late(directory: &Path, delay_ms: &str) {
    let program = directory.join("example-app");
    fs::remove_file(&program).unwrap();
    fs::write(&program, APPLICATION.replace("MS / 1000", &format!("{delay_ms} / 1000"))).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
}
