//! Every way the example apps can be broken, in all of them, seen from outside.

#![allow(clippy::unwrap_used, reason = "in a test that is a failure with its reason")]

use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use testkit::{
    app::{App, Running, get},
    eventually,
    load::{FaultKind, Load, Options, Summary, binary},
    tree::Snapshot,
};

const SOON: Duration = Duration::from_secs(15);

/// A release of `app` that is broken by the file in it, started.
fn broken(app: App, breakage: &str) -> (TempDir, Running) {
    let root = tempfile::tempdir().unwrap();
    let release = root.path().join("release");
    app.release(&release, "1.2.3", breakage).unwrap();
    let running = Running::start(app, &release, &[]);
    (root, running)
}

fn status(running: &Running, path: &str) -> String {
    let answer = get(running.address, path).unwrap();
    answer.get(..12).unwrap_or_default().to_owned()
}

/// Whether nothing at all is answered for a while to a request that was taken.
fn silent(running: &Running, path: &str) -> bool {
    let mut stream =
        eventually("the port is open", SOON, || TcpStream::connect(running.address).ok());
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    stream.read(&mut [0]).is_err()
}

fn load(running: &Running, requests: u64) -> Summary {
    let options = Options {
        requests: Some(requests),
        get_clients: 1,
        body_bytes_max: 1000,
        ..Options::idle(running.address, "localhost")
    };
    Load::start(&binary(), &options).unwrap().finish(SOON).unwrap()
}

#[test]
fn exits_at_once() {
    for app in App::ALL {
        for (breakage, code, line) in [
            ("exit0", 0, "nothing to do: leaving with 0\n"),
            ("exit1", 1, "fatal: cannot reach the database at db.invalid:5432\n"),
            ("exit_after=50", 1, "fatal: gave up after a while\n"),
            ("exit2", 64, "unknown breakage: exit2\n"),
            ("errors=many", 64, "unknown breakage: errors=many\n"),
        ] {
            let (_root, mut running) = broken(app, breakage);
            let status = running.process.ended(SOON);
            assert_eq!(status.code(), Some(code), "{app:?} {breakage}");
            eventually("the last line", SOON, || running.output().ends_with(line).then_some(()));
        }
    }
}

#[test]
fn the_environment_breaks_too() {
    for app in App::ALL {
        let root = tempfile::tempdir().unwrap();
        app.release(&root.path().join("release"), "1", "").unwrap();
        let variables = [("BREAK", "exit1, all_500")];
        let mut running = Running::start(app, &root.path().join("release"), &variables);
        assert_eq!(running.process.ended(SOON).code(), Some(1), "{app:?}");
    }
}

#[test]
fn crashes_after_the_first_real_request() {
    for app in App::ALL {
        let (_root, running) = broken(app, "crash_after_switch=100");
        let mut running = running.ready();
        assert_eq!(status(&running, "/api/health"), "HTTP/1.1 200");
        assert_eq!(status(&running, "/"), "HTTP/1.1 200");
        assert_eq!(running.process.ended(SOON).code(), Some(1), "{app:?}");
    }
}

#[test]
fn hangs() {
    for app in App::ALL {
        let (_root, running) = broken(app, "hang_port");
        assert!(silent(&running, "/"), "{app:?}");
        let (_root, mut running) = broken(app, "health_hang");
        assert!(silent(&running, "/api/health"), "{app:?}");
        assert_eq!(status(&running, "/"), "HTTP/1.1 200", "{app:?}");
        assert!(running.process.exited().is_none());
    }
}

#[test]
fn health_answers_badly() {
    for app in App::ALL {
        let (_root, running) = broken(app, "health_redirect_loop");
        let open = || eventually("an answer", SOON, || get(running.address, "/api/health").ok());
        let answer = open().to_lowercase();
        assert!(answer.starts_with("http/1.1 302"), "{app:?} {answer}");
        assert!(answer.contains("\r\nlocation: /api/health\r\n"), "{app:?} {answer}");
        let (_root, running) = broken(app, "health_10mb");
        let running = running.ready();
        assert!(get(running.address, "/api/health").unwrap().len() > 10 << 20, "{app:?}");
        let (_root, running) = broken(app, "health_flap");
        let running = running.ready();
        let answers: Vec<String> = (0..9).map(|_| status(&running, "/api/health")).collect();
        let good = answers.iter().filter(|answer| *answer == "HTTP/1.1 200").count();
        assert_eq!(good, 3, "{app:?} {answers:?}");
    }
}

