//! The journal is an older copy, damaged or gone: the controller does not act by it, what serves
//! goes on, and a new one is made from what is there.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, SECOND, Scene, quick},
};
use crate::{
    stand::{TARGET, alive, kill},
    time::eventually,
};
use rustix::process::Signal;
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

const THIRD: &str = "3.0.0";
const DEATH_WAIT: Duration = Duration::from_secs(10);
/// The exit code that asks for attention.
const REFUSED: i32 = 5;

/// What became of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    CopiedBack,
    PageCorrupt,
    Cut,
    LogDeleted,
    Deleted,
}

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let all =
        vec![Fault::CopiedBack, Fault::PageCorrupt, Fault::Cut, Fault::LogDeleted, Fault::Deleted];
    for fault in context.pick(all[..2].to_vec(), all) {
        report.case(&format!("{fault:?}"), |report| refused_and_rebuilt(report, fault));
    }
    report
}

fn refused_and_rebuilt(report: &mut Report, fault: Fault) {
    let mut scene = Scene::new(quick());
    let root = scene.stand.root.clone();
    let before = copy_of(&mut scene);
    let ran = scene.deploy("").ended();
    scene.remember(&ran);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    scene.serves(SECOND);
    let daemon = scene.stand.pid_of("daemon").expect("a daemon runs");
    kill(daemon, Signal::KILL);
    eventually("the daemon is dead", DEATH_WAIT, || (!alive(daemon)).then_some(()));
    make(fault, &root, &before);
    let (files, routes) = (journal(&root), routes(&root));
    // Nobody acts by it, and everybody says why and what to do.
    for words in [&["restart", TARGET][..], &["daemon", "start"], &["doctor"]] {
        let ran = scene.stand.cutover(words);
        assert_eq!(ran.code, Some(REFUSED), "{words:?}: {}", ran.text());
        for part in ["journal", "doctor --rebuild"] {
            assert!(ran.text().contains(part), "{words:?} does not say {part}: {}", ran.text());
        }
    }
    let going = Going::deploy(&scene.stand, THIRD, "", &[]).ended();
    assert_eq!(going.code, Some(REFUSED), "{}", going.text());
    assert!(journal(&root) == files, "the journal was written");
    assert!(self::routes(&root) == routes, "a route was written");
    let status = scene.stand.status();
    assert!(status["controller"].is_null(), "a controller runs: {status}");
    assert_eq!(scene.stand.serving(), [SECOND], "{status}");
    assert!(status["alerts"].to_string().contains("journal"), "nothing is said: {status}");
    // A new one knows what serves, and the next deployment replaces it.
    let rebuilt = scene.stand.cutover(&["doctor", "--rebuild"]);
    scene.remember(&rebuilt);
    report.note(format!("{fault:?}: {}", rebuilt.out.lines().next().unwrap_or_default()));
    rebuilt.expect(0);
    assert!(aside(&root) || fault == Fault::Deleted, "the old journal is not kept");
    scene.stand.cutover(&["doctor"]).expect(0);
    scene.stand.cutover(&["daemon", "start"]).expect(0);
    scene.settled();
    scene.serves(SECOND);
    let ran = Going::deploy(&scene.stand, THIRD, "", &[]).ended();
    scene.remember(&ran);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    scene.serves(THIRD);
    scene.finish(Allowed::NONE);
    scene.stand.cutover(&["rollback", TARGET]).expect(0);
    scene.serves(SECOND);
}

/// The journal as it is now, whole: its daemon ends in good order, and another goes on.
fn copy_of(scene: &mut Scene) -> Vec<u8> {
    scene.stand.cutover(&["daemon", "stop"]).expect(0);
    fs::read(scene.stand.root.join("state.db")).expect("there is a journal")
}

fn make(fault: Fault, root: &Path, before: &[u8]) {
    let path = root.join("state.db");
    let without_log = || {
        for name in ["state.db-wal", "state.db-shm"] {
            let _ = fs::remove_file(root.join(name));
        }
    };
    match fault {
        Fault::CopiedBack => {
            without_log();
            fs::write(&path, before).expect("root may");
        }
        Fault::LogDeleted => without_log(),
        Fault::Deleted => {
            without_log();
            fs::remove_file(&path).expect("root may");
        }
        Fault::Cut => {
            let file = fs::OpenOptions::new().write(true).open(&path).expect("root may");
            let bytes = file.metadata().expect("it is there").len();
            without_log();
            file.set_len(bytes / 2).expect("root may");
        }
        Fault::PageCorrupt => {
            let mut file = fs::OpenOptions::new().write(true).open(&path).expect("root may");
            let bytes = file.metadata().expect("it is there").len();
            without_log();
            // All pages but the first, which says whose file it is.
            file.seek(SeekFrom::Start(4096)).expect("files can be sought in");
            let rest = usize::try_from(bytes.saturating_sub(4096)).expect("it is small");
            file.write_all(&vec![0xa5; rest]).expect("root may");
        }
    }
}

/// The journal's files; SQLite's index of the log says nothing by itself.
fn journal(root: &Path) -> Vec<Option<Vec<u8>>> {
    let read = |it| fs::read(root.join(it)).ok().filter(|it| !it.is_empty());
    ["state.db", "state.db-wal"].map(read).to_vec()
}

fn routes(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(root.join("routes")).expect("there are routes").flatten();
    let mut all: Vec<(PathBuf, Vec<u8>)> =
        entries.map(|it| (it.path(), fs::read(it.path()).unwrap_or_default())).collect();
    all.sort();
    all
}

fn aside(root: &Path) -> bool {
    let mut entries = fs::read_dir(root).expect("there is a root").flatten();
    entries.any(|it| it.file_name().to_string_lossy().starts_with("state.db.2"))
}
