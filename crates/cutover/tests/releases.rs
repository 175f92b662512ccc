//! Releases on an installation that lives: listed, compared, verified, removed, and given other
//! variables; and a disk that is full.

use serde_json::Value;
use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use testkit::{
    stand::{Layout, Stand, TARGET, kill},
    terminal::Terminal,
    time::eventually,
};

/// For something that takes a moment.
const MOMENT: Duration = Duration::from_secs(20);
const FILE_SYSTEM: &str = "size=256m,nr_inodes=4096";
const SECRET: &str = "hunter2-hunter2";

fn layout() -> Layout {
    Layout { bake_s: 0.3, instances: 1, keep_warm_s: 0.0, ..Layout::default() }
}

/// Three releases of which the last serves.
fn stand_of(layout: Layout) -> Stand {
    let stand = Stand::new(layout);
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        stand.deploy(version, "").expect(0);
    }
    stand
}

fn json(stand: &Stand, words: &[&str], code: i32) -> Value {
    let ran = stand.cutover(&[&["--json"], words].concat()).expect(code);
    serde_json::from_str(&ran.out).unwrap_or_else(|it| panic!("{it}: {}", ran.text()))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

fn place(stand: &Stand, version: &str) -> PathBuf {
    stand.root.join("projects/shop/production/releases").join(version)
}

/// Writes the file of variables that the service names.
fn declare(stand: &Stand, variables: &str) {
    let file = stand.folder.path().join(".env.shop");
    fs::write(&file, variables).expect("the folder is ours");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("the file is ours");
}

/// Variables of what serves, as the kernel has them.
fn environment(stand: &Stand) -> Vec<String> {
    let (_, pid) = stand.instances("serving").into_iter().next().expect("an instance serves");
    let bytes = fs::read(format!("/proc/{pid}/environ")).expect("it runs");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.split('\0').map(str::to_owned).collect()
}

#[test]
fn releases_are_listed_shown_and_compared_without_a_controller() {
    let stand = stand_of(layout());
    stand.cutover(&["daemon", "stop"]).expect(0);
    let list = json(&stand, &["releases"], 0);
    let rows = list.as_array().unwrap();
    let versions: Vec<&str> = rows.iter().filter_map(|it| it["version"].as_str()).collect();
    assert_eq!(versions, ["3.0.0", "2.0.0", "1.0.0"]);
    let reasons: Vec<&str> = rows.iter().filter_map(|it| it["kept"][0].as_str()).collect();
    assert_eq!(reasons, ["current", "previous", "recent"]);
    assert_eq!(rows[0]["serving"], true);
    assert!(rows.iter().all(|it| it["by"].is_string() && it["bytes"].as_u64() > Some(0)));
    for words in [&["releases", TARGET][..], &["releases", "list", TARGET]] {
        let ran = stand.cutover(words).expect(0);
        for part in ["3.0.0", "serving", "current", "one of the last 5"] {
            assert!(ran.out.contains(part), "{part}: {}", ran.text());
        }
    }

    let shown = stand.cutover(&["releases", "show", TARGET, "current"]).expect(0);
    assert!(shown.out.contains("3.0.0") && shown.out.contains("POST_LOG"), "{}", shown.text());
    let posts = stand.post_log.display().to_string();
    assert!(!shown.out.contains(&posts), "a value is shown: {}", shown.out);

    let diff = json(&stand, &["releases", "diff", TARGET, "1.0.0", "2.0.0"], 0);
    assert_eq!(texts(&diff["files"]["changed"]), ["VERSION"]);
    assert_eq!(diff["same_content"], false);
    let same = stand.cutover(&["releases", "diff", TARGET, "2.0.0", "previous"]).expect(0);
    assert!(same.out.contains("files          the same"), "{}", same.text());
    let unknown = stand.cutover(&["releases", "show", TARGET, "9.9.9"]).expect(1);
    assert!(unknown.error.contains("it is not kept"), "{}", unknown.text());
    assert_eq!(stand.pid_of("daemon"), None, "reading started the controller");
}

#[test]
fn every_difference_from_what_was_put_there_is_named() {
    let stand = stand_of(layout());
    stand.cutover(&["releases", "verify"]).expect(0);
    let old = place(&stand, "1.0.0");
    fs::write(old.join("VERSION"), "other\n").unwrap();
    fs::remove_file(old.join("example-app")).unwrap();
    fs::create_dir(old.join("cache")).unwrap();
    fs::write(old.join("cache/x"), "x").unwrap();

    let verified = json(&stand, &["releases", "verify"], 1);
    let of = |version: &str| {
        let all = verified.as_array().unwrap();
        all.iter().find(|it| it["version"] == version).unwrap().clone()
    };
    assert!(of("3.0.0")["whole"] == true && of("2.0.0")["whole"] == true);
    let damaged = of("1.0.0");
    assert_eq!(texts(&damaged["altered"]), ["VERSION"]);
    assert_eq!(texts(&damaged["missing"]), ["example-app"]);
    assert_eq!(texts(&damaged["extra"]), ["cache/"]);
    stand.cutover(&["releases", "verify", TARGET, "2.0.0"]).expect(0);
    let ran = stand.cutover(&["releases", "verify", TARGET, "1.0.0"]).expect(1);
    for part in ["✗", "3 differences", "altered  VERSION", "missing  example-app"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.text());
    }
}

