//! The app outlives its supervise, and the next one takes it over.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::time::Duration;
use supervise::{
    message::Answer,
    spec::{InstanceSpec, Restart},
};
use support::{Site, alive, eventually};

const TALKER: &str = "
import time
number = 0
while True:
    number += 1
    print('line', number, flush=True)
    time.sleep(0.002)
";

fn kill_supervise(site: &Site, spec: &InstanceSpec) {
    let pid = site.status(&spec.instance).supervisor_pid;
    support::kill(pid);
    eventually("supervise is gone", || (!alive(pid)).then_some(()));
}

fn last_number(site: &Site) -> u64 {
    let log = site.log("out.log");
    let last = log.lines().rev().find_map(|line| line.strip_prefix("line ")?.parse().ok());
    last.unwrap_or(0)
}

#[test]
fn an_app_writes_on_while_nobody_reads_and_no_line_is_lost() {
    let site = Site::new();
    let spec = site.python("web-1", TALKER);
    let before = site.start(&spec);
    eventually("some lines", || (last_number(&site) > 20).then_some(()));
    kill_supervise(&site, &spec);
    let child = before.child.unwrap();
    let unread = last_number(&site);
    let wrote = |pid: u32| -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        io.lines().find_map(|line| line.strip_prefix("syscw: ")?.parse().ok()).unwrap()
    };
    let written = wrote(child.pid);
    eventually("it writes on", || (wrote(child.pid) > written + 50).then_some(()));
    let after = site.adopt("web-1");
    assert_eq!(after.child, Some(child.clone()));
    assert!(after.adopted && !before.adopted);
    eventually("what it wrote is read", || (last_number(&site) > unread + 50).then_some(()));
    let numbers: Vec<u64> = site
        .log("out.log")
        .lines()
        .filter_map(|line| line.strip_prefix("line ")?.parse().ok())
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "a line is missing");
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
    assert!(!alive(child.pid));
}

#[test]
fn the_end_of_an_adopted_child_is_seen_at_once_but_not_how_it_ended() {
    let site = Site::new();
    let spec = site.python("web-1", TALKER);
    let child = site.start(&spec).child.unwrap();
    kill_supervise(&site, &spec);
    site.adopt("web-1");
    support::kill(child.pid);
    let exit = eventually("the end is recorded", || site.status("web-1").exit);
    assert_eq!((exit.code, exit.signal, exit.spawn_error), (None, None, None));
}

#[test]
fn a_child_that_ended_in_between_is_recorded_as_gone() {
    let site = Site::new();
    let spec = site.python("web-1", TALKER);
    let child = site.start(&spec).child.unwrap();
    kill_supervise(&site, &spec);
    support::kill(child.pid);
    let status = site.adopt("web-1");
    let exit = status.exit.unwrap();
    assert_eq!((status.child, exit.code, exit.signal), (None, None, None));
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
}

#[test]
fn one_that_is_to_be_restarted_is_started_again_by_the_next() {
    let site = Site::new();
    let mut spec = site.python("web-1", TALKER);
    spec.restart = Restart::Always;
    let first = site.start(&spec).child.unwrap();
    kill_supervise(&site, &spec);
    support::kill(first.pid);
    site.adopt("web-1");
    let second = eventually("a second start", || site.status("web-1").child);
    assert_ne!(second.pid, first.pid);
    let status = site.status("web-1");
    assert!(status.restarts == 1 && !status.adopted, "{status:?}");
}

#[test]
fn an_end_that_was_recorded_before_stays_known() {
    let site = Site::new();
    let spec = site.python("web-1", "raise SystemExit(3)");
    site.start(&spec);
    eventually("it ended", || site.status("web-1").exit);
    kill_supervise(&site, &spec);
    assert_eq!(site.adopt("web-1").exit.unwrap().code, Some(3));
}

#[test]
fn a_child_whose_start_was_not_recorded_is_found_by_its_token() {
    let site = Site::new();
    let spec = site.python("web-1", TALKER);
    let child = site.start(&spec).child.unwrap();
    kill_supervise(&site, &spec);
    std::fs::remove_file(site.run("web-1").join("status.json")).unwrap();
    assert_eq!(site.adopt("web-1").child.unwrap().pid, child.pid);
}

#[test]
fn a_recycled_pid_is_not_taken_for_the_child() {
    let site = Site::new();
    let spec = site.python("web-1", TALKER);
    let child = site.start(&spec).child.unwrap();
    kill_supervise(&site, &spec);
    support::kill(child.pid);
    let path = site.run("web-1").join("status.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let pid = format!("\"pid\":{}", child.pid);
    let ours = format!("\"pid\":{}", std::process::id());
    std::fs::write(&path, text.replace(&pid, &ours)).unwrap();
    assert_eq!(site.adopt("web-1").child, None);
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
}

#[test]
fn a_stop_that_was_interrupted_is_gone_on_with() {
    let site = Site::new();
    let program = "
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('begun', flush=True)
while True:
    time.sleep(1000)
";
    let mut spec = site.python("web-1", program);
    spec.grace_ms = 2_000;
    let started = site.start(&spec);
    site.line("out.log", "begun");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let stop = supervise::message::Ask::Stop { epoch: 1 };
            site.ask("web-1", &stop).is_err()
        });
        eventually("it is stopping", || site.status("web-1").stopping.then_some(()));
        support::kill(started.supervisor_pid);
        assert!(asking.join().unwrap());
    });
    let child = started.child.unwrap().pid;
    supervise::client::spawn(support::PROGRAM.as_ref(), &site.root, "web-1", true).unwrap();
    eventually("the child is ended", || (!alive(child)).then_some(()));
    eventually("supervise is done", || {
        let status = supervise::client::read_status(&site.root, "web-1")?;
        (status.child.is_none() && !site.run("web-1").join("supervise.sock").exists()).then_some(())
    });
}

#[test]
fn readiness_is_heard_by_the_next_supervise() {
    let site = Site::new();
    let program = "
import os, socket, time
while not os.path.exists('go'):
    time.sleep(0.01)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(chr(0) + os.environ['NOTIFY_SOCKET'][1:])
s.send(b'READY=1')
time.sleep(1000)
";
    let mut spec = site.python("web-1", program);
    spec.notify = true;
    site.start(&spec);
    kill_supervise(&site, &spec);
    assert!(!site.adopt("web-1").ready);
    std::fs::write(site.root.join("go"), "").unwrap();
    eventually("it is ready", || site.status("web-1").ready.then_some(()));
}

#[test]
fn twenty_deaths_in_a_row_do_no_harm() {
    let site = Site::new();
    let spec = site.python("web-1", TALKER);
    let child = site.start(&spec).child.unwrap();
    for _ in 0..20 {
        kill_supervise(&site, &spec);
        let begun = std::time::Instant::now();
        assert_eq!(site.adopt("web-1").child.unwrap().pid, child.pid);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    assert!(alive(child.pid));
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
}
