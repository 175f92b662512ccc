//! File systems that take no more.

use super::{
    going::{END_WAIT, Going},
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    kill_point::Tracer,
    stand::{Layout, TARGET},
    time::within,
};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

const SIZE: &str = "size=256m,nr_inodes=4096";
const CHUNK_BYTES: usize = 1 << 20;
const INODES_MAX: u32 = 5_000;
const PLAN_WAIT: Duration = Duration::from_secs(30);
/// Larger than what is left when the file system is said to be nearly full.
const BALLAST_BYTES: usize = 32 << 20;
/// Commits of a deployment whose sync fails, in the bounded size.
const FAILING_COMMITS: [u32; 3] = [3, 12, 20];

/// A small file system of its own; unmounted when it is dropped.
struct Small {
    directory: TempDir,
}

impl Small {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("cutover-small-").tempdir();
        let directory = directory.expect("a temporary folder can be made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(directory.path());
        assert!(mount.status().expect("mount is installed").success(), "only root may mount");
        Self { directory }
    }

    fn layout(&self) -> Layout {
        let root = Some(self.directory.path().join("state"));
        Layout { root, disk_free: "32M", bake_s: 0.5, ..quick() }
    }

    fn filler(&self) -> PathBuf {
        self.directory.path().join("filler")
    }

    /// Fills it up to the last byte.
    fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a name still fits");
        let chunk = vec![7; CHUNK_BYTES];
        let mut bytes = CHUNK_BYTES;
        while bytes > 0 {
            match file.write_all(&chunk[..bytes]) {
                Ok(()) => {}
                Err(_) => bytes /= 2,
            }
        }
    }

    /// Takes all names that are left.
    fn use_up(&self) {
        let directory = self.directory.path().join("names");
        fs::create_dir(&directory).expect("there is room");
        for number in 0..INODES_MAX {
            if File::create(directory.join(number.to_string())).is_err() {
                return;
            }
        }
        panic!("{INODES_MAX} files could be made");
    }

    fn make_room(&self) {
        let _ = fs::remove_file(self.filler());
        let _ = fs::remove_dir_all(self.directory.path().join("names"));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: what still uses it is ended by the stand, whichever is dropped first.
        let _ = Command::new("umount").arg("--lazy").arg(self.directory.path()).status();
    }
}

pub(super) fn full(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("full before", |report| before(report, Small::fill));
    report.case("no names left before", |report| before(report, Small::use_up));
    for word in context.pick(vec!["stage", "bake"], vec!["stage", "start", "health", "bake"]) {
        report.case(&format!("full in {word}"), |report| midway(report, word, Small::fill));
    }
    report.case("no names left in stage", |report| midway(report, "stage", Small::use_up));
    report
}

/// Nothing is touched where there is no room, and all is well when there is.
fn before(report: &mut Report, fill: fn(&Small)) {
    let small = Small::new();
    let mut scene = Scene::new(small.layout());
    fill(&small);
    let ran = scene.deploy("").ended();
    scene.remember(&ran);
    report.note(format!("ended with {:?}", ran.code));
    assert!(matches!(ran.code, Some(2 | 3)), "{:?} {}", ran.code, ran.text());
    assert_eq!(scene.stand.answers().as_deref(), Some(FIRST));
    small.make_room();
    again(&mut scene);
}

fn midway(report: &mut Report, word: &str, fill: fn(&Small)) {
    let small = Small::new();
    let mut scene = Scene::new(small.layout());
    let release = scene.stand.release(SECOND, "");
    fs::write(release.join("ballast"), vec![7; BALLAST_BYTES]).expect("there is room");
    let mut going = Going::deploy(&scene.stand, SECOND, "", &[]);
    if word == "stage" {
        within(PLAN_WAIT, || going.plan()).expect("a plan is made");
    } else {
        going.until(word, "running");
    }
    fill(&small);
    let ran = going.ended();
    scene.remember(&ran);
    assert!(scene.stand.answers().is_some(), "nothing answers on a full disk");
    small.make_room();
    report.note(format!("ended with {:?}", ran.code));
    if scene.settled()["state"] == "needs_attention" {
        scene.stand.cutover(&["abort", TARGET]);
        scene.settled();
    }
    let served = scene.stand.answers().expect("something answers");
    scene.serves(&served);
    again(&mut scene);
}

