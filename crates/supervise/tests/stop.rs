//! Everybody of an instance ends, and only who may give orders is obeyed.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use rustix::process::Signal;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use supervise::{
    client::{self, ClientError},
    message::{Answer, Ask},
};
use support::{PROGRAM, Site, alive, eventually};

const SLEEPER: &str = "import time; time.sleep(1000)";

#[test]
fn a_polite_child_ends_by_the_stop_signal() {
    let site = Site::new();
    let program = "
import signal, sys, time
def end(number, frame):
    print('bye', number, flush=True)
    sys.exit(5)
signal.signal(signal.SIGUSR1, end)
print('begun', flush=True)
time.sleep(1000)
";
    let mut spec = site.python("web-1", program);
    spec.stop_signal = Signal::USR1.as_raw();
    spec.grace_ms = 10_000;
    let started = site.start(&spec);
    site.line("out.log", "begun");
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
    assert_eq!(site.line("out.log", "bye "), "10");
    let last = client::read_status(&site.root, "web-1").unwrap();
    assert_eq!((last.child, last.exit.unwrap().code, last.stopping), (None, Some(5), true));
    assert!(!site.run("web-1").join("supervise.sock").exists());
    assert!(matches!(site.ask("web-1", &Ask::Status), Err(ClientError::NotRunning)));
    eventually("supervise has ended", || {
        client::read_status(&site.root, "web-1");
        (support::state(started.supervisor_pid).is_none()).then_some(())
    });
}

#[test]
fn a_child_that_ignores_the_signal_is_killed_after_its_grace() {
    let site = Site::new();
    let program = "
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('begun', flush=True)
while True:
    time.sleep(1000)
";
    let child = site.start(&site.python("web-1", program)).child.unwrap();
    site.line("out.log", "begun");
    let asked = Instant::now();
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: true });
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(3), "{took:?}");
    assert!(!alive(child.pid));
}

/// Two forks and a session of its own, as daemons are made.
const DAEMON: &str = "
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('daemon', os.getpid(), flush=True)
        time.sleep(1000)
    os._exit(0)
";

#[test]
fn a_daemon_that_left_the_group_is_ended_too() {
    let site = Site::new();
    let program = format!("{DAEMON}\ntime.sleep(1000)");
    site.start(&site.python("web-1", &program));
    let daemon: u32 = site.line("out.log", "daemon ").parse().unwrap();
    assert!(alive(daemon));
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: true });
    assert!(!alive(daemon));
}

#[test]
fn a_daemon_that_its_child_left_behind_is_ended_without_being_asked() {
    let site = Site::new();
    let program = format!("{DAEMON}\nos.wait()");
    site.start(&site.python("web-1", &program));
    let daemon: u32 = site.line("out.log", "daemon ").parse().unwrap();
    eventually("the daemon is ended", || (!alive(daemon)).then_some(()));
    assert_eq!(site.status("web-1").exit.unwrap().code, Some(0));
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
}

#[test]
fn orphans_that_end_are_reaped_within_about_a_second() {
    let site = Site::new();
    let program = "
import os, time
for _ in range(30):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.2)
        os._exit(0)
    os.wait()
print('made', flush=True)
time.sleep(1000)
";
    let supervisor = site.start(&site.python("web-1", program)).supervisor_pid;
    site.line("out.log", "made");
    let begun = Instant::now();
    let children = format!("/proc/{supervisor}/task/{supervisor}/children");
    eventually("one child is left", || {
        let text = std::fs::read_to_string(&children).unwrap();
        (text.split_whitespace().count() == 1).then_some(())
    });
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn other_signals_than_the_kill_do_not_end_supervise() {
    let site = Site::new();
    let status = site.start(&site.python("web-1", SLEEPER));
    for one in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        support::signal(status.supervisor_pid, one);
    }
    assert_eq!(site.status("web-1").child, status.child);
    let child = status.child.unwrap().pid;
    // Nothing of that was handed down: the child has the default actions.
    support::signal(child, Signal::HUP);
    let exit = eventually("it ended", || site.status("web-1").exit);
    assert_eq!(exit.signal, Some(Signal::HUP.as_raw()));
}

