//! Who may change an environment, and when: locks, turns, freezes.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use testkit::{
    stand::{Layout, Stand, TARGET},
    time::eventually,
};

/// For something that takes a moment.
const MOMENT: Duration = Duration::from_secs(20);

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn lock(stand: &Stand) -> Value {
    serde_json::from_str(&stand.cutover(&["--json", "lock", TARGET]).expect(0).out).unwrap()
}

#[test]
fn turns_are_waited_for_in_order_and_given_up() {
    let stand = Stand::new(Layout { bake_s: 0.2, instances: 1, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let configuration = text(&stand.config()).replace("bake: 200ms", "bake: 60s");
    fs::write(stand.config(), configuration).unwrap();
    let switched = |out: &Path| {
        let switched = || text(out).contains("✓ switch").then_some(());
        eventually("the traffic is switched", MOMENT, switched);
    };
    let words = ["deploy", TARGET, "--env-only", "--reason", "it leaks"];
    let (mut first, out, _) = stand.start(&words);
    switched(&out);
    let words = ["deploy", TARGET, "--env-only", "--wait=60s"];
    let (mut second, waited, _) = stand.start(&words);
    let queued = |count: usize| {
        eventually("they wait", MOMENT, || {
            (lock(&stand)["queue"].as_array().unwrap().len() == count).then_some(())
        });
    };
    queued(1);
    let (third, _, _) = stand.start(&words);
    queued(2);
    let shown = stand.cutover(&["lock", TARGET]).expect(0);
    for part in ["update", "it leaks", "alive", "yes", "waiting", "1. update", "2. update"] {
        assert!(shown.out.contains(part), "{part}: {}", shown.text());
    }
    // After the switch nobody is superseded, and the way out is told.
    let refused = stand.cutover(&["restart", TARGET, "--supersede"]).expect(6);
    for part in ["is switched", "cutover abort", "serving now"] {
        assert!(refused.error.contains(part), "{part}: {}", refused.text());
    }
    // Who dies gives the place up.
    drop(third);
    queued(1);
    stand.cutover(&["abort", TARGET]).expect(0);
    assert_eq!(first.ended(MOMENT).code(), Some(4));
    switched(&waited);
    stand.cutover(&["abort", TARGET]).expect(0);
    assert_eq!(second.ended(MOMENT).code(), Some(4), "{}", text(&waited));
    let said = text(&waited);
    assert!(said.contains("waiting for the lock: place 1 of"), "{said}");
    assert_eq!(lock(&stand)["holder"], Value::Null);
}

/// Who asked, what was refused and how it ended is written down, and cannot be changed unseen.
fn audited(stand: &Stand) {
    let listed = stand.cutover(&["audit", TARGET]).expect(0).out;
    let parts =
        ["asked: deploy 1.0.0", "done", "asked: lock", "asked: restart", "refused: restart"];
    for part in parts.iter().chain(&["(uid ", "stock-taking", "take the lock"]) {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let verify =
        |words: &[&str]| stand.cutover(&[&["--json", "audit", "--verify"], words].concat());
    let sound: Value = serde_json::from_str(&verify(&[]).expect(0).out).unwrap();
    let seal = sound["last_seal"].as_str().unwrap();
    assert_eq!(sound["broken"], Value::Array(vec![]));
    verify(&["--holds", &seal[..12]]).expect(0);
    verify(&["--holds", "00000000"]).expect(5);
    let path = stand.root.join("audit.log");
    let written = text(&path);
    fs::write(&path, written.replacen("stock-taking", "vacation", 1)).unwrap();
    let changed: Value = serde_json::from_str(&verify(&[]).expect(5).out).unwrap();
    assert!(changed["broken"][0].as_str().unwrap().contains("was changed"), "{changed}");
    fs::write(&path, written).unwrap();
}

#[test]
fn who_has_not_switched_is_superseded() {
    let health = "{ path: /api/nothing, interval: 500ms, tries: 100 }";
    let stand = Stand::new(Layout { bake_s: 0.2, instances: 1, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    // One that never becomes healthy, and one that waits behind it.
    let configuration = text(&stand.config());
    fs::write(stand.config(), configuration.replace("{ path: /api/health }", health)).unwrap();
    let from = |version: &str| stand.release(version, "").display().to_string();
    let (two, three, four) = (from("2.0.0"), from("3.0.0"), from("4.0.0"));
    let (mut stuck, out, _) = stand.start(&["deploy", TARGET, "2.0.0", "--from", &two]);
    eventually("it is started", MOMENT, || text(&out).contains("✓ start").then_some(()));
    let (mut behind, _, error) =
        stand.start(&["deploy", TARGET, "3.0.0", "--from", &three, "--wait"]);
    eventually("it waits", MOMENT, || {
        (lock(&stand)["queue"][0]["version"] == "3.0.0").then_some(())
    });
    fs::write(stand.config(), configuration).unwrap();
    let words = ["deploy", TARGET, "4.0.0", "--from", &four, "--supersede"];
    let ran = stand.cutover(&words).expect(0);
    assert!(ran.out.contains("deployed shop/production 4.0.0"), "{}", ran.text());
    assert_eq!(stuck.ended(MOMENT).code(), Some(3));
    assert_eq!(behind.ended(MOMENT).code(), Some(3));
    assert!(text(&error).contains("superseded by"), "{}", text(&error));
    assert_eq!(stand.serving(), ["4.0.0"]);
}

#[test]
fn a_lock_kept_by_hand_and_a_freeze_are_told_and_passed_on_record() {
    let stand = Stand::new(Layout { bake_s: 0.2, instances: 1, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    stand.cutover(&["lock", TARGET, "--reason", "stock-taking"]).expect(0);
    stand.cutover(&["lock", TARGET, "--reason", "me too"]).expect(1);
    let kept = stand.cutover(&["restart", TARGET]).expect(6);
    audited(&stand);
    for part in ["stock-taking", "cutover unlock", "--break-lock", "serving now", "1.0.0"] {
        assert!(kept.error.contains(part), "{part}: {}", kept.text());
    }
    // It outlives the controller, and is read without one.
    stand.cutover(&["daemon", "stop"]).expect(0);
    assert_eq!(lock(&stand)["kept"]["reason"], "stock-taking");
    assert!(stand.cutover(&["status"]).expect(0).out.contains("locked"));
    assert_eq!(stand.pid_of("daemon"), None, "reading started the controller");
    stand.cutover(&["restart", TARGET, "--break-lock"]).expect(0);
    let shown = stand.cutover(&["show", "latest"]).expect(0);
    for part in ["--break-lock", "stock-taking"] {
        assert!(shown.out.contains(part), "{part}: {}", shown.text());
    }
    let waited = stand.cutover(&["restart", TARGET, "--wait=1s"]).expect(6);
    assert!(waited.error.contains("stock-taking"), "{}", waited.text());
    stand.cutover(&["unlock", TARGET]).expect(0);

    stand.cutover(&["freeze", TARGET, "--reason", "holidays"]).expect(0);
    let frozen = stand.deploy("2.0.0", "").expect(2);
    for part in ["holidays", "cutover unfreeze", "--override-freeze", "untouched"] {
        assert!(frozen.error.contains(part), "{part}: {}", frozen.text());
    }
    let from = stand.release("2.0.0", "").display().to_string();
    let words = ["plan", TARGET, "2.0.0", "--from", &from];
    assert!(stand.cutover(&words).expect(2).out.contains("holidays"));
    let why = "orders are lost";
    let words = ["deploy", TARGET, "2.0.0", "--from", &from, "--override-freeze", why];
    stand.cutover(&words).expect(0);
    assert!(stand.cutover(&["show", "latest"]).expect(0).out.contains(why));
    let manifest = text(&stand.root.join("projects/shop/production/manifest.json"));
    assert!(manifest.contains(why), "{manifest}");
    stand.cutover(&["rollback", TARGET]).expect(0);
    stand.cutover(&["unfreeze", TARGET]).expect(0);
    assert_eq!(stand.serving(), ["1.0.0"]);
}

/// Lets a second environment be declared, with these keys.
fn declare(stand: &Stand, environment: &str) {
    let more = format!("{}      {environment}\n", text(&stand.config()));
    fs::write(stand.config(), more).unwrap();
}

#[test]
fn hooks_run_beside_the_steps_and_say_what_they_did() {
    let stand = Stand::new(Layout { bake_s: 0.2, instances: 1, ..Layout::default() });
    let log = stand.folder.path().join("hooks");
    let note = |word: &str| {
        let line = "$CUTOVER_HOOK $CUTOVER_VERSION after $CUTOVER_PREVIOUS_VERSION";
        format!("shell: 'echo \"{line}: {word}\" | tee -a {}'", log.display())
    };
    let plain = text(&stand.config());
    let configure = |before: &str| {
        let (well, badly) = (note("well"), note("badly"));
        let hooks = format!(
            "disk_free: 64M, hooks: {{ before: {{ switch: [{{ {before} }}] }}, \
             after: {{ deployed: {{ {well} }}, failed: {{ {badly} }} }} }} }}"
        );
        fs::write(stand.config(), plain.replace("disk_free: 64M }", &hooks)).unwrap();
    };
    configure(&note("soon"));
    stand.deploy("1.0.0", "").expect(0);
    let ran = stand.deploy("2.0.0", "").expect(0);
    for part in ["before switch 2.0.0 after 1.0.0: soon", "✓ hook"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.text());
    }
    let lines = "before switch 1.0.0 after : soon\nafter deployed 1.0.0 after : well\n\
                 before switch 2.0.0 after 1.0.0: soon\nafter deployed 2.0.0 after 1.0.0: well\n";
    assert_eq!(text(&log), lines);

    configure("command: [sh, -c, 'echo it is too early >&2; exit 3']");
    let failed = stand.deploy("3.0.0", "").expect(3);
    for part in ["hook before switch", "exit code 3", "it is too early", "2.0.0, all the time"] {
        assert!(failed.error.contains(part), "{part}: {}", failed.text());
    }
    assert!(text(&log).ends_with("after failed 3.0.0 after 2.0.0: badly\n"), "{}", text(&log));
}

#[test]
fn content_is_promoted_and_nothing_else_comes() {
    let stand = Stand::new(Layout { bake_s: 0.2, instances: 1, ..Layout::default() });
    let configuration = text(&stand.config());
    let asked = "disk_free: 64M, confirm: true, require_staging: true }";
    fs::write(stand.config(), configuration.replace("disk_free: 64M }", asked)).unwrap();
    declare(
        &stand,
        "staging: { domains: [staging.shop.example], version: semver, disk_free: 64M }",
    );
    let from = |version: &str| stand.release(version, "").display().to_string();
    let (one, two) = (from("1.0.0"), from("2.0.0"));
    let promote = ["promote", "staging", "production", "--yes"];

    // Nothing serves there yet; nobody can type the word; the content is not proven.
    stand.cutover(&promote).expect(2);
    let words = ["deploy", TARGET, "1.0.0", "--from", &one];
    let asked = stand.cutover(&words).expect(1);
    assert!(asked.error.contains("nobody can type here"), "{}", asked.text());
    let words = ["deploy", TARGET, "1.0.0", "--from", &one, "--yes"];
    let unproven = stand.cutover(&words).expect(2);
    assert!(unproven.error.contains("never accepted this content"), "{}", unproven.text());

    stand.cutover(&["deploy", "staging", "1.0.0", "--from", &one]).expect(0);
    stand.cutover(&promote).expect(0);
    let digest = |environment: &str| {
        let path = stand.root.join(format!("projects/shop/{environment}/manifest.json"));
        let manifest: Value = serde_json::from_str(&text(&path)).unwrap();
        manifest["current_deployment"]["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(digest("production"), digest("staging"));
    // The same version with other content is not what was proven.
    let words = ["deploy", TARGET, "2.0.0", "--from", &two, "--yes", "--force"];
    stand.cutover(&words).expect(2);
    // What is not healthy is not promoted.
    let staging: Vec<Value> =
        serde_json::from_str(&stand.cutover(&["--json", "ps", "staging"]).out).unwrap();
    let pid = u32::try_from(staging[0]["pid"].as_u64().unwrap()).unwrap();
    testkit::stand::kill(pid, rustix::process::Signal::STOP);
    let refused = stand.cutover(&promote).expect(2);
    testkit::stand::kill(pid, rustix::process::Signal::CONT);
    assert!(refused.error.contains("is not healthy"), "{}", refused.text());
    stand.until_answers("1.0.0", MOMENT);
}
