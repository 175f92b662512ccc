//! Two applications as their authors published them, deployed from archives under load, then
//! broken from outside in four ways: the old serves on, and what is said names the cause.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::Signal;
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use testkit::{
    published::Published,
    stand::{HOST, Layout, Ran, Stand, TARGET, kill},
    time::{eventually, within},
};

const ABORTED: i32 = 3;
const ROLLED_BACK: i32 = 4;
const INSTANCES: u32 = 2;
/// For an archive to come in and an application of this size to start, on a busy machine.
const DEPLOY_MAX: Duration = Duration::from_secs(120);
/// Between two requests.
const PACE: Duration = Duration::from_millis(20);

#[test]
fn node_red_is_deployed_and_broken() {
    broken_in_four_ways(&Case {
        app: Published::NodeRed,
        command: "[node, node_modules/node-red/red.js, --settings, settings.js]",
        environment: "FLOWS_DIRECTORY: \"{folder}\"",
        health: "/",
        version_path: "/settings",
        version_field: "version",
        missing: "node_modules/express",
        cause_of_missing: "Cannot find module 'express'",
    });
}

#[test]
fn datasette_is_deployed_and_broken() {
    broken_in_four_ways(&Case {
        app: Published::Datasette,
        // Without what else is installed beside Python (`-S`): that is not in the release.
        command: "[python3, -S, -m, datasette, serve, --memory, --host, 127.0.0.1, \
                  --port, \"{port}\"]",
        environment: "PYTHONPATH: lib, PYTHONDONTWRITEBYTECODE: \"1\"",
        health: "/-/versions.json",
        version_path: "/-/versions.json",
        version_field: "datasette.version",
        missing: "lib/jinja2",
        cause_of_missing: "No module named 'jinja2'",
    });
}

struct Case {
    app: Published,
    command: &'static str,
    environment: &'static str,
    health: &'static str,
    version_path: &'static str,
    version_field: &'static str,
    missing: &'static str,
    cause_of_missing: &'static str,
}

fn broken_in_four_ways(case: &Case) {
    let stand = Stand::new(Layout::default());
    fs::write(stand.config(), configuration(case, &stand)).unwrap();
    let [first, second] = case.app.versions();
    deploy(&stand, first, &case.app.archive(first)).expect(0);

    let visitor = Visitor::start(&stand, case.version_path);
    deploy(&stand, second, &case.app.archive(second)).expect(0);
    serves(&stand, case, second);
    lacks_a_part(&stand, case);
    says_another_version(&stand, case);
    is_frozen(&stand, case);
    visitor.failed_at_most(0);

    dies_on_trial(&stand, case);
    let visitor = Visitor::start(&stand, case.version_path);
    stand.cutover_within(&["rollback", TARGET, "--to", first], DEPLOY_MAX).expect(0);
    serves(&stand, case, first);
    visitor.failed_at_most(0);
    stand.down().expect(0);
    assert_eq!(stand.snapshot().processes(), Vec::<u32>::new());
}

fn lacks_a_part(stand: &Stand, case: &Case) {
    let archive = stand.folder.path().join("part.tar.gz");
    case.app.archive_without(case.app.versions()[0], &[case.missing], &archive);
    let ran = deploy(stand, "11.0.0", &archive).expect(ABORTED);
    says(&ran, case.cause_of_missing);
    serves(stand, case, case.app.versions()[1]);
}

/// What is in the archive is not what the command says it is.
fn says_another_version(stand: &Stand, case: &Case) {
    let old = case.app.versions()[0];
    let ran = deploy(stand, "12.0.0", &case.app.archive(old)).expect(ABORTED);
    says(&ran, case.version_field);
    says(&ran, old);
    says(&ran, "12.0.0");
    serves(stand, case, case.app.versions()[1]);
}

fn is_frozen(stand: &Stand, case: &Case) {
    let archive = case.app.archive(case.app.versions()[0]);
    let (mut going, out, error) = stand.start(&words("13.0.0", &archive));
    let candidates = eventually("the candidates run", DEPLOY_MAX, || {
        let found = instances(stand, "13.0.0");
        (found.len() == INSTANCES as usize).then_some(found)
    });
    for pid in &candidates {
        kill(*pid, Signal::STOP);
    }
    let code = going.ended(DEPLOY_MAX).code();
    let text = [out, error].map(|it| fs::read_to_string(it).unwrap()).concat();
    assert_eq!(code, Some(ABORTED), "{text}");
    assert!(text.contains("a signal (SIGSTOP) halted it"), "{text}");
    assert_eq!(instances(stand, "13.0.0"), Vec::<u32>::new(), "{text}");
    serves(stand, case, case.app.versions()[1]);
}

