//! The verbs on an installation that lives.

use serde_json::Value;
use std::{fs, process::Command, time::Duration};
use testkit::{
    stand::{Layout, Stand, TARGET, kill},
    terminal::Terminal,
    time::eventually,
};

/// For something that takes a moment.
const MOMENT: Duration = Duration::from_secs(20);

fn stand() -> Stand {
    Stand::new(Layout { bake_s: 0.5, ..Layout::default() })
}

/// Objects, one a line.
fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|it| serde_json::from_str(it).expect("each line is an object")).collect()
}

#[test]
fn a_deployment_is_told_to_people_and_to_programs() {
    let stand = stand();
    let ran = stand.deploy("1.0.0", "").expect(0);
    let last = ran.out.lines().last().unwrap();
    assert!(last.contains("deployed shop/production 1.0.0 in "), "{last}");
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);

    let from = stand.release("2.0.0", "").display().to_string();
    let ran = stand.cutover(&["--json", "deploy", TARGET, "2.0.0", "--from", &from]).expect(0);
    let lines = objects(&ran.out);
    let events: Vec<&str> = lines.iter().filter_map(|it| it["event"].as_str()).collect();
    for event in ["upload", "accepted", "planned", "step", "ended"] {
        assert!(events.contains(&event), "no {event} in {events:?}");
    }
    let last = lines.last().unwrap();
    assert_eq!((last["event"].as_str(), last["exit_code"].as_u64()), (Some("ended"), Some(0)));

    let from = stand.release("3.0.0", "").display().to_string();
    let ran = stand.cutover(&["-q", "deploy", TARGET, "3.0.0", "--from", &from]).expect(0);
    assert_eq!((ran.out.lines().count(), ran.error.as_str()), (1, ""), "{}", ran.text());
    assert!(ran.out.contains("back: cutover rollback production (2.0.0"), "{}", ran.out);
}

#[test]
fn a_plan_is_told_and_nothing_is_done() {
    let stand = stand();
    stand.deploy("1.0.0", "").expect(0);
    let from = stand.release("2.0.0", "").display().to_string();
    for words in [
        &["plan", TARGET, "2.0.0", "--from", &from][..],
        &["deploy", TARGET, "2.0.0", "--from", &from, "--dry-run"],
    ] {
        let ran = stand.cutover(words).expect(0);
        for part in ["1.0.0 → 2.0.0", "downtime", "way back", "nothing was done"] {
            assert!(ran.out.contains(part), "{part}: {}", ran.text());
        }
    }
    assert_eq!(stand.serving(), ["1.0.0"]);
    let words = ["--json", "history", TARGET];
    let history: Vec<Value> = serde_json::from_str(&stand.cutover(&words).out).unwrap();
    assert_eq!(history.len(), 1, "a plan is no deployment");
}