#[test]
fn what_nothing_needs_is_removed_and_nothing_else() {
    let stand = stand_of(Layout { keep_warm_s: 600.0, ..layout() });
    stand.deploy("4.0.0", "").expect(0);
    // The newest times are those of the oldest: who goes by them removes what serves.
    let now = SystemTime::now();
    for (age, version) in ["1.0.0", "2.0.0", "3.0.0", "4.0.0"].iter().enumerate() {
        let back = Duration::from_secs(3600 * age as u64);
        File::open(place(&stand, version)).unwrap().set_modified(now - back).unwrap();
    }
    let foreign = place(&stand, "0.0.1");
    fs::create_dir(&foreign).unwrap();

    let dry = json(&stand, &["releases", "prune", TARGET, "--keep", "0", "--dry-run"], 0);
    let removed: Vec<&str> =
        dry["removed"].as_array().unwrap().iter().filter_map(|it| it["version"].as_str()).collect();
    assert_eq!(removed, ["1.0.0", "2.0.0"]);
    assert!(place(&stand, "1.0.0").exists(), "a rehearsal removed something");
    let one = json(&stand, &["releases", "prune", TARGET, "--keep", "1"], 0);
    assert!(one["bytes_freed"].as_u64() > Some(100_000), "{one}");
    assert!(!place(&stand, "1.0.0").exists() && place(&stand, "2.0.0").exists());
    stand.cutover(&["releases", "prune", TARGET, "--keep", "0"]).expect(0);
    let there = |version: &str| place(&stand, version).exists();
    assert!(!there("2.0.0") && there("3.0.0") && there("4.0.0"));
    assert!(foreign.exists(), "what was not made here was removed");
    // What was kept is of use.
    stand.cutover(&["rollback", TARGET]).expect(0);
    stand.until_answers("3.0.0", MOMENT);
}

#[test]
fn nothing_is_removed_while_a_deployment_goes_on() {
    let stand = Stand::new(Layout { bake_s: 4.0, ..layout() });
    stand.deploy("1.0.0", "").expect(0);
    let (mut watcher, out, _) = stand.start(&["restart", TARGET]);
    let text = || fs::read_to_string(&out).unwrap();
    eventually("the traffic is switched", MOMENT, || text().contains("✓ switch").then_some(()));
    let ran = stand.cutover(&["releases", "prune", TARGET, "--keep", "0"]).expect(6);
    assert!(ran.error.contains("lock"), "{}", ran.text());
    let ran = stand.cutover(&["cleanup", "--emergency", "--dry-run"]).expect(5);
    assert!(ran.out.contains("left: releases of shop/production"), "{}", ran.text());
    assert_eq!(watcher.ended(MOMENT).code(), Some(0));
}

