//! A generation on probation: confirmed, or left by the proxy alone.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::{Backend, ordinary};
use common::http::{Connection, checksum, get};
use common::{Altered, Proxy, SHOP, eventually, shop, target};
use proxy::control::{Answer, RefusalReason};
use proxy::route_file::{RouteFile, RouteTarget, marker_path};
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct World {
    proxy: Proxy,
    old: Backend,
    new: Backend,
    old_target: RouteTarget,
    new_target: RouteTarget,
}

/// Generation 1 leads to the old release; nothing leads to the new one yet.
fn world(new: Backend) -> World {
    let old = Backend::named("old");
    let old_target = target("old-1", "r1", &old.address);
    let new_target = target("new-1", "r2", &new.address);
    let proxy = Proxy::start();
    proxy.put(shop(1, std::slice::from_ref(&old_target)), 0);
    World { proxy, old, new, old_target, new_target }
}

impl World {
    /// Generation 2: the new release, with a way back to 1.
    fn switch(&self, expires_ms: u64) {
        self.proxy.put(self.to_new(2).on_probation(1, expires_ms), 1);
    }

    fn to_new(&self, generation: u64) -> RouteFile {
        shop(generation, std::slice::from_ref(&self.new_target))
    }

    fn served(&self) -> String {
        get(&self.proxy.address, "/").unwrap().text()
    }

    fn await_fall_back(&self) -> String {
        let fell_back = eventually("the fall-back", || {
            let shop = self.proxy.shop();
            shop.fell_back.filter(|_| shop.generation == 1)
        });
        assert_eq!((fell_back.generation, fell_back.fallback), (2, 1));
        fell_back.reason
    }
}

#[test]
fn a_confirmed_generation_stays() {
    let world = world(Backend::named("new"));
    world.switch(600);
    assert_eq!(world.served(), "new");
    let shop = world.proxy.shop();
    let probation = shop.probation.unwrap();
    assert_eq!((shop.generation, probation.fallback, probation.failures), (2, 1, 0));
    assert!(probation.expires_in_ms <= 600 && probation.requests == 1);
    let nonce = world.proxy.status().nonce;
    let proxy = &world.proxy;
    let wrong = world.to_new(3).confirming(2, "another start");
    assert_eq!(proxy.refuse(wrong, 2), RefusalReason::Nonce);
    proxy.put(world.to_new(3).confirming(2, &nonce), 2);
    assert_eq!(proxy.shop().probation, None);
    let again = world.to_new(4).confirming(2, &nonce);
    assert_eq!(proxy.refuse(again, 3), RefusalReason::Unexpected);
    let pause = Instant::now();
    eventually("the probation would be over", || {
        (pause.elapsed() > Duration::from_millis(900)).then_some(())
    });
    assert_eq!((world.served(), proxy.shop().generation), ("new".to_owned(), 3));
    assert_eq!(proxy.shop().fell_back, None);
    let reserve = proxy.routes().join(format!(".{SHOP}.fellback.reserve"));
    assert!(!reserve.exists(), "nothing is left of the probation");
}

#[test]
fn a_confirmation_of_another_start_is_refused() {
    let mut world = world(Backend::named("new"));
    world.switch(60_000);
    let before = world.proxy.status().nonce;
    world.proxy.kill();
    world.proxy.restart();
    let shop = world.proxy.shop();
    assert_eq!(shop.generation, 2);
    assert!(shop.probation.unwrap().expires_in_ms > 50_000, "it starts again in full");
    let refused = world.proxy.refuse(world.to_new(3).confirming(2, &before), 2);
    assert_eq!(refused, RefusalReason::Nonce);
    let nonce = world.proxy.status().nonce;
    world.proxy.put(world.to_new(3).confirming(2, &nonce), 2);
    // Once taken, the nonce is not asked for again.
    world.proxy.kill();
    world.proxy.restart();
    assert_eq!(world.proxy.shop().generation, 3);
    assert_eq!(world.served(), "new");
}

#[test]
fn three_failures_in_a_row_are_enough() {
    let world = world(Backend::failing(500));
    for _ in 0..50 {
        assert_eq!(world.served(), "old");
    }
    world.switch(60_000);
    let mut client = Connection::open(&world.proxy.address);
    for _ in 0..3 {
        assert_eq!(client.get("/").unwrap().status, 500);
    }
    let begun = Instant::now();
    let reason = world.await_fall_back();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(reason.contains("3 of 3"), "{reason}");
    assert_eq!(world.new.requests(), 3);
    assert_eq!(client.get("/").unwrap().text(), "old");
    // Nor does it come back.
    let again = world.to_new(2).on_probation(1, 1000);
    assert_eq!(world.proxy.refuse(again, 1), RefusalReason::FellBack);
    let confirm = world.to_new(3).confirming(2, &world.proxy.status().nonce);
    assert_eq!(world.proxy.refuse(confirm, 2), RefusalReason::FellBack);
    assert_eq!(world.served(), "old");
}

