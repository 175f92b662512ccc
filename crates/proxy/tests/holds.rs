//! Requests that wait while an application is replaced.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::Backend;
use common::http::{Connection, Response, checksum};
use common::{Altered, Proxy, eventually, shop, target};
use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

fn send(proxy: &Proxy, body: Vec<u8>) -> JoinHandle<io::Result<Response>> {
    let address = proxy.address.clone();
    std::thread::spawn(move || Connection::open(&address).post("/", &body))
}

#[test]
fn held_requests_go_on_by_the_new_table() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let proxy = Proxy::start();
    let old_target = target("old-1", "r1", &old.address);
    proxy.put(shop(1, std::slice::from_ref(&old_target)).held(100, 30_000), 0);
    let bodies: Vec<Vec<u8>> = (0..20).map(|number| vec![number; 5000]).collect();
    let waiting: Vec<_> = bodies.iter().map(|body| send(&proxy, body.clone())).collect();
    eventually("all are held", || (proxy.shop().held == 20).then_some(()));
    // An install of another environment releases nobody.
    proxy.put(shop(1, &[old_target]).of("other.x", "other.test", "/"), 0);
    assert_eq!(proxy.shop().held, 20);
    proxy.put(shop(2, &[target("new-1", "r2", &new.address)]), 1);
    for (body, client) in bodies.iter().zip(waiting) {
        let answer = client.join().unwrap().unwrap();
        assert_eq!(answer.text(), checksum(body));
        assert_eq!(answer.field("x-instance"), Some("new"));
    }
    assert_eq!((old.requests(), new.posts()), (0, 20));
    let shop = proxy.quiet();
    assert_eq!((shop.held, shop.releases["r2"].held, shop.releases["r2"].completed), (0, 20, 20));
}

#[test]
fn holds_have_bounds() {
    let old = Backend::named("old");
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("old-1", "r1", &old.address)]).held(3, 400), 0);
    let begun = Instant::now();
    let waiting: Vec<_> = (0..3).map(|_| send(&proxy, b"x".to_vec())).collect();
    eventually("three are held", || (proxy.shop().held == 3).then_some(()));
    let answer = Connection::open(&proxy.address).get("/").unwrap();
    assert_eq!((answer.status, answer.error()), (503, "held"));
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert!(begun.elapsed() < Duration::from_millis(400));
    for client in waiting {
        let answer = client.join().unwrap().unwrap();
        assert_eq!((answer.status, answer.error()), (503, "held"));
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(390) && took < Duration::from_secs(2), "{took:?}");
    assert_eq!((proxy.shop().held, old.requests()), (0, 0));
}

#[test]
fn a_hold_may_follow_a_hold() {
    let new = Backend::named("new");
    let proxy = Proxy::start();
    let new_target = target("new-1", "r2", &new.address);
    proxy.put(shop(1, std::slice::from_ref(&new_target)).held(10, 5_000), 0);
    let client = send(&proxy, b"x".to_vec());
    eventually("one is held", || (proxy.shop().held == 1).then_some(()));
    proxy.put(shop(2, std::slice::from_ref(&new_target)).held(10, 5_000), 1);
    eventually("it is held again", || (proxy.shop().held == 1).then_some(()));
    assert_eq!(new.requests(), 0);
    proxy.put(shop(3, &[new_target]), 2);
    assert_eq!(client.join().unwrap().unwrap().text(), checksum(b"x"));
}
