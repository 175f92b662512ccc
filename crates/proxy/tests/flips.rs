//! Traffic goes on while generations, processes and descriptors change beneath it.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::Backend;
use common::http::{Connection, checksum, get};
use common::{Proxy, eventually, shop, target};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a client has seen.
#[derive(Default)]
struct Tally {
    gets: u64,
    posts: u64,
}

/// Asks until it is told to stop; any failure fails the test.
fn load(address: &str, seed: u64, stop: &Arc<AtomicBool>) -> JoinHandle<Tally> {
    let (address, stop) = (address.to_owned(), stop.clone());
    std::thread::spawn(move || {
        let mut tally = Tally::default();
        let mut client = Connection::open(&address);
        let mut number = seed;
        while !stop.load(Ordering::SeqCst) {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if number >> 60 == 0 {
                client = Connection::open(&address);
            }
            if number >> 33 & 1 == 0 {
                assert_eq!(client.get("/").unwrap().status, 200);
                tally.gets += 1;
            } else {
                let body = number.to_le_bytes().repeat(1 + (number >> 40 & 255) as usize);
                let answer = client.post("/", &body).unwrap();
                assert_eq!((answer.status, answer.text()), (200, checksum(&body)));
                tally.posts += 1;
            }
        }
        tally
    })
}

#[test]
fn flips_under_load_lose_and_double_nothing() {
    let backends = [Backend::named("a"), Backend::named("b")];
    let targets =
        [target("a-1", "r1", &backends[0].address), target("b-1", "r2", &backends[1].address)];
    let proxy = Proxy::start();
    proxy.put(shop(1, &targets[..1]), 0);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8).map(|seed| load(&proxy.address, seed, &stop)).collect();
    let begun = Instant::now();
    let mut generation = 1;
    while begun.elapsed() < Duration::from_secs(3) {
        let to = (generation % 2) as usize;
        proxy.put(shop(generation + 1, &targets[to..=to]), generation);
        generation += 1;
        if generation % 8 == 0 {
            let from = ["a-1", "b-1"][1 - to];
            assert_eq!(proxy.drain(&[from], 5_000).0, 0);
        }
    }
    stop.store(true, Ordering::SeqCst);
    let tallies: Vec<Tally> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let gets: u64 = tallies.iter().map(|tally| tally.gets).sum();
    let posts: u64 = tallies.iter().map(|tally| tally.posts).sum();
    assert!(generation > 50 && posts > 500, "{generation} flips, {posts} posts");
    assert_eq!(backends[0].posts() + backends[1].posts(), posts, "no post is lost or doubled");
    assert_eq!(backends[0].requests() + backends[1].requests(), gets + posts);
    let releases = proxy.quiet().releases;
    for (id, backend) in [("r1", &backends[0]), ("r2", &backends[1])] {
        assert_eq!(releases[id].completed, backend.requests(), "{id}");
        assert_eq!((releases[id].aborted, releases[id].unanswered), (0, 0), "{id}");
        assert_eq!(releases[id].by_class[2], releases[id].completed, "{id}");
    }
}

#[test]
fn instances_stopped_after_their_drain_cost_nothing() {
    let proxy = Proxy::start();
    let mut current = Backend::named("0");
    proxy.put(shop(1, &[target("i-0", "r0", &current.address)]), 0);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6).map(|seed| load(&proxy.address, seed + 50, &stop)).collect();
    let mut posts_served = 0;
    for generation in 2..40u64 {
        let next = Backend::named(&generation.to_string());
        let id = format!("i-{generation}");
        proxy.put(shop(generation, &[target(&id, &id, &next.address)]), generation - 1);
        let last = if generation == 2 { "i-0".to_owned() } else { format!("i-{}", generation - 1) };
        assert_eq!(proxy.drain(&[&last], 5_000).0, 0);
        current.stop();
        posts_served += current.posts();
        current = next;
    }
    stop.store(true, Ordering::SeqCst);
    let posts: u64 = clients.into_iter().map(|client| client.join().unwrap().posts).sum();
    assert_eq!(posts_served + current.posts(), posts);
    assert!(posts > 100, "{posts}");
}

#[test]
fn too_many_connections_are_told_so_and_do_not_lock_the_owner_out() {
    let backend = Backend::named("a");
    let proxy = Proxy::start_limited(256);
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..300 {
        let Ok(mut client) = Connection::try_open(&proxy.address) else { continue };
        match client.get("/") {
            Ok(answer) if answer.status == 200 => open.push(client),
            Ok(answer) => {
                assert_eq!((answer.status, answer.error()), (503, "full"));
                refused += 1;
            }
            // Beyond the places for refusals a connection is closed without a word.
            Err(_) => {}
        }
    }
    assert!((30..150).contains(&open.len()) && refused > 0, "{} {refused}", open.len());
    assert_eq!(proxy.status().connections, open.len() as u64);
    proxy.put(shop(2, &[target("a-1", "r1", &backend.address)]), 1);
    for client in &mut open {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    drop(open);
    eventually("there is room again", || {
        get(&proxy.address, "/").ok().filter(|answer| answer.status == 200)
    });
    eventually("descriptors are given back", || {
        let count = std::fs::read_dir(format!("/proc/{}/fd", proxy.pid())).unwrap().count();
        (count < 40).then_some(())
    });
}

#[test]
fn an_idle_proxy_is_small() {
    let backend = Backend::named("a");
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let mut clients: Vec<_> = (0..200).map(|_| Connection::open(&proxy.address)).collect();
    let before = resident_kib(proxy.pid());
    for client in &mut clients {
        client.get("/").unwrap();
    }
    let after = resident_kib(proxy.pid());
    assert!(before < 20_000, "{before} KiB");
    // Loose: an unoptimised build, and the allocator's rounding.
    assert!(after.saturating_sub(before) < 200 * 16, "{before} to {after} KiB");
}

fn resident_kib(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_kill_costs_only_what_is_in_flight() {
    let backend = Backend::named("a");
    let mut proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let sent = AtomicU64::new(0);
    for _ in 0..3 {
        let mut client = Connection::open(&proxy.address);
        for _ in 0..20 {
            client.post("/", b"x").unwrap();
            sent.fetch_add(1, Ordering::SeqCst);
        }
        proxy.kill();
        proxy.restart();
    }
    assert_eq!(backend.posts(), sent.load(Ordering::SeqCst));
}
