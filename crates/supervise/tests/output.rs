//! What is kept of the output, and what never happens to the disk or the app because of it.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use rustix::fs::{FlockOperation, flock};
use std::{fs, path::Path, process::Command};
use supervise::message::Answer;
use support::{Site, eventually};

/// Bytes in all files whose name starts so; under the lock, so that none is renamed meanwhile.
fn bytes_of(site: &Site, name: &str) -> u64 {
    let lock = fs::File::open(site.root.join("logs/combined.log.lock"));
    let held = lock.as_ref().map(|lock| flock(lock, FlockOperation::LockExclusive));
    assert!(held.is_err() || held.is_ok_and(|it| it.is_ok()));
    let entries = fs::read_dir(site.root.join("logs")).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().unwrap().starts_with(name))
        .map(|entry| entry.metadata().unwrap().len())
        .sum()
}

/// The newest file and its predecessors, oldest first.
fn all_lines(site: &Site, name: &str, count: u32) -> Vec<String> {
    let older = (1..=count).rev().map(|number| format!("{name}.{number}"));
    older
        .chain([name.to_owned()])
        .flat_map(|file| site.log(&file).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn both_streams_go_to_their_own_file_and_to_the_combined_one() {
    let site = Site::new();
    let program = "
import sys
print('to out', flush=True)
sys.stderr.write('to error\\n')
sys.stdout.buffer.write(b'\\x00\\xff\\x1b[31m binary\\n')
";
    site.start(&site.python("web-1", program));
    site.line("out.log", "to out");
    site.line("error.log", "to error");
    let raw = eventually("binary is kept as it is", || {
        let bytes = fs::read(site.root.join("logs/out.log")).unwrap();
        bytes.strip_prefix(b"to out\n").filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec)
    });
    assert_eq!(raw, b"\x00\xff\x1b[31m binary\n");
    let combined = site.log("combined.log");
    assert_eq!(combined.lines().count(), 3, "{combined}");
    assert!(combined.lines().all(|line| line.contains("Z web-1 ")), "{combined}");
}

#[test]
fn two_instances_share_the_files_and_each_line_stays_whole() {
    const LINES: usize = 20_000;
    let site = Site::new();
    let program = format!(
        "
import sys
name = sys.argv[1]
for number in range({LINES}):
    sys.stdout.write(name + ' ' + str(number) + ' ' + 'x' * (number % 50) + '\\n')
"
    );
    for instance in ["web-1", "web-2"] {
        let mut spec = site.python(instance, &program);
        spec.command.push(instance.to_owned());
        spec.output.rotate_bytes = 100_000;
        spec.output.rotate_count = 40;
        site.start(&spec);
    }
    for instance in ["web-1", "web-2"] {
        eventually("it ended", || site.status(instance).exit);
    }
    let lines = all_lines(&site, "out.log", 40);
    for instance in ["web-1", "web-2"] {
        let own: Vec<&String> = lines.iter().filter(|line| line.starts_with(instance)).collect();
        assert_eq!(own.len(), LINES);
        for (number, line) in own.iter().enumerate() {
            assert_eq!(**line, format!("{instance} {number} {}", "x".repeat(number % 50)));
        }
    }
    assert_eq!(lines.len(), 2 * LINES);
    for entry in fs::read_dir(site.root.join("logs")).unwrap().flatten() {
        assert!(entry.metadata().unwrap().len() <= 100_000, "{:?}", entry.file_name());
    }
    assert!(site.root.join("logs/out.log.5").exists());
    let combined = all_lines(&site, "combined.log", 40);
    assert!(combined.iter().all(|line| line.contains("Z web-")), "a combined line is torn");
}

#[test]
fn a_flood_is_bounded_on_disk_and_does_not_hold_the_app_up() {
    let site = Site::new();
    // 600 MB: more than may be written at once, and far more than may be kept.
    let program = "
import os, time
block = (b'f' * 999 + b'\\n') * 1000
begun = time.monotonic()
for _ in range(600):
    os.write(1, block) == len(block) or exit(9)
os.write(2, b'took %.3f\\n' % (time.monotonic() - begun))
while True:
    time.sleep(0.05)
    os.write(1, b'after\\n')
";
    let mut spec = site.python("web-1", program);
    // The lines between two cuts and the word about the first of them fit into what is kept.
    spec.output.rotate_bytes = 8_000_000;
    spec.output.rotate_count = 2;
    site.start(&spec);
    let mut highest = 0;
    let took: f64 = eventually("the flood is over", || {
        highest = highest.max(bytes_of(&site, "out.log")).max(bytes_of(&site, "combined.log"));
        let log = site.log("error.log");
        log.lines().find_map(|line| line.strip_prefix("took ")?.parse().ok())
    });
    assert!(highest <= 24_000_000, "{highest}");
    assert!(took < 10.0, "the app was held up: {took} s for 600 MB");
    let dropped = site.status("web-1").lines_dropped;
    assert!(dropped > 0 && dropped < 600_000, "{dropped}");
    eventually("what comes after it is kept", || {
        site.log("combined.log").contains(" after\n").then_some(())
    });
    let combined = all_lines(&site, "combined.log", 2);
    let marker = combined.iter().find(|line| line.contains("output lines were dropped here"));
    assert!(marker.unwrap().contains("faster than they may be written"));
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
}

#[test]
fn a_line_without_end_is_split_and_costs_no_memory() {
    let site = Site::new();
    let program = "
import os, time
for _ in range(40):
    os.write(1, b'y' * 1000000)
os.write(1, b'\\nshort\\n')
time.sleep(1000)
";
    let mut spec = site.python("web-1", program);
    spec.output.rotate_bytes = 3_000_000;
    let supervisor = site.start(&spec).supervisor_pid;
    site.line("out.log", "short");
    let longest = site.log("out.log").lines().map(str::len).max();
    assert_eq!(longest, Some(64 * 1024));
    assert!(bytes_of(&site, "out.log") <= 9_000_000);
    let status = fs::read_to_string(format!("/proc/{supervisor}/status")).unwrap();
    let peak_kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap();
    assert!(peak_kib < 16 * 1024, "{peak_kib} KiB");
}

/// A file system of its own, unmounted at the end.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// None where we may not mount.
    fn mount(path: &'a Path, size: &str) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(path))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

const TALKER: &str = "
import time
number = 0
while True:
    number += 1
    print('line', number, flush=True)
    time.sleep(0.002)
";

#[test]
fn lines_are_dropped_while_space_is_short_and_counted_once_it_is_back() {
    let site = Site::new();
    let logs = site.root.join("logs");
    let Some(_disk) = Disk::mount(&logs, "16m") else {
        assert!(!rustix::process::geteuid().is_root(), "root may mount");
        return;
    };
    let mut spec = site.python("web-1", TALKER);
    spec.output.free_bytes_min = 8 * 1024 * 1024;
    site.start(&spec);
    site.line("out.log", "line ");
    let filler = logs.join("filler");
    fs::write(&filler, vec![0; 10 * 1024 * 1024]).unwrap();
    eventually("lines are dropped", || (site.status("web-1").lines_dropped > 50).then_some(()));
    let size = fs::metadata(logs.join("out.log")).unwrap().len();
    let dropped = site.status("web-1").lines_dropped;
    eventually("more of them", || {
        (site.status("web-1").lines_dropped > dropped + 50).then_some(())
    });
    assert_eq!(fs::metadata(logs.join("out.log")).unwrap().len(), size);
    fs::remove_file(&filler).unwrap();
    let marker = eventually("it is told", || {
        let log = site.log("combined.log");
        let line = log.lines().find(|line| line.contains("output lines were dropped here"));
        line.map(str::to_owned)
    });
    assert!(marker.contains("too little space was free"), "{marker}");
    let told: u64 = marker.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert_eq!(site.status("web-1").lines_dropped, told);
    assert!(told > dropped);
    assert_eq!(site.log("combined.log").matches("dropped here").count(), 1);
}

#[test]
fn a_full_disk_neither_ends_supervise_nor_the_app() {
    let site = Site::new();
    let logs = site.root.join("logs");
    let Some(_disk) = Disk::mount(&logs, "2m") else {
        assert!(!rustix::process::geteuid().is_root(), "root may mount");
        return;
    };
    let mut spec = site.python("web-1", TALKER);
    spec.output.free_bytes_min = 0;
    let started = site.start(&spec);
    site.line("out.log", "line ");
    let filler = logs.join("filler");
    // Writes until the disk takes no more.
    let _ = fs::write(&filler, vec![0; 4 * 1024 * 1024]);
    eventually("lines are dropped", || (site.status("web-1").lines_dropped > 50).then_some(()));
    fs::remove_file(&filler).unwrap();
    eventually("it is told", || site.log("combined.log").contains("dropped here").then_some(()));
    assert_eq!(site.status("web-1").child, started.child);
    let lines = site.log("out.log");
    assert!(lines.lines().all(|line| line.starts_with("line ")), "a line is torn");
}

#[test]
fn files_that_are_removed_or_emptied_from_outside_are_written_on() {
    let site = Site::new();
    site.start(&site.python("web-1", TALKER));
    site.line("out.log", "line ");
    fs::remove_file(site.root.join("logs/out.log")).unwrap();
    site.line("out.log", "line ");
    fs::File::options()
        .write(true)
        .open(site.root.join("logs/out.log"))
        .unwrap()
        .set_len(0)
        .unwrap();
    site.line("out.log", "line ");
    assert!(!site.log("out.log").contains('\0'));
    fs::remove_dir_all(site.root.join("logs")).unwrap();
    site.line("combined.log", "2");
}

#[test]
fn a_neighbour_that_is_stopped_in_its_lock_holds_nobody_up() {
    let site = Site::new();
    site.start(&site.python("web-1", TALKER));
    site.line("out.log", "line ");
    let lock = fs::File::options().write(true).open(site.root.join("logs/combined.log.lock"));
    let lock = lock.unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let before = site.log("out.log").lines().count();
    eventually("lines come all the same", || {
        (site.log("out.log").lines().count() > before + 50).then_some(())
    });
    assert_eq!(site.status("web-1").lines_dropped, 0);
}

#[test]
fn secrets_are_masked_also_where_they_come_in_two_pieces() {
    let site = Site::new();
    let program = "
import os, sys, time
token = os.environ['TOKEN'].encode()
out = sys.stdout.buffer
out.write(b'a ' + token[:5]); out.flush(); time.sleep(0.3)
out.write(token[5:] + b' b\\n'); out.flush()
sys.stderr.write('to error ' + token.decode() + '\\n')
# Lines that are longer than what is read at once, with the value over the seam.
for before in range(65536 - 40, 65536 + 10, 7):
    out.write(b'x' * before + token + b'y' * 70000 + b'\\n')
out.write(b'unended ' + token); out.flush()
";
    let mut spec = site.python("web-1", program);
    spec.output.rotate_bytes = 100_000_000;
    spec.environment.insert("TOKEN".to_owned(), "hunter2 of-the-{port} tail".to_owned());
    spec.redact = vec!["TOKEN".to_owned()];
    site.start(&spec);
    eventually("it ended", || site.status("web-1").exit);
    for (name, count) in [("out.log", 10), ("error.log", 1), ("combined.log", 11)] {
        let text = site.log(name);
        assert_eq!(text.matches("[secret TOKEN]").count(), count, "{name}");
        for part in ["hunter2", "of-the", "tail"] {
            assert!(!text.contains(part), "{name} holds {part}");
        }
    }
    assert!(site.log("out.log").starts_with("a [secret TOKEN] b\n"));
}
