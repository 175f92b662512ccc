//! Instances at sockets: served by the proxy, and led to by links past it.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::http::get;
use common::{Altered, Proxy, SHOP, eventually, shop, target};
use proxy::links::{path, socket_directory, socket_path};
use proxy::route_file::{RouteFile, RouteTarget};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::slice;
use std::thread;
use std::time::Duration;

/// Answers every request on a connection with its name, until its listener is shut down.
struct AtSocket {
    listener: UnixListener,
    target: RouteTarget,
}

impl AtSocket {
    fn start(root: &Path, name: &'static str) -> Self {
        fs::create_dir_all(socket_directory(root, name)).unwrap();
        let path = socket_path(root, name);
        let listener = UnixListener::bind(&path).unwrap();
        let accepting = listener.try_clone().unwrap();
        thread::spawn(move || {
            for stream in accepting.incoming() {
                let Ok(stream) = stream else { return };
                thread::spawn(move || answer(stream, name));
            }
        });
        let target = target(name, name, &format!("unix:{}", path.display()));
        AtSocket { listener, target }
    }

    /// Takes no connection any more.
    fn end(&self) {
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).unwrap();
    }
}

fn answer(mut stream: UnixStream, name: &str) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).is_ok_and(|it| it > 0) {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

fn linked(generation: u64, targets: &[RouteTarget], links: u16) -> RouteFile {
    let mut file = shop(generation, targets);
    file.routes[0].links = Some(links);
    file
}

fn led(proxy: &Proxy, number: u16) -> Option<PathBuf> {
    fs::read_link(path(&proxy.root, SHOP, "web", number)).ok()
}

#[test]
fn links_are_led_with_each_generation_and_led_back_by_the_proxy_alone() {
    let mut proxy = Proxy::start();
    let root = proxy.root.clone();
    let (old, new) = (AtSocket::start(&root, "old"), AtSocket::start(&root, "new"));
    let at = |name: &str| Some(socket_path(&root, name));
    proxy.put(linked(1, slice::from_ref(&old.target), 2), 0);
    assert_eq!((led(&proxy, 1), led(&proxy, 2), led(&proxy, 3)), (at("old"), at("old"), None));
    assert_eq!(get(&proxy.address, "/").unwrap().text(), "old");
    let held = linked(2, slice::from_ref(&old.target), 2).held(10, 1000);
    proxy.put(held, 1);
    assert_eq!((led(&proxy, 1), led(&proxy, 2)), (None, None), "requests wait in the proxy");
    proxy.put(linked(3, slice::from_ref(&old.target), 2), 2);

    proxy.put(linked(4, slice::from_ref(&new.target), 2).on_probation(3, 60_000), 3);
    assert_eq!(led(&proxy, 1), at("new"));
    assert_eq!(get(&proxy.address, "/").unwrap().text(), "new");
    // Killed between the rename of the route file and that of a link, it mends the link.
    proxy.kill();
    fs::remove_file(path(&root, SHOP, "web", 1)).unwrap();
    std::os::unix::fs::symlink(socket_path(&root, "old"), path(&root, SHOP, "web", 1)).unwrap();
    proxy.restart();
    assert_eq!(led(&proxy, 1), at("new"));
    // Nobody asks it to: every new instance refuses.
    new.end();
    eventually("the links lead back", || (led(&proxy, 1) == at("old")).then_some(()));
    assert_eq!((led(&proxy, 2), proxy.shop().generation), (at("old"), 3));
    assert_eq!(get(&proxy.address, "/").unwrap().text(), "old");
}

#[test]
fn a_drain_waits_for_who_came_by_a_link() {
    let proxy = Proxy::start();
    let root = proxy.root.clone();
    let (old, new) = (AtSocket::start(&root, "old"), AtSocket::start(&root, "new"));
    proxy.put(linked(1, slice::from_ref(&old.target), 1), 0);
    let link = path(&root, SHOP, "web", 1);
    let mut straight = UnixStream::connect(&link).unwrap();
    straight.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let in_flight = eventually("it is seen", || proxy.shop().in_flight.get("old").copied());
    assert_eq!(in_flight, 1);
    proxy.put(linked(2, slice::from_ref(&new.target), 1), 1);
    let (cut, waited_ms) = proxy.drain(&["old"], 300);
    assert!(cut == 1 && waited_ms >= 300, "{cut} after {waited_ms} ms");
    let ending = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        drop(straight);
    });
    let (cut, waited_ms) = proxy.drain(&["old"], 10_000);
    assert!(cut == 0 && (200..5_000).contains(&waited_ms), "{cut} after {waited_ms} ms");
    ending.join().unwrap();
}