#[test]
fn other_variables_make_another_release_of_the_same_content() {
    let more = vec!["env_file: .env.shop".to_owned()];
    let stand = Stand::new(Layout { keep_warm_s: 600.0, more, ..layout() });
    declare(&stand, &format!("KEPT=1\nGOES=2\nCHANGES={SECRET}\n"));
    stand.deploy("1.0.0", "").expect(0);
    assert!(environment(&stand).contains(&format!("CHANGES={SECRET}")));

    let new = "swordfish-swordfish";
    declare(&stand, &format!("KEPT=1\nCOMES=3\nCHANGES={new}\n"));
    let plan = stand.cutover(&["plan", TARGET, "--env-only"]).expect(0);
    let words = "same content, other variables: +COMES -GOES ~CHANGES";
    assert!(plan.out.contains(words), "{}", plan.text());
    let ran = stand.cutover(&["deploy", TARGET, "--env-only"]).expect(0);
    let diff = {
        let list = json(&stand, &["releases", TARGET], 0);
        let id = |at: usize| list[at]["id"].as_str().unwrap().to_owned();
        assert_eq!(list[0]["digest"], list[1]["digest"]);
        stand.cutover(&["releases", "diff", TARGET, &id(1), &id(0)]).expect(0)
    };
    for part in ["+ COMES (web)", "- GOES (web)", "~ CHANGES (web)", "files          the same"] {
        assert!(diff.out.contains(part), "{part}: {}", diff.text());
    }
    for said in [&plan, &ran, &diff] {
        let text = said.text();
        assert!(!text.contains(SECRET) && !text.contains(new), "a secret is shown: {text}");
    }
    let now = environment(&stand);
    for wanted in ["KEPT=1".to_owned(), "COMES=3".to_owned(), format!("CHANGES={new}")] {
        assert!(now.contains(&wanted), "{wanted}: {now:?}");
    }
    assert!(!now.iter().any(|it| it.starts_with("GOES=")), "{now:?}");

    stand.cutover(&["deploy", TARGET, "2.0.0", "--env-only"]).expect(1);
    let ran = stand.cutover(&["rollback", TARGET]).expect(0);
    assert!(ran.text().contains("back to its earlier configuration"), "{}", ran.text());
    assert!(environment(&stand).contains(&"GOES=2".to_owned()));
}

#[test]
fn an_upload_that_no_deployment_followed_is_discarded() {
    let stand = Stand::new(layout());
    stand.deploy("1.0.0", "").expect(0);
    stand.cutover(&["daemon", "stop"]).expect(0);
    let incoming = stand.root.join("projects/shop/production/incoming");
    let name = "01M7ZBFPHE9M8EGFYZG778MKF6";
    fs::create_dir_all(incoming.join(name)).unwrap();
    fs::write(incoming.join(name).join("app"), "x").unwrap();
    fs::create_dir(incoming.join(format!(".{name}.partial"))).unwrap();
    fs::write(incoming.join(format!(".{name}.list")), "x").unwrap();
    // What comes after this second comes to the controller that is started now.
    let passed = || fs::metadata(&incoming).ok()?.modified().ok()?.elapsed().ok();
    eventually("a second passes", MOMENT, || (passed()? > Duration::from_secs(1)).then_some(()));
    stand.cutover(&["daemon", "start"]).expect(0);
    let empty = || (fs::read_dir(&incoming).ok()?.count() == 0).then_some(());
    eventually("it is discarded", MOMENT, empty);
    assert_eq!(stand.serving(), ["1.0.0"]);
}

/// A small file system of its own; unmounted when it is dropped.
struct Small {
    directory: TempDir,
}

