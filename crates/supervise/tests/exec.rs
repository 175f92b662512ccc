//! A process beside an instance's own, with its variables, place and user, and on a terminal.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use rustix::termios::{Winsize, tcsetwinsize};
use std::{fs, io::Read};
use supervise::exec::beside;
use support::{Site, alive, eventually};

const SLEEPER: &str = "print('begun', flush=True); import time; time.sleep(1000)";

fn command(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

#[test]
fn it_has_what_the_instance_has_but_its_token() {
    let site = Site::new();
    let mut spec = site.python("web-1", SLEEPER);
    spec.environment.insert("COLOUR".to_owned(), "blue".to_owned());
    let instance = site.start(&spec).child.unwrap();
    site.line("out.log", "begun");
    let found = site.root.join("found");
    let script = format!(
        "{{ pwd; echo $COLOUR ${{CUTOVER_TOKEN-none}}; cat /proc/self/cgroup; }} > {}; exit 4",
        found.display()
    );
    let mut it = beside(&site.root, "web-1", &command(&script), None).unwrap();
    assert_eq!(it.child.wait().unwrap().code(), Some(4));
    let text = fs::read_to_string(found).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), site.root.canonicalize().unwrap().to_str());
    assert_eq!(lines.next(), Some("blue none"));
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", instance.pid)).unwrap();
    assert_eq!(lines.collect::<Vec<_>>(), groups.lines().collect::<Vec<_>>());
    assert!(alive(instance.pid));
}

#[test]
fn it_leads_a_session_on_a_terminal_of_the_size_it_is_given() {
    let site = Site::new();
    site.start(&site.python("web-1", SLEEPER));
    site.line("out.log", "begun");
    let script = "tty > /dev/null && stty size && echo $TERM; exit 5";
    let mut it = beside(&site.root, "web-1", &command(script), Some("vt100")).unwrap();
    let terminal = it.terminal.take().unwrap();
    let size = Winsize { ws_row: 33, ws_col: 77, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).unwrap();
    let mut text = Vec::new();
    // The end of the last process on it is an error of the other end.
    let _ = fs::File::from(terminal).read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    assert_eq!(it.child.wait().unwrap().code(), Some(5), "{text}");
    assert!(text.contains("vt100"), "{text}");
}

#[test]
fn nothing_is_started_beside_what_does_not_run() {
    let site = Site::new();
    let child = site.start(&site.python("web-1", "pass")).child;
    if let Some(child) = child {
        eventually("it has ended", || (!alive(child.pid)).then_some(()));
    }
    let error = beside(&site.root, "web-1", &command("true"), None).unwrap_err();
    assert!(error.to_string().contains("does not run"), "{error}");
    beside(&site.root, "web-2", &command("true"), None).unwrap_err();
}
