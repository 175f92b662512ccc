//! A worker and a job beside a web service, on an installation that lives.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use testkit::{
    app::App,
    stand::{HOST, Layout, Ran, Stand, TARGET, assert_clean},
    time::eventually,
};

const ROLLED_BACK: i32 = 4;
const DEPLOY_MAX: Duration = Duration::from_secs(90);
/// The job is due once a minute.
const DUE_MAX: Duration = Duration::from_secs(90);

const WORKER: &str = "
console.log('ready');
process.on('SIGUSR1', () => console.log('takes no new job'));
process.on('SIGTERM', () => { console.log('has ended its jobs'); process.exit(0); });
setInterval(() => {}, 1000);
";
/// Works for a moment, and then no more.
const BROKEN_WORKER: &str = "console.log('ready'); setTimeout(() => process.exit(9), 2500);";
const JOB: &str = "console.log('a job of', process.env.CUTOVER_VERSION);";

#[test]
fn workers_and_jobs_go_along_with_what_answers() {
    let stand = Stand::new(Layout { app: App::Node, ..Layout::default() });
    fs::write(stand.config(), configuration(&stand)).unwrap();
    deploy(&stand, "1.0.0", WORKER).expect(0);
    let old = working(&stand);
    assert_eq!(old.len(), 2, "{old:?}");

    let load = stand.load();
    deploy(&stand, "2.0.0", WORKER).expect(0);
    let new = working(&stand);
    assert!(new.len() == 2 && new.iter().all(|it| !old.contains(it)), "{old:?} {new:?}");
    let lines = logs(&stand);
    for id in &old {
        // Told before the switch, ended after it was confirmed; the new were ready before both.
        let at = |what: &str| {
            let found = lines.iter().position(|it| it.contains(id) && it.ends_with(what));
            found.unwrap_or_else(|| panic!("{id} said no `{what}`: {lines:#?}"))
        };
        let ready = lines.iter().position(|it| it.contains(&new[0]) && it.ends_with("ready"));
        assert!(ready.unwrap() < at("takes no new job"), "{lines:#?}");
        assert!(at("takes no new job") < at("has ended its jobs"), "{lines:#?}");
    }

    // A worker that fails in the bake takes everything back, and the old ones work again.
    deploy(&stand, "3.0.0", BROKEN_WORKER).expect(ROLLED_BACK);
    assert_clean(&load.stop().unwrap());
    assert_eq!(stand.serving(), ["2.0.0"]);
    assert_eq!(working(&stand).len(), 2);

    eventually("the job of the release that serves ran", DUE_MAX, || {
        logs(&stand).iter().any(|it| it.ends_with("a job of 2.0.0")).then_some(())
    });
    eventually("it is told how the job ended", Duration::from_secs(20), || {
        stand.cutover(&["ps"]).expect(0).out.contains("exit code 0").then_some(())
    });
}

fn configuration(stand: &Stand) -> String {
    format!(
        r#"proxy: {{ listen: ["{}"] }}
projects:
  shop:
    services:
      web:
        command: [node, server.js]
        instances: 2
        routes: [/]
        health: {{ path: /api/health }}
        bake: 4s
        drain: 4s
        grace: 2s
        env: {{ POST_LOG: "{}" }}
      mail:
        kind: worker
        command: [node, worker.js]
        instances: 2
        readiness: {{ log: "^ready" }}
        quiet_signal: SIGUSR1
        bake: 4s
      tick:
        command: [node, job.js]
        schedule: "* * * * *"
        time_limit: 20s
    environments:
      production: {{ domains: [{HOST}], version: semver, disk_free: 64M }}
"#,
        stand.address,
        stand.post_log.display()
    )
}

fn deploy(stand: &Stand, version: &str, worker: &str) -> Ran {
    let directory = stand.release(version, "");
    write(&directory, "worker.js", worker);
    write(&directory, "job.js", JOB);
    let from = directory.display().to_string();
    stand.cutover_within(&["deploy", TARGET, version, "--from", &from], DEPLOY_MAX)
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).unwrap();
}

/// The ids of the workers.
fn working(stand: &Stand) -> Vec<String> {
    let environment = stand.environment();
    let all = environment["instances"].as_array().cloned().unwrap_or_default();
    let workers = all.iter().filter(|it| it["role"] == "working" || it["service"] == "mail");
    let id = |it: &Value| it["id"].as_str().map(str::to_owned);
    workers.filter(|it| it["status"] == "running" || it["pid"].is_u64()).filter_map(id).collect()
}

fn logs(stand: &Stand) -> Vec<String> {
    let ran = stand.cutover(&["logs", TARGET, "--lines", "400"]).expect(0);
    ran.out.lines().map(str::to_owned).collect()
}
