//! Checks and smoke tests on an installation that lives: each kind green and red.  What is red
//! leaves the old serving, and says why.

use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};
use testkit::{
    stand::{Layout, Ran, Stand, TARGET},
    time::eventually,
};

const SECRET: &str = "hunter2-and-more";
const ABORTED: i32 = 3;
const ROLLED_BACK: i32 = 4;
/// For something that takes a moment.
const MOMENT: Duration = Duration::from_secs(20);

/// With these checks, one a line of YAML.
fn stand(checks: &[&str]) -> Stand {
    let list = checks.iter().map(|it| format!("  - {it}"));
    let more = ["checks:".to_owned()].into_iter().chain(list).collect();
    let stand = Stand::new(Layout { bake_s: 0.5, instances: 1, more, ..Layout::default() });
    // The service has variables of its own, one of which nobody may see.
    let text = fs::read_to_string(stand.config()).expect("it was written");
    let text = text.replace("env: { POST_LOG", &format!("env: {{ LOGIN: {SECRET}, POST_LOG"));
    // What is to be seen here is the checks'.
    let smoke = "smoke: [{ get: /api/version, json: { version: \"{version}\" } }]";
    assert!(text.contains(smoke) && text.contains(SECRET), "{text}");
    fs::write(stand.config(), text.replace(smoke, "smoke: []")).expect("it can be written");
    stand
}

/// Deploys a good release that must pass, then one that must not.
#[track_caller]
fn refused(stand: &Stand, breakage: &str, code: i32, causes: &[&str]) -> Ran {
    stand.deploy("1.0.0", "").expect(0);
    let ran = stand.deploy("2.0.0", breakage).expect(code);
    for cause in causes {
        assert!(ran.text().contains(cause), "no `{cause}` in {}", ran.text());
    }
    assert_eq!(stand.serving(), ["1.0.0"]);
    stand.until_answers("1.0.0", MOMENT);
    ran
}