/// With room again a deployment works, and no request was lost all the time.
fn again(scene: &mut Scene) {
    scene.settled();
    scene.stand.deploy("3.0.0", "").expect(0);
    scene.serves("3.0.0");
    scene.finish(Allowed::NONE);
}

/// A sync of the journal fails: nothing more is done, what serves goes on, and the next life of the
/// daemon reads what is really there.
pub(super) fn sync_fails(context: &Context) -> Report {
    let mut report = Report::new(context);
    let all: Vec<u32> = (1..=40).step_by(2).collect();
    for commit in context.pick(FAILING_COMMITS.to_vec(), all) {
        report.case(&format!("commit {commit}"), |report| sync_fails_at(report, commit));
    }
    report
}

fn sync_fails_at(report: &mut Report, commit: u32) {
    let mut scene = Scene::new(Layout { bake_s: 0.5, ..quick() });
    let daemon = scene.stand.pid_of("daemon").expect("a daemon runs");
    let journal: &Path = &scene.stand.root.join("state.db-wal");
    let fault = format!("error=EIO:when={commit}+");
    let tracer = Tracer::on(daemon, "fdatasync,fsync", Some(journal), Some(&fault));
    let mut going = scene.deploy("");
    let hit =
        within(END_WAIT, || (tracer.seen().contains("INJECTED") || !going.goes_on()).then_some(()));
    assert!(hit.is_some() && tracer.seen().contains("INJECTED"), "no sync failed");
    report.kill_points += 1;
    assert!(scene.stand.answers().is_some(), "nothing answers");
    drop(tracer);
    crate::stand::kill(daemon, rustix::process::Signal::KILL);
    going.kill();
    let outcome = scene.check(FIRST, SECOND, None, Allowed::NONE);
    report.note(outcome);
}

/// A directory whose file system takes nothing more from now on; writable again when it is dropped.
struct ReadOnly<'a>(&'a Path);

impl<'a> ReadOnly<'a> {
    /// Makes it a mount of its own: the kernel refuses where a file is open for writing.
    fn prepare(directory: &'a Path) -> Self {
        mount(&["--bind"], &[directory, directory]);
        Self(directory)
    }

    fn turn(&self, to: &str) {
        mount(&["-o", &format!("remount,bind,{to}")], &[self.0]);
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

fn mount(options: &[&str], paths: &[&Path]) {
    let status = Command::new("mount").args(options).args(paths).status();
    assert!(status.expect("mount is installed").success(), "mount {options:?} {paths:?}");
}

/// What a deployment writes to is read-only from one moment on: the old serves, the failure says
/// so, and once it is writable again there is a way out.
pub(super) fn read_only(context: &Context) -> Report {
    let mut report = Report::new(context);
    for word in context.pick(vec!["start"], vec!["start", "health"]) {
        report.case(&format!("routes in {word}"), |report| read_only_from(report, word));
    }
    report
}

fn read_only_from(report: &mut Report, word: &str) {
    let mut scene = Scene::new(quick());
    // No file in it is open for writing all the time: the kernel would refuse.
    let directory = scene.stand.root.join("routes");
    let mounted = ReadOnly::prepare(&directory);
    let mut going = scene.deploy("");
    going.until(word, "running");
    mounted.turn("ro");
    let ran = going.ended();
    scene.remember(&ran);
    report.note(format!("ended with {:?}", ran.code));
    assert!(scene.stand.answers().is_some(), "nothing answers");
    assert_eq!(ran.code, Some(5), "{}", ran.text());
    assert!(ran.text().contains("ead-only file system"), "it is not said: {}", ran.text());
    assert_eq!(scene.stand.serving(), [FIRST]);
    mounted.turn("rw");
    assert_eq!(scene.settled()["state"], "needs_attention");
    scene.stand.cutover(&["abort", TARGET]).expect(0);
    scene.settled();
    scene.serves(FIRST);
    again(&mut scene);
}
