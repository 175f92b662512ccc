//! What is sent again, and what never is.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::{Backend, Then, ordinary, respond};
use common::http::{Connection, checksum, get};
use common::{Proxy, eventually, shop, target};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// An address where nobody listens.
fn dead_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_refused_connection_is_retried_elsewhere_for_any_method() {
    let backend = Backend::named("a");
    let proxy = Proxy::start();
    let targets = [target("dead-1", "r1", &dead_address()), target("a-1", "r1", &backend.address)];
    proxy.put(shop(1, &targets), 0);
    let mut client = Connection::open(&proxy.address);
    for _ in 0..20 {
        assert_eq!(client.get("/").unwrap().text(), "a");
        assert_eq!(client.post("/", b"x").unwrap().text(), checksum(b"x"));
    }
    assert_eq!(backend.posts(), 20);
    let release = &proxy.quiet().releases["r1"];
    assert_eq!((release.completed, release.aborted), (40, 0), "a moved request counts once");
}

#[test]
fn nobody_there_is_502() {
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("dead-1", "r1", &dead_address())]), 0);
    let answer = get(&proxy.address, "/").unwrap();
    assert_eq!((answer.status, answer.error()), (502, "unreachable"));
    let release = &proxy.quiet().releases["r1"];
    assert_eq!((release.completed, release.unanswered, release.by_class[5]), (1, 1, 1));
}

#[test]
fn a_get_on_a_stale_connection_is_sent_once_more() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    // Every second request of a connection is answered with nothing.
    let backend = Backend::with(move |request, stream| {
        if count.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
            return Ok(Then::Close);
        }
        ordinary("a", request, stream)
    });
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let mut client = Connection::open(&proxy.address);
    for _ in 0..10 {
        assert_eq!(client.get("/").unwrap().text(), "a");
    }
    let release = &proxy.quiet().releases["r1"];
    assert_eq!((release.completed, release.aborted, release.retried), (10, 0, 9));
}

#[test]
fn a_post_that_may_have_arrived_is_not_sent_again() {
    let backend = Backend::with(|request, stream| {
        if request.line.starts_with("POST") {
            return Ok(Then::Close);
        }
        ordinary("a", request, stream)
    });
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let mut client = Connection::open(&proxy.address);
    for posts in 1..=5 {
        assert_eq!(client.get("/").unwrap().text(), "a");
        let answer = client.post("/", b"x").unwrap();
        assert_eq!((answer.status, answer.error()), (502, "no_answer"));
        client = Connection::open(&proxy.address);
        assert_eq!(backend.posts(), posts);
    }
}

#[test]
fn a_stale_connection_costs_no_post() {
    // It answers, says nothing of closing, and closes.
    let backend = Backend::with(|request, stream| {
        ordinary("a", request, stream)?;
        Ok(Then::Close)
    });
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let mut client = Connection::open(&proxy.address);
    for number in 0..200u32 {
        let body = number.to_le_bytes();
        if number % 3 == 0 {
            assert_eq!(client.get("/").unwrap().text(), "a");
        }
        assert_eq!(client.post("/", &body).unwrap().text(), checksum(&body));
        if number % 10 == 0 {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
    assert_eq!(backend.posts(), 200);
}

#[test]
fn a_server_for_one_connection_at_a_time_is_not_blocked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = std::thread::spawn(move || {
        for _ in 0..20 {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = std::io::BufReader::new(stream);
            if common::backend::read_request(&mut reader).unwrap().is_some() {
                respond(&mut reader, 200, "Connection: close\r\n", b"one").unwrap();
            }
        }
    });
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("one-1", "r1", &address)]), 0);
    let start = Arc::new(Barrier::new(4));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (address, start) = (proxy.address.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                let mut client = Connection::open(&address);
                for _ in 0..5 {
                    assert_eq!(client.get("/").unwrap().text(), "one");
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    served.join().unwrap();
}

#[test]
fn posts_share_connections_that_are_proven_to_stay() {
    let backend = Backend::named("a");
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let mut client = Connection::open(&proxy.address);
    eventually("connections are shared", || {
        let before = backend.connections();
        for _ in 0..20 {
            assert_eq!(client.post("/", b"x").unwrap().text(), checksum(b"x"));
        }
        (backend.connections() == before).then_some(())
    });
}