fn script(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::write(&path, text).expect("it can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// Every file under the directory that holds the text.
fn files_with(directory: &Path, text: &str) -> Vec<String> {
    let mut found = vec![];
    for entry in fs::read_dir(directory).expect("it is there").filter_map(Result::ok) {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            found.extend(files_with(&path, text));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|it| it == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_sequence_uses_what_it_captured_and_shows_no_secret() {
    let green = "{ http: [
          { post: /echo, body: { user: anna, secret: \"{env.LOGIN}\" },
            headers: { X-Request-Id: \"{env.LOGIN}\" }, matches: '\"length\": ?[0-9]+',
            json: { id: \"{env.LOGIN}\", version: \"{version}\" },
            capture: { length: json:length, id: json:id, kind: header:content-type } },
          { get: \"/bytes/{length}\", expect_headers: { content-length: \"{length}\" } },
          { post: /echo, form: { token: \"{id}\" }, headers: { X-Request-Id: \"{id}\" },
            contains: \"{id}\" }], name: login }";
    let stand = stand(&[&green.replace('\n', " ")]);
    stand.deploy("1.0.0", "").expect(0);

    // The answer repeats what was sent, and is shown: without the value.
    let text = fs::read_to_string(stand.config()).unwrap();
    let red = text.replace("contains: \"{id}\"", "contains: nothing-of-it");
    fs::write(stand.config(), red).unwrap();
    let ran = stand.deploy("2.0.0", "").expect(ABORTED);
    let said = ran.text();
    for part in ["check `login`", "request 3 of 3", "nothing-of-it", "[secret]", "token={id}"] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert!(!said.contains(SECRET), "{said}");
    assert_eq!(stand.serving(), ["1.0.0"]);
    for place in ["proxy", "logs", "projects/shop/production/logs"] {
        let place = stand.root.join(place);
        if place.is_dir() {
            assert_eq!(files_with(&place, SECRET), Vec::<String>::new());
        }
    }
    let shown = stand.cutover(&["show", TARGET]).text();
    assert!(shown.contains("check `login`") && !shown.contains(SECRET), "{shown}");
}

#[test]
fn an_endpoint_that_fails_turns_it_back() {
    let stand = stand(&["{ endpoints: [/, /api/version] }"]);
    refused(&stand, "all_500", ABORTED, &["check `endpoints`", "answered 500", "below 500"]);
}

#[test]
fn what_it_says_it_is_must_be_what_it_is_unless_that_is_forced() {
    let stand =
        stand(&["{ version: true }", "{ version: { path: /api/version, field: version } }"]);
    let said = ["check `version`", "0.0.0-wrong, not 2.0.0", "CUTOVER_VERSION", "--force"];
    refused(&stand, "wrong_version", ABORTED, &said);

    let from = stand.folder.path().join("v2.0.0").display().to_string();
    let words = ["deploy", TARGET, "2.0.0", "--from", &from];
    stand.cutover(&[&words[..], &["--skip-health-check"]].concat()).expect(ABORTED);
    let ran = stand.cutover(&[&words[..], &["--force"]].concat()).expect(0);
    assert!(ran.text().contains("overridden by --force"), "{}", ran.text());
    let logs = stand.root.join("projects/shop/production/logs/deployments");
    assert!(!files_with(&logs, "overridden by --force").is_empty(), "it is recorded");
}

#[test]
fn a_commit_that_nobody_knows_is_said_to_be_so() {
    let stand = stand(&["{ commit: /api/health }"]);
    let ran = stand.deploy("1.0.0", "").expect(ABORTED);
    assert!(ran.text().contains("the release's content says none"), "{}", ran.text());
}

#[test]
fn a_command_runs_in_the_release_with_its_environment() {
    let stand = stand(&["{ command: [./verify, \"{version}\"] }"]);
    let text = "#!/bin/sh\ntest \"$CUTOVER_VERSION\" = \"$1\" && test -f VERSION \
                && test \"$1\" = 1.0.0 || { echo \"tables are missing\" >&2; exit 7; }\n";
    for version in ["1.0.0", "2.0.0"] {
        script(&stand.release(version, ""), "verify", text);
    }
    let deploy = |version: &str| {
        let from = stand.folder.path().join(format!("v{version}")).display().to_string();
        stand.cutover(&["deploy", TARGET, version, "--from", &from])
    };
    deploy("1.0.0").expect(0);
    let ran = deploy("2.0.0").expect(ABORTED);
    for part in ["check `command`", "exit code 7", "tables are missing"] {
        assert!(ran.text().contains(part), "no `{part}` in {}", ran.text());
    }
    assert_eq!(stand.serving(), ["1.0.0"]);
}

#[test]
fn what_it_wrote_is_held_against_it() {
    let stand = stand(&["{ log: { absent: 'listening on .*:1$' } }", "{ tcp: true, after: true }"]);
    stand.deploy("1.0.0", "").expect(0);
    let text = fs::read_to_string(stand.config()).unwrap();
    fs::write(stand.config(), text.replace(":1$", "")).unwrap();
    let ran = stand.deploy("2.0.0", "").expect(ABORTED);
    for part in ["check `log`", "it wrote:", "listening on 127.0.0.1:"] {
        assert!(ran.text().contains(part), "no `{part}` in {}", ran.text());
    }
    assert_eq!(stand.serving(), ["1.0.0"]);
}

#[test]
fn what_it_depends_on_must_accept() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stand = stand(&[&format!("{{ tcp: \"{address}\", name: database }}")]);
    stand.deploy("1.0.0", "").expect(0);
    drop(listener);
    let ran = stand.deploy("2.0.0", "").expect(ABORTED);
    let said = ran.text();
    for part in ["check `database`", "refused", &format!("see that {address} can be reached")] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert_eq!(stand.serving(), ["1.0.0"]);
}

#[test]
fn what_is_slow_is_not_switched_to_unless_that_is_forced() {
    let stand = stand(&["{ performance: { path: /slow/40, response_ms: 2000, window: 500ms } }"]);
    stand.deploy("1.0.0", "").expect(0);
    let text = fs::read_to_string(stand.config()).unwrap();
    fs::write(stand.config(), text.replace("2000", "20")).unwrap();
    let ran = stand.deploy("2.0.0", "").expect(ABORTED);
    for part in ["check `performance`", "wanted: less than 20", "measured", "processors"] {
        assert!(ran.text().contains(part), "no `{part}` in {}", ran.text());
    }
    assert_eq!(stand.serving(), ["1.0.0"]);
    let from = stand.folder.path().join("v2.0.0").display().to_string();
    stand.cutover(&["deploy", TARGET, "2.0.0", "--from", &from, "--force"]).expect(0);
    assert_eq!(stand.serving(), ["2.0.0"]);
}

#[test]
fn memory_is_measured_against_the_limit() {
    let stand = stand(&["{ performance: { path: /, memory_percent: 10, window: 2s } }"]);
    let text = fs::read_to_string(stand.config()).unwrap();
    let limited = "        limits: { memory: 256M }\n        checks:";
    fs::write(stand.config(), text.replace("        checks:", limited)).unwrap();
    stand.deploy("1.0.0", "").expect(0);
    let ran = stand.deploy("2.0.0", "leak_memory").expect(ABORTED);
    for part in ["% of its memory, wanted: less than 10 %", "of 256 MiB"] {
        assert!(ran.text().contains(part), "no `{part}` in {}", ran.text());
    }
    assert_eq!(stand.serving(), ["1.0.0"]);
}

#[test]
fn what_fails_only_by_the_public_route_is_taken_back() {
    // The route takes no other host name; the instance itself takes every one.
    let green = "{ http: { get: /api/version, json: { version: \"{version}\" } }, after: true }";
    let stand = stand(&[green, "{ performance: { path: /, window: 300ms }, after: true }"]);
    stand.deploy("1.0.0", "").expect(0);
    // Each life answers this one only once: the candidate passes, the public route does not.
    let text = fs::read_to_string(stand.config()).unwrap();
    let once = "{ command: [./once], after: true, name: once }\n          - { http";
    fs::write(stand.config(), text.replacen("{ http", once, 1)).unwrap();
    let release = stand.release("2.0.0", "");
    script(&release, "once", "#!/bin/sh\nmkdir \"/tmp/once-$CUTOVER_INSTANCE\" || exit 9\n");
    let from = release.display().to_string();
    let ran = stand.cutover(&["deploy", TARGET, "2.0.0", "--from", &from]).expect(ROLLED_BACK);
    for entry in fs::read_dir("/tmp").unwrap().filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with("once-shop.production.") {
            let _ = fs::remove_dir(entry.path());
        }
    }
    for part in ["check `once`", "exit code 9", "recheck"] {
        assert!(ran.text().contains(part), "no `{part}` in {}", ran.text());
    }
    assert_eq!(stand.serving(), ["1.0.0"]);
    stand.until_answers("1.0.0", MOMENT);
}

#[test]
fn health_is_asked_on_demand_and_by_nobody_else() {
    let stand = stand(&["{ tcp: true }"]);
    let red = stand.cutover(&["health", TARGET, "--json"]).expect(1);
    let red: Value = serde_json::from_str(&red.out).unwrap();
    assert_eq!(
        (red["status"].as_str(), red["checks"]["serves"].as_str()),
        (Some("unhealthy"), Some("fail"))
    );

    stand.deploy("1.0.0", "").expect(0);
    let ran = stand.cutover(&["health", TARGET, "--json"]).expect(0);
    let seen: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(seen["status"], "healthy", "{}", ran.text());
    assert_eq!(seen["checks"]["public route"], "pass");
    assert_eq!(seen["checks"].as_object().unwrap().len(), 2);
    assert!(seen["metrics"]["responseTime"].as_f64().unwrap() > 0.0, "{}", ran.out);
    assert!(seen["metrics"]["memoryUsage"].as_f64().unwrap() > 0.0, "{}", ran.out);
    assert!(seen["metrics"]["cpuUsage"].as_f64().unwrap() >= 0.0, "{}", ran.out);
    assert!(seen["timestamp"].as_str().unwrap().ends_with('Z'), "{}", ran.out);
    let people = stand.cutover(&["health"]).expect(0);
    assert!(people.out.contains("healthy") && people.out.contains("✓ web.1"), "{}", people.out);

    // An instance that hangs is named, with the reason.
    let (_, pid) = stand.instances("serving")[0];
    testkit::stand::kill(pid, rustix::process::Signal::STOP);
    let ran = stand.cutover(&["health", TARGET]);
    testkit::stand::kill(pid, rustix::process::Signal::CONT);
    let ran = ran.expect(1);
    for part in ["unhealthy", "✗ web.1", "was silent within"] {
        assert!(ran.out.contains(part), "no `{part}` in {}", ran.text());
    }
    eventually("it is healthy again", MOMENT, || {
        (stand.cutover(&["health", TARGET]).code == Some(0)).then_some(())
    });
}

#[test]
fn a_failure_names_its_likely_cause() {
    let stand = stand(&["{ tcp: true }"]);
    let text = fs::read_to_string(stand.config()).unwrap();
    let text = text.replace("start_timeout: 20000ms", "start_timeout: 3000ms");
    fs::write(stand.config(), &text).unwrap();
    let said = ["not on PORT", "make it read the variable PORT"];
    refused(&stand, "listen_wrong_port", ABORTED, &said);
    let ran = stand.deploy("3.0.0", "health_redirect_loop").expect(ABORTED);
    assert!(ran.text().contains("an endless redirect"), "{}", ran.text());
    // The program says which variable it misses.
    let text = text.replace("[\"./example-app\"]", "[./needy]");
    fs::write(stand.config(), text).unwrap();
    let release = stand.release("4.0.0", "");
    script(&release, "needy", "#!/bin/sh\necho 'Error: DATABASE_URL is not set' >&2; exit 1\n");
    let from = release.display().to_string();
    let ran = stand.cutover(&["deploy", TARGET, "4.0.0", "--from", &from]).expect(ABORTED);
    assert!(ran.text().contains("it misses the variable DATABASE_URL"), "{}", ran.text());
    assert_eq!(stand.serving(), ["1.0.0"]);
}