#[test]
fn who_is_interrupted_leaves_and_the_deployment_goes_on() {
    let stand = Stand::new(Layout { bake_s: 3.0, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let (mut watcher, out, _) = stand.start(&["restart", TARGET]);
    let text = || fs::read_to_string(&out).unwrap();
    eventually("the traffic is switched", MOMENT, || text().contains("✓ switch").then_some(()));

    // Meanwhile nobody else may change the environment, and everybody may look.
    let busy = stand.cutover(&["restart", TARGET]).expect(6);
    for part in ["lock", "cutover attach", "serving now", "1.0.0"] {
        assert!(busy.error.contains(part), "{part}: {}", busy.text());
    }
    assert_eq!(stand.environment()["state"], "deploying");

    kill(watcher.pid(), rustix::process::Signal::INT);
    assert_eq!(watcher.ended(MOMENT).code(), Some(130));
    let said = text();
    assert!(said.contains("goes on") && said.contains("cutover attach"), "{said}");
    let ran = stand.cutover(&["attach", TARGET]).expect(0);
    assert!(ran.out.contains("restarted shop/production 1.0.0"), "{}", ran.text());
}

#[test]
fn an_abort_brings_the_old_release_back() {
    let stand = Stand::new(Layout { bake_s: 6.0, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let from = stand.release("2.0.0", "").display().to_string();
    let words = ["deploy", TARGET, "2.0.0", "--from", &from];
    let (mut watcher, out, error) = stand.start(&words);
    let text = || fs::read_to_string(&out).unwrap();
    eventually("the traffic is switched", MOMENT, || text().contains("✓ switch").then_some(()));
    let ran = stand.cutover(&["abort", TARGET]).expect(0);
    assert!(ran.out.contains("serving 1.0.0"), "{}", ran.text());
    assert_eq!(watcher.ended(MOMENT).code(), Some(4));
    let said = fs::read_to_string(error).unwrap();
    for part in ["what failed", "serving now", "1.0.0 again", "undone", "switch", "log "] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_reads_works_without_a_controller() {
    let stand = stand();
    stand.deploy("1.0.0", "").expect(0);
    stand.deploy("2.0.0", "").expect(0);
    let with = ["status", "history", "show", "ps", "logs"].map(|it| stand.cutover(&[it]).expect(0));
    stand.cutover(&["daemon", "stop"]).expect(0);
    assert_eq!(stand.pid_of("daemon"), None);

    let status = stand.cutover(&["status"]).expect(0);
    for part in ["2.0.0", "active", "controller not running since", "proxy       up"] {
        assert!(status.out.contains(part), "{part}: {}", status.text());
    }
    let history = stand.cutover(&["history", TARGET]).expect(0);
    assert_eq!(history.out, with[1].out);
    assert_eq!(stand.cutover(&["show", "latest"]).expect(0).out, with[2].out);
    assert_eq!(stand.cutover(&["logs", TARGET, "web"]).expect(0).out, with[4].out);
    let ps = stand.cutover(&["--json", "ps"]).expect(0);
    let ps: Vec<Value> = serde_json::from_str(&ps.out).unwrap();
    assert_eq!(ps.iter().filter(|it| it["role"] == "serving").count(), 2);
    let options = stand.cutover(&["rollback", TARGET, "--list"]).expect(0);
    assert!(options.out.starts_with("1.0.0 "), "{}", options.out);
    assert_eq!(stand.pid_of("daemon"), None, "reading started the controller");

    // The proxy gone too: what should serve does not.
    stand.cutover(&["proxy", "stop", "--yes"]).expect(0);
    let status = stand.cutover(&["status"]).expect(7);
    assert!(status.out.contains("proxy       not running"), "{}", status.text());
    stand.cutover(&["proxy", "start"]).expect(0);
    stand.until_answers("2.0.0", MOMENT);
}

#[test]
fn a_watcher_survives_the_controller() {
    let stand = Stand::new(Layout { bake_s: 5.0, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let (mut watcher, out, _) = stand.start(&["restart", TARGET]);
    let text = || fs::read_to_string(&out).unwrap();
    eventually("the traffic is switched", MOMENT, || text().contains("✓ switch").then_some(()));
    kill(stand.pid_of("daemon").unwrap(), rustix::process::Signal::KILL);
    // It starts another, which goes on or turns back, and tells how that ended.
    let code = watcher.ended(Duration::from_secs(60)).code();
    assert!(matches!(code, Some(0 | 4)), "{code:?} {}", text());
    assert_eq!(stand.serving(), ["1.0.0"]);
}

#[test]
fn a_release_comes_from_a_commit_without_its_secrets() {
    let stand = stand();
    let from = stand.release("1.0.0", "");
    fs::write(from.join(".env"), "SECRET=1\n").unwrap();
    fs::write(from.join(".env.production"), "SECRET=2\n").unwrap();
    fs::write(from.join(".env.example"), "SECRET=\n").unwrap();
    let configuration = fs::read_to_string(stand.config()).unwrap();
    let named = format!("source: {{ directory: {} }}", from.display());
    let configuration = configuration.replace("source: { directory: . }", &named);
    fs::write(stand.config(), configuration).unwrap();
    git(&from, &["init", "--quiet"]);
    git(&from, &["add", "--all", "--force"]);
    let author = ["-c", "user.name=ann", "-c", "user.email=ann@shop.example"];
    git(&from, &[&author[..], &["commit", "--quiet", "-m", "first"]].concat());
    git(&from, &["tag", "v1.0.0"]);

    stand.cutover(&["deploy", TARGET, "1.0.0", "--from", "v9"]).expect(1);
    stand.cutover(&["deploy", TARGET, "1.0.0", "--from", "v1.0.0"]).expect(0);
    stand.until_answers("1.0.0", MOMENT);
    let release = stand.root.join("projects/shop/production/releases/1.0.0");
    let there = |name: &str| release.join(name).exists();
    assert!(there("VERSION") && there(".env.example"));
    assert!(!there(".env") && !there(".env.production") && !there(".git"));
}

#[track_caller]
fn git(directory: &std::path::Path, words: &[&str]) {
    let done = Command::new("git").arg("-C").arg(directory).args(words).status();
    assert!(done.expect("git is installed").success(), "git {words:?}");
}

#[test]
fn at_a_terminal_it_is_asked_what_an_interrupt_means() {
    let stand = Stand::new(Layout { bake_s: 6.0, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let seen = stand.folder.path().join("seen");
    let (program, root) = (stand.program.display().to_string(), stand.root.display().to_string());
    let config = stand.config().display().to_string();
    let words = [&program, "--root", &root, "-f", &config, "restart", TARGET];
    let mut terminal = Terminal::start(&words, stand.folder.path(), &seen);
    eventually("the traffic is switched", MOMENT, || {
        terminal.text().contains("\u{1b}[0m switch").then_some(())
    });
    terminal.typed("\x03");
    eventually("it asks", MOMENT, || terminal.text().contains("[d]etach").then_some(()));
    terminal.typed("what?\n");
    eventually("it asks again", MOMENT, || terminal.text().contains("d, a or k").then_some(()));
    terminal.typed("a\n");
    let code = terminal.process().ended(MOMENT).code();
    assert_eq!(code, Some(4), "{}", terminal.text());
    assert!(terminal.text().contains("rolled back"), "{}", terminal.text());
    assert_eq!(stand.serving(), ["1.0.0"]);
}