#[test]
fn a_release_no_worse_than_the_old_stays() {
    let failing_often = || Backend::with(|request, stream| ordinary("x", request, stream));
    let old = failing_often();
    let new = failing_often();
    let proxy = Proxy::start();
    let new_target = target("new-1", "r2", &new.address);
    proxy.put(shop(1, &[target("old-1", "r1", &old.address)]), 0);
    let mut client = Connection::open(&proxy.address);
    let mut ask = |number: u32| {
        let path = if number.is_multiple_of(5) { "/status/500" } else { "/" };
        client.get(path).unwrap();
    };
    (0..300).for_each(&mut ask);
    proxy.put(shop(2, &[new_target]).on_probation(1, 60_000), 1);
    (0..300).for_each(&mut ask);
    let probation = proxy.shop().probation.unwrap();
    assert_eq!((probation.requests, probation.failures), (300, 60));
}

#[test]
fn a_dead_candidate_is_left_within_a_second_and_costs_no_request() {
    let mut world = world(Backend::named("new"));
    world.switch(60_000);
    assert_eq!(world.served(), "new");
    world.new.stop();
    let died = Instant::now();
    let mut client = Connection::open(&world.proxy.address);
    let mut count = 0;
    loop {
        assert_eq!(client.get("/").unwrap().text(), "old");
        assert_eq!(client.post("/", b"x").unwrap().text(), checksum(b"x"));
        count += 1;
        assert!(died.elapsed() < Duration::from_secs(1));
        if world.proxy.shop().generation == 1 {
            break;
        }
    }
    world.await_fall_back();
    assert_eq!(world.old.posts(), count);
}

#[test]
fn a_dead_candidate_is_left_without_any_traffic() {
    let mut world = world(Backend::named("new"));
    world.switch(60_000);
    world.new.stop();
    let died = Instant::now();
    let reason = world.await_fall_back();
    assert!(died.elapsed() < Duration::from_secs(1), "{:?}", died.elapsed());
    assert!(reason.contains("refuses"), "{reason}");
}

#[test]
fn one_dead_candidate_of_two_is_not_enough() {
    let mut world = world(Backend::named("new"));
    let second = Backend::named("second");
    let targets = [world.new_target.clone(), target("new-2", "r2", &second.address)];
    world.proxy.put(shop(2, &targets).on_probation(1, 60_000), 1);
    world.new.stop();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(800) {
        assert_eq!(world.proxy.shop().generation, 2);
    }
    assert_eq!(world.served(), "second");
}

#[test]
fn what_nobody_confirms_is_left() {
    let mut world = world(Backend::named("new"));
    let begun = Instant::now();
    world.switch(500);
    let reason = world.await_fall_back();
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(490) && took < Duration::from_millis(1500), "{took:?}");
    assert!(reason.contains("not confirmed"), "{reason}");
    assert_eq!(world.served(), "old");
    assert!(marker_path(&world.proxy.routes(), SHOP).exists());
    // The live file still names the new release; the marker speaks.
    assert_eq!(RouteFile::read(&world.proxy.live()).unwrap().generation, 2);
    world.proxy.kill();
    world.proxy.restart();
    assert_eq!(world.served(), "old");
    assert_eq!(world.proxy.shop().generation, 1);
    world.proxy.put(shop(4, std::slice::from_ref(&world.old_target)), 1);
    assert_eq!(world.served(), "old");
    world.proxy.put(world.to_new(5).on_probation(4, 60_000), 4);
    assert_eq!(world.served(), "new");
    world.proxy.kill();
    world.proxy.restart();
    assert_eq!((world.served(), world.proxy.shop().generation), ("new".to_owned(), 5));
}

#[test]
fn expiry_waits_for_a_fallback_that_is_down() {
    let mut world = world(Backend::named("new"));
    world.switch(300);
    world.old.stop();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1200) {
        assert_eq!(world.served(), "new");
    }
    assert_eq!(world.proxy.shop().probation.unwrap().expires_in_ms, 0);
    let listener = TcpListener::bind(&world.old_target.address).unwrap();
    let revived = Backend::bound(
        listener,
        Arc::new(|request: &_, stream: &mut _| ordinary("revived", request, stream)),
    );
    world.await_fall_back();
    assert_eq!(world.served(), "revived");
    drop(revived);
}

#[test]
fn a_kill_in_probation_changes_nothing() {
    let mut world = world(Backend::named("new"));
    world.switch(60_000);
    for _ in 0..3 {
        world.proxy.kill();
        world.proxy.restart();
        assert_eq!(world.served(), "new");
    }
    world.new.stop();
    world.await_fall_back();
    world.proxy.kill();
    world.proxy.restart();
    assert_eq!(world.served(), "old");
}