impl Small {
    fn new() -> Small {
        let directory = tempfile::Builder::new().prefix("cutover-small-").tempdir();
        let directory = directory.expect("a temporary folder can be made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", FILE_SYSTEM, "tmpfs"]).arg(directory.path());
        assert!(mount.status().expect("mount is installed").success(), "only root may mount");
        Small { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Up to the last byte.
    fn fill(&self) {
        let mut file = File::create(self.path().join("filler")).expect("a name still fits");
        let chunk = vec![7; 1 << 20];
        let mut bytes = chunk.len();
        while bytes > 0 {
            if file.write_all(&chunk[..bytes]).is_err() {
                bytes /= 2;
            }
        }
        assert_eq!(self.free_bytes(), 0);
    }

    fn free_bytes(&self) -> u64 {
        let statistics = rustix::fs::statvfs(self.path()).expect("it is mounted");
        statistics.f_bavail * statistics.f_frsize
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: what still uses it is ended by the stand, whichever is dropped first.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_is_cleaned_up_without_a_free_byte_or_a_controller() {
    let small = Small::new();
    let stand =
        stand_of(Layout { root: Some(small.path().join("state")), disk_free: "16M", ..layout() });
    let incoming = stand.root.join("projects/shop/production/incoming/01M7ZBFPHE9M8EGFYZG778MKF6");
    fs::create_dir_all(&incoming).unwrap();
    fs::write(incoming.join("app"), vec![1; 1 << 20]).unwrap();
    kill(stand.pid_of("daemon").unwrap(), rustix::process::Signal::KILL);
    eventually("the controller is gone", MOMENT, || stand.pid_of("daemon").is_none().then_some(()));
    small.fill();

    let dry = json(&stand, &["cleanup", "--emergency", "--dry-run"], 0);
    let what: Vec<&str> =
        dry["items"].as_array().unwrap().iter().filter_map(|it| it["what"].as_str()).collect();
    assert!(["log", "upload", "release"].iter().all(|it| what.contains(it)), "{dry}");
    assert_eq!(small.free_bytes(), 0, "a rehearsal freed something");
    let done = json(&stand, &["cleanup", "--emergency"], 0);
    assert!(done["bytes_freed"].as_u64() > Some(1 << 20), "{done}");
    assert!(small.free_bytes() > 1 << 20);
    let there = |version: &str| place(&stand, version).exists();
    assert!(!there("1.0.0") && there("2.0.0") && there("3.0.0") && !incoming.exists());
    assert_eq!(stand.answers().as_deref(), Some("3.0.0"), "what serves goes on");

    // Who wrote to the logs goes on, and not behind a hole.
    let log = stand.root.join("projects/shop/production/logs/production-combined.log");
    fs::remove_file(small.path().join("filler")).unwrap();
    assert!(!fs::read(&log).unwrap().contains(&0));
    stand.cutover(&["restart", TARGET]).expect(0);
    eventually("the log goes on", MOMENT, || (fs::metadata(&log).ok()?.len() > 0).then_some(()));
    assert!(!fs::read(&log).unwrap().contains(&0));

    stand.cutover(&["cleanup", "--emergency", "--drop-previous"]).expect(1);
    assert!(there("2.0.0"), "it was not asked for the word");
    stand.cutover(&["cleanup", "--emergency", "--drop-previous", "--yes"]).expect(0);
    assert!(!there("2.0.0") && there("3.0.0"));
    assert_eq!(stand.environment()["previous"], Value::Null);
    assert_eq!(stand.environment()["link_problems"], serde_json::json!([]));
}

#[test]
fn a_word_is_typed_before_the_way_back_goes() {
    let stand = Stand::new(layout());
    stand.deploy("1.0.0", "").expect(0);
    stand.deploy("2.0.0", "").expect(0);
    let seen = stand.folder.path().join("seen");
    let (program, root) = (stand.program.display().to_string(), stand.root.display().to_string());
    let words = [&program, "--root", &root, "cleanup", "--emergency", "--drop-previous"];
    let run = |typed: &str| {
        let mut terminal = Terminal::start(&words, stand.folder.path(), &seen);
        eventually("it asks", MOMENT, || terminal.text().contains("Type `drop`").then_some(()));
        terminal.typed(typed);
        terminal.process().ended(MOMENT).code()
    };
    assert_eq!(run("yes\n"), Some(1));
    assert!(place(&stand, "1.0.0").exists());
    assert_eq!(run("drop\n"), Some(0));
    assert!(!place(&stand, "1.0.0").exists() && place(&stand, "2.0.0").exists());
}

#[test]
fn shells_and_manuals_know_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(words).current_dir(folder.path()).env_clear();
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script) = run(&["completion", shell]);
        assert!(code == Some(0) && script.contains("drop-previous"), "{shell}");
    }
    let script = folder.path().join("completion.bash");
    fs::write(&script, run(&["completion", "bash"]).1).unwrap();
    let checked = Command::new("bash").arg("-n").arg(&script).status().unwrap();
    assert!(checked.success(), "the script is no bash");
    let (code, page) = run(&["man", "releases", "prune"]);
    assert!(code == Some(0) && page.contains(".TH") && page.contains("dry\\-run"), "{page}");
    assert_eq!(run(&["man", "nothing"]).0, Some(1));
    assert_eq!(run(&["completion", "tcsh"]).0, Some(1));
    for words in [&["releases", "--help"][..], &["cleanup", "--help"], &["man", "--help"]] {
        assert!(run(words).1.contains("Examples:"), "{words:?}");
    }
    assert_eq!(run(&["cleanup"]).0, Some(1), "only an emergency is known");
}