/// Both instances are killed while the new version is on trial.
fn dies_on_trial(stand: &Stand, case: &Case) {
    let [first, second] = case.app.versions();
    // The same content under its own name: it was replaced, so it comes anew.
    let (mut going, out, error) = stand.start(&words(first, &case.app.archive(first)));
    let text = || [&out, &error].map(|it| fs::read_to_string(it).unwrap()).concat();
    eventually("it is on trial", DEPLOY_MAX, || text().contains("✓ verify").then_some(()));
    let on_trial = instances(stand, first);
    assert!(!on_trial.is_empty(), "{}", text());
    for pid in on_trial {
        kill(pid, Signal::KILL);
    }
    let code = going.ended(DEPLOY_MAX).code();
    assert_eq!(code, Some(ROLLED_BACK), "{}", text());
    assert!(text().contains("SIGKILL") || text().contains("signal 9"), "{}", text());
    serves(stand, case, second);
}

fn configuration(case: &Case, stand: &Stand) -> String {
    let folder = stand.folder.path().join("kept");
    fs::create_dir(&folder).unwrap();
    let environment = case.environment.replace("{folder}", &folder.display().to_string());
    format!(
        r#"proxy: {{ listen: ["{}"] }}
projects:
  shop:
    services:
      web:
        command: {}
        instances: {INSTANCES}
        routes: [/]
        health: {{ path: {}, timeout: 1s, tries: 2, interval: 500ms }}
        smoke: [{{ get: {}, json: {{ {}: "{{version}}" }} }}]
        start_timeout: 12s
        bake: 4s
        drain: 2s
        grace: 2s
        keep_warm: 1s
        env: {{ {environment} }}
    environments:
      production: {{ domains: [{HOST}], version: semver, disk_free: 64M }}
"#,
        stand.address, case.command, case.health, case.version_path, case.version_field
    )
}

fn words<'a>(version: &'a str, archive: &'a Path) -> [&'a str; 5] {
    ["deploy", TARGET, version, "--from", archive.to_str().unwrap()]
}

fn deploy(stand: &Stand, version: &str, archive: &Path) -> Ran {
    stand.cutover_within(&words(version, archive), DEPLOY_MAX)
}

#[track_caller]
fn says(ran: &Ran, what: &str) {
    assert!(ran.text().contains(what), "no `{what}` in {}", ran.text());
}

/// It is said to serve, and answers with its own version.
#[track_caller]
fn serves(stand: &Stand, case: &Case, version: &str) {
    assert_eq!(stand.serving(), [version]);
    let answer = stand.get(case.version_path).unwrap();
    let quoted = format!("\"{version}\"");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&quoted), "{answer}");
}

/// The application's own processes of that version, by what their environment says.
fn instances(stand: &Stand, version: &str) -> Vec<u32> {
    let mark = format!("CUTOVER_VERSION={version}");
    let found = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse::<u32>().ok()?;
        let environ = fs::read(entry.path().join("environ")).ok()?;
        let environ = String::from_utf8_lossy(&environ).into_owned();
        let directory = fs::read_link(entry.path().join("cwd")).ok()?;
        let ours = directory.starts_with(&stand.root);
        (ours && environ.split('\0').any(|it| it == mark)).then_some(pid)
    });
    found.collect()
}

/// Somebody who asks again and again, each time by a connection of its own.
struct Visitor {
    ends: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Visitor {
    fn start(stand: &Stand, path: &'static str) -> Self {
        let (ends, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (address, end, counter) = (stand.address, Arc::clone(&ends), Arc::clone(&asked));
        let thread = thread::spawn(move || {
            let mut failed = vec![];
            while !end.load(Ordering::Relaxed) {
                match testkit::app::get_from(address, HOST, path) {
                    Ok(answer) if answer.starts_with("HTTP/1.1 200") => {}
                    other => failed.push(format!("{other:?}")),
                }
                counter.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PACE);
            }
            failed
        });
        let asks = || (asked.load(Ordering::Relaxed) > 0).then_some(());
        within(DEPLOY_MAX, asks).expect("the first request is answered");
        Self { ends, asked, thread: Some(thread) }
    }

    #[track_caller]
    fn failed_at_most(mut self, count: usize) {
        self.ends.store(true, Ordering::Relaxed);
        let failed = self.thread.take().expect("it runs until now").join().unwrap();
        let asked = self.asked.load(Ordering::Relaxed);
        assert!(failed.len() <= count, "{} of {asked} failed: {failed:#?}", failed.len());
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}