#[test]
fn a_first_generation_may_be_on_probation() {
    let new = Backend::named("new");
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("new-1", "r1", &new.address)]).on_probation(0, 300), 0);
    assert_eq!(get(&proxy.address, "/").unwrap().text(), "new");
    eventually("the fall-back", || proxy.shop().fell_back);
    let answer = get(&proxy.address, "/").unwrap();
    assert_eq!((answer.status, answer.error()), (503, "empty"));
    assert_eq!(proxy.shop().generation, 0);
    proxy.put(shop(2, &[target("new-1", "r1", &new.address)]), 0);
    assert_eq!(get(&proxy.address, "/").unwrap().text(), "new");
}

#[test]
fn without_a_way_back_nothing_is_put_on_probation() {
    let world = world(Backend::named("new"));
    world.proxy.put(shop(4, std::slice::from_ref(&world.old_target)), 1);
    let lost = world.to_new(5).on_probation(3, 1000);
    assert_eq!(world.proxy.refuse(lost, 4), RefusalReason::Unfit);
    assert_eq!(world.served(), "old");
}

#[test]
fn a_marker_that_cannot_be_written_does_not_keep_a_dead_release() {
    let mut world = world(Backend::named("new"));
    world.switch(60_000);
    // A directory in the marker's place: no file can be renamed onto it.
    let marker = marker_path(&world.proxy.routes(), SHOP);
    fs::create_dir(&marker).unwrap();
    world.new.stop();
    world.await_fall_back();
    assert_eq!(world.served(), "old");
    assert_eq!(world.proxy.status().alerts.len(), 1);
    fs::remove_dir(&marker).unwrap();
    eventually("the marker", || marker.is_file().then_some(()));
    world.proxy.kill();
    world.proxy.restart();
    assert_eq!(world.proxy.shop().generation, 1);
}

#[test]
fn a_marker_that_cannot_be_written_is_tried_again() {
    let world = world(Backend::named("new"));
    world.switch(200);
    let marker = marker_path(&world.proxy.routes(), SHOP);
    fs::create_dir(&marker).unwrap();
    eventually("an alert", || world.proxy.status().alerts.first().cloned());
    assert_eq!(world.served(), "new");
    fs::remove_dir(&marker).unwrap();
    world.await_fall_back();
    assert_eq!(world.served(), "old");
}

#[test]
fn installs_and_fall_backs_do_not_mix() {
    let world = world(Backend::named("new"));
    for round in 0..20 {
        let generation = world.proxy.shop().highest + 1;
        let in_force = world.proxy.shop().generation;
        let candidate = world.to_new(generation).on_probation(in_force, 1 + round);
        assert_eq!(world.proxy.install(candidate, in_force), Answer::Installed { generation });
        let nonce = world.proxy.status().nonce;
        let confirm = world.to_new(generation + 1).confirming(generation, &nonce);
        let answer = world.proxy.install(confirm, generation);
        let expected = match answer {
            Answer::Installed { .. } => generation + 1,
            Answer::Refused { reason: RefusalReason::FellBack, .. } => in_force,
            other => panic!("{other:?}"),
        };
        assert_eq!(world.proxy.shop().generation, expected);
        if expected == generation + 1 {
            let back = generation + 2;
            let old = shop(back, std::slice::from_ref(&world.old_target));
            world.proxy.put(old, generation + 1);
        }
    }
}

#[test]
fn requests_are_shared_by_weight_and_who_verifies_asks_what_is_on_trial() {
    let world = world(Backend::named("new"));
    let mut client = Connection::open(&world.proxy.address);
    for _ in 0..100 {
        assert_eq!(client.get("/").unwrap().text(), "old");
    }
    let (mut old, new) = (world.old_target.clone(), world.new_target.clone());
    old.weight = 19;
    world.proxy.put(shop(2, &[old, new]).on_probation(1, 60_000), 1);
    for _ in 0..400 {
        client.get("/").unwrap();
    }
    let nonce = world.proxy.status().nonce;
    for _ in 0..5 {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nx-cutover-verify: {nonce}\r\n\r\n");
        client.send(request).unwrap();
        assert_eq!(client.response(false).unwrap().text(), "new");
    }
    let shop = world.proxy.quiet();
    let tried = shop.releases["r2"].completed;
    // One in twenty of 400, nearly evenly spread: chance alone would be off by 4.
    assert!((16..=24).contains(&tried), "{tried} of 400");
    assert_eq!(shop.releases["r1"].completed, 500 - tried);
    let probation = shop.probation.unwrap();
    let count = |times: &[(u64, u64)]| times.iter().map(|it| it.1).sum::<u64>();
    assert_eq!(count(&probation.times), tried, "who verifies is nobody's traffic");
    assert_eq!((count(&probation.before), count(&probation.beside)), (100, 400 - tried));
    assert_eq!(probation.requests, tried);
}
