//! Starts, ends, restarts, and what a child is given.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use supervise::{
    message::{Answer, Ask, Exit},
    spec::{Restart, User},
};
use support::{Site, alive, eventually};

fn exit_of(site: &Site, instance: &str) -> Exit {
    eventually("the exit is recorded", || site.status(instance).exit)
}

#[test]
fn an_end_at_once_is_recorded_within_a_second_with_its_last_line() {
    for code in [0, 1, 37] {
        let site = Site::new();
        let program = format!("import sys; print('last', end=''); sys.exit({code})");
        let started = Instant::now();
        site.start(&site.python("web-1", &program));
        let exit = exit_of(&site, "web-1");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        assert_eq!((exit.code, exit.signal, exit.spawn_error), (Some(code), None, None));
        assert_eq!(site.log("out.log"), "last\n");
        let written = supervise::client::read_status(&site.root, "web-1").unwrap();
        assert_eq!(written.exit.unwrap().code, Some(code));
        assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
    }
}

#[test]
fn an_end_is_known_at_once() {
    let site = Site::new();
    let child = site.start(&site.python("web-1", "import time; time.sleep(1000)")).child.unwrap();
    let killed_at = Instant::now();
    support::kill(child.pid);
    let exit = exit_of(&site, "web-1");
    // Ours is 50 ms; the rest is what two busy cores add.
    assert!(killed_at.elapsed() < Duration::from_millis(250), "{:?}", killed_at.elapsed());
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
    assert!(!exit.out_of_memory);
}

#[test]
fn a_child_that_crashes_is_started_again_with_growing_delays() {
    let site = Site::new();
    let program = "import time; print('at', time.monotonic(), flush=True); raise SystemExit(1)";
    let mut spec = site.python("web-1", program);
    spec.restart = Restart::Always;
    site.start(&spec);
    let starts: Vec<f64> = eventually("four starts", || {
        let log = site.log("out.log");
        let times: Vec<f64> =
            log.lines().filter_map(|line| line.strip_prefix("at ")?.parse().ok()).collect();
        (times.len() >= 4).then_some(times)
    });
    let delays: Vec<f64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(delays[0] >= 0.1 && delays[1] >= 0.2 && delays[2] >= 0.4, "{delays:?}");
    assert!(delays[0] < 1.0, "{delays:?}");
    assert!(site.status("web-1").restarts >= 3);
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
}

