//! What cannot be: each gets one clear error and its exit code, and nothing is changed by it.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rusqlite::Connection;
use std::{fs, net::TcpListener, os::unix::fs::MetadataExt, path::Path, time::Duration};
use testkit::{
    eventually,
    stand::{Layout, Stand, TARGET, alive, kill},
    tree::Snapshot,
};

#[test]
fn a_port_that_is_taken_names_its_owner_and_changes_nothing() {
    let stand = Stand::new(Layout::default());
    let taken = TcpListener::bind(stand.address).unwrap();
    let ran = stand.deploy("1.0.0", "").expect(2);
    let port = stand.address.port().to_string();
    let own = std::process::id().to_string();
    for word in [port.as_str(), own.as_str(), "end the owner", "nothing was touched"] {
        assert!(ran.text().contains(word), "`{word}` is missing: {}", ran.text());
    }
    assert!(stand.pid_of("--holder").is_none(), "a holder was started");
    drop(taken);
    stand.deploy("1.0.0", "").expect(0);
}

#[test]
fn a_root_of_two_hundred_bytes_serves_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("r".repeat(99)).join("s".repeat(99));
    assert!(root.as_os_str().len() > 200);
    let stand = Stand::new(Layout { root: Some(root), bake_s: 0.2, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    stand.deploy("1.1.0", "").expect(0);
    assert_eq!(stand.answers().as_deref(), Some("1.1.0"));
    stand.cutover(&["rollback", TARGET]).expect(0);
    assert_eq!(stand.answers().as_deref(), Some("1.0.0"));
    stand.down().expect(0);
}

#[test]
fn a_newer_journal_is_refused_and_left_as_it_is() {
    let stand = Stand::new(Layout { bake_s: 0.2, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    stand.cutover(&["daemon", "stop"]).expect(0);
    let path = stand.root.join("state.db");
    let connection = Connection::open(&path).unwrap();
    let known: i64 = connection.query_row("PRAGMA user_version", [], |it| it.get(0)).unwrap();
    connection.pragma_update(None, "user_version", known + 1).unwrap();
    drop(connection);
    let before = bytes_below(&stand.root, "state.db");
    let ran = stand.deploy("2.0.0", "");
    assert_eq!(ran.code, Some(5), "{}", ran.text());
    for word in [format!("schema version {}", known + 1), "run the newer program".into()] {
        assert!(ran.text().contains(&word), "`{word}` is missing: {}", ran.text());
    }
    assert_eq!(bytes_below(&stand.root, "state.db"), before);
    assert_eq!(stand.answers().as_deref(), Some("1.0.0"), "it serves on");
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", known).unwrap();
}

#[test]
fn a_second_deployment_at_once_is_told_who_has_the_lock() {
    let stand = Stand::new(Layout { bake_s: 4.0, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let second = stand.release("2.0.0", "").display().to_string();
    let (mut first, _, _) = stand.start(&["deploy", TARGET, "2.0.0", "--from", &second]);
    eventually("the first deployment runs", Duration::from_secs(20), || {
        (stand.environment()["active"]["id"]).as_str().map(str::to_owned)
    });
    let ran = stand.deploy("3.0.0", "").expect(6);
    for word in ["cutover attach", "cutover abort"] {
        assert!(ran.text().contains(word), "`{word}` is missing: {}", ran.text());
    }
    assert!(first.ended(Duration::from_secs(60)).success());
    assert_eq!(stand.answers().as_deref(), Some("2.0.0"));
}

#[test]
fn a_full_disk_is_said_before_anything_is_changed() {
    let disk = SmallDisk::new("48m");
    let root = Some(disk.0.path().join("state"));
    let stand = Stand::new(Layout { root, bake_s: 0.2, ..Layout::default() });
    let ran = stand.deploy("1.0.0", "").expect(2);
    assert!(ran.text().contains("free"), "{}", ran.text());
    let left = Snapshot::take(&stand.root, &[&stand.root.join("run")]).unwrap();
    let instances = left.to_string().lines().filter(|it| it.contains("--instance")).count();
    assert_eq!(instances, 0, "{left}");
    assert!(!stand.root.join("projects/shop/production/releases/1.0.0").exists());
    stand.down();
}

#[test]
fn a_controller_that_hangs_is_named_and_can_be_taken_over() {
    use rustix::process::Signal;
    let stand = Stand::new(Layout { bake_s: 0.2, ..Layout::default() });
    stand.deploy("1.0.0", "").expect(0);
    let first = stand.pid_of("daemon").unwrap();
    kill(first, Signal::STOP);
    let ran = stand.cutover(&["daemon", "start"]);
    assert_ne!(ran.code, Some(0), "{}", ran.text());
    assert!(ran.text().contains(&first.to_string()), "{}", ran.text());
    stand.cutover(&["daemon", "start", "--take-over"]).expect(0);
    assert!(!alive(first));
    stand.deploy("2.0.0", "").expect(0);
    assert_eq!(stand.answers().as_deref(), Some("2.0.0"));
}

/// Paths, sizes and contents' sums of the files whose names begin so.
fn bytes_below(root: &Path, lead: &str) -> Vec<(String, u64, u32)> {
    let entries = fs::read_dir(root).unwrap().map(|it| it.unwrap());
    let mut all: Vec<_> = entries
        .filter(|it| it.file_name().to_string_lossy().starts_with(lead))
        .map(|it| {
            let bytes = fs::read(it.path()).unwrap();
            let name = it.file_name().to_string_lossy().into_owned();
            (name, it.metadata().unwrap().size(), testkit::crc::crc32(&bytes))
        })
        .collect();
    all.sort();
    all
}

/// A file system of its own, so small that it fills; unmounted when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> SmallDisk {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        assert!(mount.status().unwrap().success(), "tests of full disks need root");
        SmallDisk(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let mut unmount = std::process::Command::new("umount");
        let _ = unmount.arg("--lazy").arg(self.0.path()).status();
    }
}