#[test]
fn a_second_supervise_is_refused_and_names_the_first() {
    let site = Site::new();
    let status = site.start(&site.python("web-1", SLEEPER));
    for adopt in [&[][..], &["--adopt"]] {
        let second = std::process::Command::new(PROGRAM)
            .args(["supervise", "--instance", "web-1", "--root"])
            .arg(&site.root)
            .args(adopt)
            .output()
            .unwrap();
        assert_eq!(second.status.code(), Some(i32::from(supervise::EXIT_TAKEN)));
        let message = String::from_utf8(second.stderr).unwrap();
        assert!(message.contains(&format!("pid {}", status.supervisor_pid)), "{message}");
    }
    assert_eq!(site.status("web-1").child, status.child);
}

#[test]
fn an_instance_that_lives_without_supervise_is_not_started_twice() {
    let site = Site::new();
    let status = site.start(&site.python("web-1", SLEEPER));
    support::kill(status.supervisor_pid);
    eventually("supervise is gone", || (!alive(status.supervisor_pid)).then_some(()));
    client::spawn(Path::new(PROGRAM), &site.root, "web-1", false).unwrap();
    let child = status.child.unwrap().pid;
    eventually("the refusal is in its log", || {
        let log = std::fs::read_to_string(site.run("web-1").join("supervise.log")).unwrap();
        log.contains(&format!("process {child} of web-1 still runs")).then_some(())
    });
    assert!(alive(child));
}

#[test]
fn an_older_controller_is_refused_also_after_a_take_over() {
    let site = Site::new();
    let status = site.start(&site.python("web-1", SLEEPER));
    let restart = |epoch| Ask::Restart { restart: supervise::spec::Restart::Never, epoch };
    assert_eq!(site.ask("web-1", &restart(7)).unwrap(), Answer::Taken);
    assert_eq!(site.ask("web-1", &restart(7)).unwrap(), Answer::Taken);
    let refused = |answer: Answer| match answer {
        Answer::Refused { message } => message.contains("epoch 6 is below 7"),
        _ => false,
    };
    assert!(refused(site.ask("web-1", &Ask::Stop { epoch: 6 }).unwrap()));
    support::kill(status.supervisor_pid);
    site.adopt("web-1");
    assert!(refused(site.ask("web-1", &Ask::Stop { epoch: 6 }).unwrap()));
    assert!(alive(status.child.unwrap().pid));
    let stopped = site.ask("web-1", &Ask::Stop { epoch: 7 }).unwrap();
    assert_eq!(stopped, Answer::Stopped { killed: false });
}

#[test]
fn a_root_of_two_hundred_bytes_works() {
    let site = Site::below(&format!("{}/{}", "a".repeat(90), "b".repeat(90)));
    assert!(site.root.as_os_str().len() > 200);
    site.start(&site.python("web-1", "import time; print('here', flush=True); time.sleep(1000)"));
    assert_eq!(site.line("out.log", "here"), "");
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
}