#[test]
fn a_changed_policy_holds_for_the_next_end() {
    let site = Site::new();
    let first = site.start(&site.python("web-1", "import time; time.sleep(1000)"));
    let order = Ask::Restart { restart: Restart::Always, epoch: 1 };
    assert_eq!(site.ask("web-1", &order).unwrap(), Answer::Taken);
    let first = first.child.unwrap();
    support::kill(first.pid);
    let second = eventually("a second start", || {
        site.status("web-1").child.filter(|child| child.pid != first.pid)
    });
    assert!(alive(second.pid));
    let kept = std::fs::read_to_string(site.run("web-1").join("spec.json")).unwrap();
    assert!(kept.contains(r#""restart":"always""#), "{kept}");
}

#[test]
fn a_child_gets_its_environment_its_directory_and_three_descriptors() {
    let site = Site::new();
    let program = "
import os, resource
links = {n: os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')
         if os.path.exists(f'/proc/self/fd/{n}')}
print('links', sorted(links.items()))
print('environment', sorted(line for line in open('/proc/self/environ').read().split(chr(0))))
print('directory', os.getcwd())
print('files', resource.getrlimit(resource.RLIMIT_NOFILE))
print('core', resource.getrlimit(resource.RLIMIT_CORE))
print('signals', [line for line in open('/proc/self/status') if line[:6] in ('SigBlk', 'NoNewP')])
print('group', os.getpgid(0) == os.getpid())
";
    let mut spec = site.python("web-1", program);
    spec.environment = BTreeMap::from([("PORT".to_owned(), "20001".to_owned())]);
    spec.limits.files = Some(123);
    site.start(&spec);
    let links = site.line("out.log", "links ");
    let run = site.run("web-1");
    assert_eq!(
        links,
        format!(
            "[('0', '/dev/null'), ('1', '{0}/out.fifo'), ('2', '{0}/error.fifo')]",
            run.display()
        )
    );
    let environment = site.line("out.log", "environment ");
    assert_eq!(environment, format!("['', 'CUTOVER_TOKEN={}', 'PORT=20001']", spec.token));
    assert_eq!(site.line("out.log", "directory "), site.root.display().to_string());
    assert_eq!(site.line("out.log", "files "), "(123, 123)");
    assert_eq!(site.line("out.log", "core "), "(0, 0)");
    assert_eq!(site.line("out.log", "group "), "True");
    let signals = site.line("out.log", "signals ");
    assert_eq!(signals, "['SigBlk:\\t0000000000000000\\n', 'NoNewPrivs:\\t1\\n']");
    let combined = site.line("combined.log", "2");
    assert!(combined.contains("Z web-1 links ["), "{combined}");
}

#[test]
fn a_child_runs_as_its_user() {
    if !rustix::process::geteuid().is_root() {
        let another = Some(User { uid: 65_533, gid: 65_533 });
        let refusals = supervise::enforceable(&supervise::spec::Limits::default(), another);
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        return;
    }
    let site = Site::new();
    let program = "
import os
print('user', os.getuid(), os.getgid(), os.getgroups())
open('/dev/stdout', 'w').write('again\\n')
";
    let mut spec = site.python("web-1", program);
    spec.user = Some(User { uid: 65_534, gid: 65_534 });
    spec.directory = "/".into();
    site.start(&spec);
    assert_eq!(site.line("out.log", "user "), "65534 65534 []");
    assert_eq!(site.line("out.log", "again"), "");
    assert_eq!(exit_of(&site, "web-1").code, Some(0));
}

#[test]
fn what_cannot_be_executed_is_recorded_with_the_reason() {
    let site = Site::new();
    for (instance, command, expected) in [
        ("web-1", "/not/there", "/not/there"),
        ("web-2", "no-such-program", "not in PATH"),
        ("web-3", "./run/web-3/spec.json", "Permission denied"),
    ] {
        let mut spec = site.python(instance, "");
        spec.command = vec![command.to_owned()];
        let status = site.start(&spec);
        let exit = status.exit.unwrap();
        let message = exit.spawn_error.unwrap();
        assert!(message.contains(expected), "{message}");
        assert_eq!((exit.code, exit.signal, status.child), (None, None, None));
        assert_eq!(site.stop(instance), Answer::Stopped { killed: false });
    }
}

#[test]
fn a_relative_program_starts_from_the_directory() {
    let site = Site::new();
    let app = site.root.join("app");
    std::fs::write(&app, "#!/usr/bin/python3\nimport sys\nprint('argv', sys.argv[1:])\n").unwrap();
    std::fs::set_permissions(&app, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut spec = site.python("web-1", "");
    spec.command = vec!["./app".to_owned(), "$(x) ;y".to_owned()];
    site.start(&spec);
    assert_eq!(site.line("out.log", "argv "), "['$(x) ;y']");
}

#[test]
fn readiness_is_told_by_the_instance_alone() {
    let site = Site::new();
    let program = "
import os, socket, subprocess, sys, time
name = os.environ['NOTIFY_SOCKET']
print('socket', name, flush=True)
while not os.path.exists('go'):
    time.sleep(0.01)
say = '''import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(chr(0) + os.environ['NOTIFY_SOCKET'][1:])
s.send(b'STATUS=up' + bytes([10]) + b'READY=1')'''
subprocess.run([sys.executable, '-c', say])
time.sleep(1000)
";
    let mut spec = site.python("web-1", program);
    spec.notify = true;
    site.start(&spec);
    let name = site.line("out.log", "socket ");
    assert!(name.starts_with('@') && !name.contains(&spec.token), "{name}");
    // A stranger, which is this test, is not believed.
    use std::os::linux::net::SocketAddrExt;
    let stranger = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name[1..]).unwrap();
    stranger.send_to_addr(b"READY=1", &address).unwrap();
    // Two round trips later the datagram was read: one poll serves both.
    site.status("web-1");
    assert!(!site.status("web-1").ready);
    std::fs::write(site.root.join("go"), "").unwrap();
    eventually("it is ready", || site.status("web-1").ready.then_some(()));
}

#[test]
fn a_memory_limit_ends_the_child_and_says_so() {
    let site = Site::new();
    let program = "
import sys
print('begun', flush=True)
held = []
while True:
    held.append(bytearray(b'x' * 1000000))
";
    let mut spec = site.python("web-1", program);
    spec.limits.memory_bytes = Some(64_000_000);
    let refusals = supervise::enforceable(&spec.limits, None);
    if !refusals.is_empty() {
        assert!(refusals[0].contains("memory cannot be limited"), "{refusals:?}");
        return;
    }
    let supervisor = site.start(&spec).supervisor_pid;
    let exit = exit_of(&site, "web-1");
    assert_eq!((exit.signal, exit.out_of_memory), (Some(9), true));
    assert!(alive(supervisor));
    assert_eq!(site.stop("web-1"), Answer::Stopped { killed: false });
}

#[test]
fn a_fork_bomb_meets_the_limit_on_processes() {
    let site = Site::new();
    let program = "
import os, time
made = 0
try:
    for made in range(200):
        if os.fork() == 0:
            time.sleep(1000)
except OSError as error:
    print('refused after', made, flush=True)
time.sleep(1000)
";
    let mut spec = site.python("web-1", program);
    spec.limits.processes = Some(20);
    if !supervise::enforceable(&spec.limits, None).is_empty() {
        return;
    }
    site.start(&spec);
    assert_eq!(site.line("out.log", "refused after "), "19");
    assert!(matches!(site.stop("web-1"), Answer::Stopped { .. }));
    eventually("nobody is left", || site.processes().is_empty().then_some(()));
}

#[test]
fn an_idle_supervise_is_small() {
    let site = Site::new();
    let status = site.start(&site.python("web-1", "import time; time.sleep(1000)"));
    let rollup =
        std::fs::read_to_string(format!("/proc/{}/smaps_rollup", status.supervisor_pid)).unwrap();
    let pss_kib: u64 = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap();
    assert!(pss_kib <= 3 * 1024, "{pss_kib} KiB");
}