#[test]
fn what_all_releases_share_outlives_them() {
    let stand = Stand::new(layout());
    let text = fs::read_to_string(stand.config()).unwrap();
    let shared =
        "source: { directory: . }\n    shared: { files: [conf/app.ini], directories: [up] }";
    fs::write(stand.config(), text.replace("source: { directory: . }", shared)).unwrap();
    let directory = stand.release("1.0.0", "");
    fs::create_dir_all(directory.join("up")).unwrap();
    fs::write(directory.join("up/first"), "brought").unwrap();
    let from = directory.display().to_string();
    let deploy = ["deploy", TARGET, "1.0.0", "--from", &from];
    let refused = stand.cutover(&deploy).expect(2);
    let kept = stand.root.join("projects/shop/production/shared");
    let asked = kept.join("conf/app.ini");
    assert!(refused.text().contains(&asked.display().to_string()), "{}", refused.text());
    assert!(!kept.exists() && !place(&stand, "1.0.0").exists(), "nothing was touched");

    fs::create_dir_all(kept.join("conf")).unwrap();
    fs::write(&asked, "written by hand").unwrap();
    stand.cutover(&deploy).expect(0);
    let (_, pid) = stand.instances("serving").into_iter().next().unwrap();
    let seen = PathBuf::from(format!("/proc/{pid}/cwd")).join("up/first");
    assert_eq!(fs::read_to_string(seen).unwrap(), "brought");
    fs::write(place(&stand, "1.0.0").join("up/second"), "uploaded").unwrap();
    stand.deploy("2.0.0", "").expect(0);
    stand.cutover(&["rollback", TARGET]).expect(0);
    stand.deploy("3.0.0", "").expect(0);
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        for (path, text) in [("up/second", "uploaded"), ("conf/app.ini", "written by hand")] {
            let found = fs::read_to_string(place(&stand, version).join(path)).unwrap();
            assert_eq!(found, text, "{version} {path}");
        }
    }
    // As it came, and not as it was written to since: so it is sent on, as `promote` does.
    let kept_release = place(&stand, "1.0.0").display().to_string();
    stand.cutover(&["deploy", TARGET, "4.0.0", "--from", &kept_release]).expect(0);
    let same = stand.cutover(&["releases", "diff", TARGET, "1.0.0", "4.0.0"]).expect(0);
    assert!(same.out.contains("files          the same"), "{}", same.text());
    stand.cutover(&["releases", "verify"]).expect(0);
    stand.cutover(&["releases", "prune", TARGET, "--keep", "1"]).expect(0);
    assert!(!place(&stand, "2.0.0").exists());
    assert_eq!(fs::read_to_string(kept.join("up/second")).unwrap(), "uploaded");
}
