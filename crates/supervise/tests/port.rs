//! Who listens: the instance, one of its descendants, or a stranger.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use supervise::port::{Belongs, listener_belongs_to, port_owner};
use support::{Site, eventually};

const LISTENER: &str = "
import os, socket, sys, time
if len(sys.argv) > 2 and os.fork() != 0:
    time.sleep(1000)
if len(sys.argv) > 2:
    os.setsid()
s = socket.socket()
s.bind((sys.argv[1], 0))
s.listen()
print('port', s.getsockname()[1], os.getpid(), flush=True)
time.sleep(1000)
";

fn listening(site: &Site, words: &[&str]) -> (u16, u32, String) {
    let mut spec = site.python("web-1", LISTENER);
    spec.command.extend(words.iter().map(|word| (*word).to_owned()));
    site.start(&spec);
    let line = site.line("out.log", "port ");
    let (port, pid) = line.split_once(' ').unwrap();
    (port.parse().unwrap(), pid.parse().unwrap(), spec.token)
}

#[test]
fn the_instances_own_listener_belongs_to_it_and_to_no_other() {
    for words in [&["127.0.0.1"][..], &["0.0.0.0"], &["127.0.0.1", "fork"]] {
        let site = Site::new();
        let (port, pid, token) = listening(&site, words);
        assert_eq!(listener_belongs_to(port, &token), Belongs::Yes);
        let owner = port_owner(port).unwrap();
        assert_eq!(owner.pid, pid);
        assert!(owner.name.starts_with("python3"), "{}", owner.name);
        let stranger = Belongs::No { pid, name: owner.name };
        assert_eq!(listener_belongs_to(port, "another-token"), stranger);
        site.stop("web-1");
        assert_eq!(listener_belongs_to(port, &token), Belongs::NobodyListens);
    }
}

#[test]
fn a_descendant_that_dropped_its_environment_still_belongs() {
    let site = Site::new();
    let program = format!(
        "
import subprocess, sys
subprocess.run([sys.executable, '-c', '''# {}{LISTENER}''', '127.0.0.1'], env={{}})
",
        site.token
    );
    let spec = site.python("web-1", &program);
    site.start(&spec);
    let line = site.line("out.log", "port ");
    let port: u16 = line.split_once(' ').unwrap().0.parse().unwrap();
    let belongs = eventually("it listens", || {
        let belongs = listener_belongs_to(port, &spec.token);
        (belongs != Belongs::NobodyListens).then_some(belongs)
    });
    assert_eq!(belongs, Belongs::Yes);
}

#[test]
fn a_stranger_before_the_instance_on_the_same_port_is_noticed() {
    let site = Site::new();
    let (port, _, token) = listening(&site, &["127.0.0.2"]);
    // Clients of 127.0.0.1 reach this one, not the instance's.
    let stranger = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let belongs = listener_belongs_to(port, &token);
    assert!(matches!(belongs, Belongs::No { pid, .. } if pid == std::process::id()), "{belongs:?}");
    drop(stranger);
    assert_eq!(listener_belongs_to(port, &token), Belongs::Yes);
}