#[test]
fn what_is_not_understood_is_refused_and_many_clients_do_no_harm() {
    use std::io::{BufRead, BufReader, Write};
    let site = Site::new();
    site.start(&site.python("web-1", SLEEPER));
    let socket = site.run("web-1").join("supervise.sock");
    let idle: Vec<_> =
        (0..40).map(|_| std::os::unix::net::UnixStream::connect(&socket).unwrap()).collect();
    let mut asking = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    asking.write_all(b"{\"ask\":\"dance\"}\n{\"ask\":\"status\"}\n").unwrap();
    let mut lines = BufReader::new(asking).lines();
    assert!(lines.next().unwrap().unwrap().starts_with(r#"{"answer":"refused""#));
    assert!(lines.next().unwrap().unwrap().starts_with(r#"{"answer":"status""#));
    let mut endless = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let flooded = (0..100).any(|_| endless.write_all(&[b'x'; 4096]).is_err());
    assert!(flooded, "a line without end is cut off");
    drop(idle);
    assert!(site.status("web-1").child.is_some());
}

#[test]
fn nothing_of_an_instance_is_left_after_its_stop() {
    let site = Site::new();
    let spec = site.python("web-1", SLEEPER);
    site.start(&spec);
    site.stop("web-1");
    eventually("no process is left", || {
        client::read_status(&site.root, "web-1");
        site.processes().is_empty().then_some(())
    });
    let groups = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    for mount in groups.lines().filter(|line| line.contains(" - cgroup")) {
        let ours = Path::new(mount.split(' ').nth(4).unwrap()).join("cutover");
        let left: Vec<_> = std::fs::read_dir(ours)
            .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
            .unwrap_or_default();
        let name = format!("{}.", spec.instance);
        let hash = supervise_group(&spec);
        assert!(!left.iter().any(|it: &std::ffi::OsString| *it == *format!("{name}{hash}")));
    }
}

/// The group's name carries a hash of the token: see the product's own reason for it.
fn supervise_group(spec: &supervise::spec::InstanceSpec) -> String {
    let hash = spec.token.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[test]
fn a_signal_tells_the_child_alone_and_stops_nothing() {
    let site = Site::new();
    let program = "
import os, signal, time
def told(number, frame):
    print('told', os.getpid() == main, number, flush=True)
main = os.getpid()
signal.signal(signal.SIGTSTP, told)
os.fork()
print('begun', flush=True)
while True:
    time.sleep(1000)
";
    site.start(&site.python("web-1", program));
    eventually("both have begun", || {
        let text = site.log("out.log");
        (text.matches("begun").count() == 2).then_some(())
    });
    let ask = |epoch, signal| site.ask("web-1", &Ask::Tell { signal, epoch }).unwrap();
    assert_eq!(ask(1, Signal::TSTP.as_raw()), Answer::Taken);
    assert_eq!(site.line("out.log", "told "), "True 20");
    assert!(matches!(ask(1, 0), Answer::Refused { .. }), "none is no signal");
    assert!(matches!(ask(0, Signal::TSTP.as_raw()), Answer::Refused { .. }), "an old controller");
    let text = site.log("out.log");
    assert_eq!(text.matches("told").count(), 1, "{text}");
    assert!(site.status("web-1").child.is_some());
    assert!(matches!(site.stop("web-1"), Answer::Stopped { .. }));
}

#[test]
fn a_time_limit_ends_it_though_nobody_watches() {
    let site = Site::new();
    let mut spec = site.python("run-1", SLEEPER);
    spec.time_limit_ms = Some(300);
    let child = site.start(&spec).child.unwrap();
    let last = eventually("it is stopped", || {
        client::read_status(&site.root, "run-1").filter(|it| it.exit.is_some())
    });
    assert!(last.timed_out && last.stopping, "{last:?}");
    assert_eq!(last.exit.unwrap().signal, Some(Signal::TERM.as_raw()));
    assert!(!alive(child.pid));
    eventually("supervise has ended", || {
        matches!(site.ask("run-1", &Ask::Status), Err(ClientError::NotRunning)).then_some(())
    });
}

#[test]
fn a_signal_is_passed_on_to_the_whole_group() {
    let site = Site::new();
    let program = "
import signal, subprocess, sys, time
def end(number, frame):
    print('interrupted', flush=True)
    sys.exit(9)
signal.signal(signal.SIGINT, end)
child = subprocess.Popen(['sleep', '1000'])
print('begun', child.pid, flush=True)
time.sleep(1000)
";
    site.start(&site.python("run-1", program));
    let sleeper: u32 = site.line("out.log", "begun ").parse().unwrap();
    let interrupt = |epoch| Ask::Signal { signal: Signal::INT.as_raw(), epoch };
    assert_eq!(site.ask("run-1", &interrupt(2)).unwrap(), Answer::Taken);
    site.line("out.log", "interrupted");
    let last =
        eventually("it has ended", || Some(site.status("run-1")).filter(|it| it.exit.is_some()));
    assert_eq!((last.exit.unwrap().code, last.stopping), (Some(9), false));
    eventually("its child too", || (!alive(sleeper)).then_some(()));
    // One that has ended needs none, and an older controller sends none.
    assert_eq!(site.ask("run-1", &interrupt(2)).unwrap(), Answer::Taken);
    assert!(matches!(site.ask("run-1", &interrupt(1)).unwrap(), Answer::Refused { .. }));
    let none = Ask::Signal { signal: 4_000, epoch: 2 };
    assert!(matches!(site.ask("run-1", &none).unwrap(), Answer::Refused { .. }));
    assert_eq!(
        site.ask("run-1", &Ask::Stop { epoch: 2 }).unwrap(),
        Answer::Stopped { killed: false }
    );
}