#[test]
fn health_has_a_slow_body() {
    for app in App::ALL {
        let (_root, running) = broken(app, "health_slow_body");
        let mut stream =
            eventually("the port is open", SOON, || TcpStream::connect(running.address).ok());
        stream.write_all(b"GET /api/health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        let mut answer = Vec::new();
        let started = Instant::now();
        assert!(stream.read_to_end(&mut answer).is_err(), "the body does not end");
        assert!(started.elapsed() < SOON);
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(answer.starts_with("http/1.1 200"), "{app:?} {answer}");
        assert!(answer.contains("\r\ncontent-length: 3600\r\n"), "{app:?} {answer}");
    }
}

#[test]
fn starts_slowly() {
    for app in App::ALL {
        let started = Instant::now();
        let (_root, running) = broken(app, "slow_start=700");
        let _running = running.ready();
        assert!(started.elapsed() >= Duration::from_millis(700), "{app:?}");
    }
}

#[test]
fn answers_with_errors() {
    for app in App::ALL {
        let (_root, running) = broken(app, "all_500");
        let all = load(&running.ready(), 20);
        assert_eq!(all.failures, [(FaultKind::AppServerError, 20)].into(), "{app:?}");
        let (_root, running) = broken(app, "errors=25");
        let some = load(&running.ready(), 100);
        assert_eq!(some.failures, [(FaultKind::AppServerError, 25)].into(), "{app:?}");
        assert_eq!(some.completed, 75);
    }
}

#[test]
fn ignores_the_stop_signal() {
    for app in App::ALL {
        let (_root, running) = broken(app, "ignore_sigterm");
        let mut running = running.ready();
        running.process.signal(Signal::TERM);
        let summary = load(&running, 100);
        assert!(summary.ok && running.process.exited().is_none(), "{app:?} {summary:#?}");
    }
}

#[test]
fn leaves_a_grandchild_in_a_session_of_its_own() {
    for app in App::ALL {
        let (root, running) = broken(app, "double_fork");
        let running = running.ready();
        let app_pid = running.process.pid();
        let found = eventually("a grandchild without its parent", SOON, || {
            let found = Snapshot::take(root.path(), &[]).unwrap().processes();
            found.into_iter().find(|pid| *pid != app_pid && is_grandchild(*pid, app_pid))
        });
        drop(running);
        assert!(fs::exists(format!("/proc/{found}")).unwrap(), "{app:?}: it outlives the app");
        kill_process(Pid::from_raw(found.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    }
}

/// Whether the process has a session of its own and another parent than the app.
fn is_grandchild(pid: u32, app: u32) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let Some((parent, session)) = parent_and_session(pid) else { return false };
    String::from_utf8_lossy(&command).contains("example-app-grandchild")
        && parent != app
        && parent_and_session(app).is_some_and(|it| it.1 != session)
}

/// As `/proc` says them: 0 for one that is outside of the namespace this runs in.
fn parent_and_session(pid: u32) -> Option<(u32, u32)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.nth(1)?.parse().ok()?))
}

#[test]
fn does_not_wait_for_its_children() {
    for app in [App::Python, App::Rust] {
        let (_root, running) = broken(app, "zombies");
        let running = running.ready();
        let pid = running.process.pid();
        eventually("zombies of the app", SOON, || {
            let zombies = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
                let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
                let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).to_owned();
                fields.starts_with(&format!("Z {pid} "))
            });
            (zombies.count() >= 10).then_some(())
        });
    }
}

#[test]
fn node_leaves_orphans_that_end() {
    let (root, running) = broken(App::Node, "zombies");
    let running = running.ready();
    let pid = running.process.pid();
    eventually("an orphan", SOON, || {
        let found = Snapshot::take(root.path(), &[]).unwrap().processes();
        found.into_iter().find(|other| *other != pid && is_grandchild(*other, pid))
    });
    drop(running);
    eventually("the orphans end", SOON, || {
        Snapshot::take(root.path(), &[]).unwrap().processes().is_empty().then_some(())
    });
}

#[test]
fn floods_its_output_and_still_answers() {
    for app in App::ALL {
        let (_root, running) = broken(app, "log_flood=100");
        let running = running.ready();
        eventually("10 MiB", SOON, || (running.output_bytes() > 10 << 20).then_some(()));
        assert_eq!(status(&running, "/"), "HTTP/1.1 200", "{app:?}");
    }
}

#[test]
fn prints_a_long_line_and_escapes() {
    for app in App::ALL {
        let (_root, running) = broken(app, "long_line=1000000,ansi");
        let running = running.ready();
        // Another line may come in between, so the longest may be a little shorter.
        eventually("the whole line", SOON, || {
            (running.output().matches('x').count() >= 1_000_000).then_some(())
        });
        let output = running.output();
        assert!(output.contains("\x1b]0;new title\x07") && output.contains("\x1b[2J"), "{app:?}");
        assert!(output.contains('\u{fffd}') && output.contains('\0'), "{app:?}: not only text");
    }
}

#[test]
fn tells_a_wrong_version() {
    for app in App::ALL {
        let (_root, running) = broken(app, "wrong_version");
        let answer = get(running.ready().address, "/api/version").unwrap().to_lowercase();
        assert!(
            answer.contains(r#""version":"0.0.0-wrong""#)
                || answer.contains(r#""version": "0.0.0-wrong""#)
        );
        assert!(answer.contains("x-app-version: 0.0.0-wrong\r\n"), "{app:?} {answer}");
    }
}

#[test]
fn keeps_no_connection() {
    for app in App::ALL {
        let (_root, running) = broken(app, "no_keepalive");
        let summary = load(&running.ready(), 20);
        assert!(summary.ok, "{app:?} {summary:#?}");
        assert_eq!((summary.connections, summary.stale_retried), (20, 0), "{app:?}");
    }
}

#[test]
fn leaks_memory() {
    for app in App::ALL {
        let (_root, running) = broken(app, "leak_memory");
        let running = running.ready();
        let path = format!("/proc/{}/statm", running.process.pid());
        let resident_pages = || -> u64 {
            let statm = fs::read_to_string(&path).unwrap();
            statm.split(' ').nth(1).unwrap().parse().unwrap()
        };
        let before = resident_pages();
        // Pages of 4 KiB or more: this is 40 MiB at least.
        eventually("40 MiB more", SOON, || (resident_pages() > before + 10_240).then_some(()));
    }
}

#[test]
fn listens_elsewhere() {
    for app in App::ALL {
        let (_root, running) = broken(app, "listen_wrong_port");
        eventually("it listens", SOON, || running.output().contains("listening on").then_some(()));
        let told = format!("listening on {}", running.address);
        assert!(!running.output().contains(&told), "{app:?} {}", running.output());
        assert!(TcpStream::connect(running.address).is_err(), "{app:?}");
    }
}
