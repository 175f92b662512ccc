//! What is taken, what is refused, and what a start finds.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::Backend;
use common::http::{Connection, get};
use common::{Altered, Proxy, SHOP, eventually, shop, target};
use proxy::control::{Answer, Ask, RefusalReason};
use proxy::route_file::{FellBack, RouteFile, RouteTarget, marker_path, routes_directory};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn two() -> (Backend, Backend, RouteTarget, RouteTarget) {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let (ta, tb) = (target("a-1", "r1", &a.address), target("b-1", "r2", &b.address));
    (a, b, ta, tb)
}

fn served(proxy: &Proxy) -> String {
    let answer = get(&proxy.address, "/").unwrap();
    if answer.status == 200 { answer.text() } else { answer.error().to_owned() }
}

#[test]
fn generations_follow_each_other() {
    let (_a, _b, a, b) = two();
    let proxy = Proxy::start();
    proxy.put(shop(1, std::slice::from_ref(&a)), 0);
    assert_eq!(served(&proxy), "a");
    proxy.put(shop(5, std::slice::from_ref(&b)), 1);
    assert_eq!(served(&proxy), "b");
    assert_eq!(proxy.refuse(shop(3, std::slice::from_ref(&a)), 5), RefusalReason::Old);
    assert_eq!(proxy.refuse(shop(6, std::slice::from_ref(&a)), 1), RefusalReason::Unexpected);
    assert_eq!(proxy.refuse(shop(6, std::slice::from_ref(&a)), 0), RefusalReason::Unexpected);
    assert_eq!(proxy.install(shop(5, &[b]), 1), Answer::Installed { generation: 5 });
    assert_eq!(served(&proxy), "b");
    let shop = proxy.shop();
    assert_eq!((shop.generation, shop.highest, shop.probation), (5, 5, None));
    assert_eq!(RouteFile::read(&proxy.live()).unwrap().generation, 5);
    assert_eq!(RouteFile::read(&proxy.kept(1)).unwrap().generation, 1, "one back is kept");
}

#[test]
fn a_daemon_of_the_past_is_refused() {
    let (_a, _b, a, b) = two();
    let mut proxy = Proxy::start();
    proxy.put(shop(1, std::slice::from_ref(&a)).of_epoch(4), 0);
    assert_eq!(
        proxy.refuse(shop(2, std::slice::from_ref(&b)).of_epoch(3), 1),
        RefusalReason::Epoch
    );
    let drain = Ask::Drain { instances: vec!["a-1".to_owned()], deadline_ms: 0, epoch: 3 };
    let refused = |answer| matches!(answer, Answer::Refused { reason: RefusalReason::Epoch, .. });
    assert!(refused(proxy.ask(&drain)));
    proxy.kill();
    proxy.restart();
    assert_eq!(
        proxy.refuse(shop(2, std::slice::from_ref(&b)).of_epoch(3), 1),
        RefusalReason::Epoch
    );
    // A file that an earlier daemon staged is not put in force on its own word.
    let old = Ask::Install { environment: SHOP.to_owned(), generation: 3, expects: 1, epoch: 5 };
    shop(3, &[b]).of_epoch(2).seal().stage(&proxy.routes()).unwrap();
    assert!(refused(proxy.ask(&old)));
    assert_eq!(served(&proxy), "a");
}

#[test]
fn a_broken_staged_file_changes_nothing() {
    let (_a, _b, a, b) = two();
    let proxy = Proxy::start();
    proxy.put(shop(1, &[a]), 0);
    let path = shop(2, &[b]).seal().stage(&proxy.routes()).unwrap();
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    let at = flipped.windows(3).position(|window| window == b"b-1").unwrap();
    flipped[at] ^= 1;
    let install =
        Ask::Install { environment: SHOP.to_owned(), generation: 2, expects: 1, epoch: 1 };
    for broken in [&good[..good.len() / 2], b"", &flipped] {
        fs::write(&path, broken).unwrap();
        let answer = proxy.ask(&install);
        assert!(
            matches!(answer, Answer::Refused { reason: RefusalReason::Unfit, .. }),
            "{answer:?}"
        );
        assert_eq!(served(&proxy), "a");
    }
    fs::remove_file(&path).unwrap();
    let answer = proxy.ask(&install);
    assert!(matches!(answer, Answer::Refused { reason: RefusalReason::Unfit, .. }));
    fs::write(&path, good).unwrap();
    assert_eq!(proxy.ask(&install), Answer::Installed { generation: 2 });
    assert_eq!(served(&proxy), "b");
}

#[test]
fn a_staged_file_of_another_name_is_refused() {
    let (_a, _b, a, b) = two();
    let proxy = Proxy::start();
    proxy.put(shop(1, &[a]), 0);
    let path = shop(3, &[b]).seal().stage(&proxy.routes()).unwrap();
    fs::rename(path, proxy.kept(2)).unwrap();
    let install =
        Ask::Install { environment: SHOP.to_owned(), generation: 2, expects: 1, epoch: 1 };
    assert!(matches!(proxy.ask(&install), Answer::Refused { reason: RefusalReason::Unfit, .. }));
    for name in ["../x", "", "a/b", ".hidden", "a..b"] {
        let environment = name.to_owned();
        let ask = Ask::Install { environment, generation: 1, expects: 0, epoch: 1 };
        let answer = proxy.ask(&ask);
        assert!(
            matches!(answer, Answer::Refused { reason: RefusalReason::Malformed, .. }),
            "{answer:?}"
        );
    }
}

#[test]
fn two_environments_do_not_share_a_host_and_path() {
    let (_a, _b, a, b) = two();
    let proxy = Proxy::start();
    proxy.put(shop(1, std::slice::from_ref(&a)).of("a.x", "a.test", "/"), 0);
    let other = |path: &str| shop(1, std::slice::from_ref(&b)).of("b.x", "a.test", path);
    assert_eq!(proxy.refuse(other("/"), 0), RefusalReason::Unfit);
    let mut empty = other("/");
    empty.routes.clear();
    assert_eq!(proxy.refuse(empty, 0), RefusalReason::Unfit);
    proxy.put(other("/b"), 0);
    assert_eq!(proxy.refuse(shop(2, &[a]).of("a.x", "a.test", "/b/"), 1), RefusalReason::Unfit);
}

fn corrupt(path: &Path, how: &str) {
    let mut bytes = fs::read(path).unwrap();
    match how {
        "cut" => bytes.truncate(bytes.len() / 2),
        "cut short" => bytes.truncate(10),
        "empty" => bytes.clear(),
        "bit" => {
            let at = bytes.windows(6).position(|window| window == b"weight").unwrap();
            bytes[at + 9] ^= 2;
        }
        _ => {
            let text = String::from_utf8(bytes).unwrap();
            let at = text.find("checksum").unwrap() + 12;
            bytes = text.into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        }
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_broken_live_file_is_served_by_its_copy_and_then_by_the_generation_before() {
    for how in ["cut", "cut short", "empty", "bit", "checksum"] {
        let (_a, _b, a, b) = two();
        let mut proxy = Proxy::start();
        proxy.put(shop(1, std::slice::from_ref(&a)), 0);
        proxy.put(shop(2, std::slice::from_ref(&b)), 1);
        proxy.put(shop(1, std::slice::from_ref(&b)).of("other.x", "other.test", "/"), 0);
        // Staged, and never accepted.
        shop(9, std::slice::from_ref(&b)).seal().stage(&proxy.routes()).unwrap();
        let copy = proxy.routes().join("shop.production.2.json");
        assert!(copy.exists(), "{how}: there is no copy of what is in force");
        proxy.kill();
        corrupt(&proxy.live(), how);
        proxy.restart();
        let says_which = how != "cut short" && how != "empty";
        if says_which {
            assert_eq!(served(&proxy), "b", "{how}");
            assert_eq!(proxy.status().environments[SHOP].generation, 2, "{how}");
        }
        proxy.kill();
        corrupt(&copy, how);
        proxy.restart();
        assert_eq!(served(&proxy), "a", "{how}");
        let status = proxy.status();
        assert_eq!(status.environments[SHOP].generation, 1, "{how}");
        assert_eq!(status.alerts.len(), 1, "{how}: {:?}", status.alerts);
        assert_eq!(status.environments["other.x"].generation, 1);
        if says_which {
            assert_eq!(status.environments[SHOP].highest, 2, "{how}");
            assert_eq!(proxy.refuse(shop(2, &[b]), 1), RefusalReason::Old);
        }
    }
}

#[test]
fn only_the_broken_environment_is_missing() {
    let (_a, _b, a, b) = two();
    let mut proxy = Proxy::start();
    proxy.put(shop(7, &[a]), 0);
    proxy.put(shop(1, std::slice::from_ref(&b)).of("other.x", "other.test", "/"), 0);
    proxy.kill();
    fs::remove_file(proxy.routes().join("shop.production.7.json")).unwrap();
    corrupt(&proxy.live(), "cut");
    proxy.restart();
    let status = proxy.status();
    assert_eq!(status.environments[SHOP].generation, 0);
    assert_eq!(status.environments["other.x"].generation, 1);
    assert_eq!(status.alerts.len(), 1);
    assert_eq!(served(&proxy), "no_route");
    // What it had on disk is remembered even so.
    assert_eq!(proxy.refuse(shop(7, std::slice::from_ref(&b)), 0), RefusalReason::Old);
    proxy.put(shop(8, &[b]), 0);
    assert_eq!(served(&proxy), "b");
}

#[test]
fn a_killed_proxy_serves_again_at_once() {
    let (_a, _b, a, b) = two();
    let mut proxy = Proxy::start();
    proxy.put(shop(1, &[a]), 0);
    proxy.put(shop(2, &[b]), 1);
    for _ in 0..5 {
        proxy.kill();
        let begun = Instant::now();
        proxy.restart();
        assert_eq!(served(&proxy), "b");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    assert_eq!(proxy.shop().generation, 2);
}

#[test]
fn the_marker_outranks_what_it_names_and_what_confirms_it() {
    for confirming in [false, true] {
        let (_a, b_server, a, b) = two();
        let mut file = shop(2, std::slice::from_ref(&b)).on_probation(1, 60_000);
        let mut proxy = Proxy::start_prepared(|root| {
            let routes = routes_directory(root);
            shop(1, std::slice::from_ref(&a)).seal().stage(&routes).unwrap();
            if confirming {
                file = shop(3, std::slice::from_ref(&b)).confirming(2, "any");
            }
            let staged = file.seal().stage(&routes).unwrap();
            fs::rename(staged, routes.join(format!("{SHOP}.json"))).unwrap();
            let marker = FellBack { generation: 2, fallback: 1, reason: "it failed".to_owned() };
            fs::write(marker_path(&routes, SHOP), serde_json::to_vec(&marker).unwrap()).unwrap();
        });
        for _ in 0..2 {
            assert_eq!(served(&proxy), "a");
            let shop = proxy.shop();
            assert_eq!((shop.generation, shop.probation), (1, None));
            assert_eq!(shop.highest, if confirming { 3 } else { 2 });
            assert_eq!(shop.fell_back.unwrap().reason, "it failed");
            proxy.kill();
            proxy.restart();
        }
        let again = shop(2, std::slice::from_ref(&b)).on_probation(1, 1000);
        assert_eq!(proxy.refuse(again, 1), RefusalReason::FellBack);
        let late = shop(4, std::slice::from_ref(&b)).confirming(2, &proxy.status().nonce);
        assert_eq!(proxy.refuse(late, 2), RefusalReason::FellBack);
        assert_eq!(b_server.requests(), 0);
        proxy.put(shop(5, &[b]), 1);
        assert_eq!(served(&proxy), "b");
    }
}

#[test]
fn the_control_socket_is_private_and_replaces_a_dead_one() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("x".repeat(120)).join("y".repeat(80));
    fs::create_dir_all(root.join("proxy")).unwrap();
    fs::write(root.join("proxy/control.sock"), b"left behind").unwrap();
    let mut proxy = Proxy::start_in(directory, root, "127.0.0.1:0", None);
    let socket = proxy.root.join("proxy/control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let first = proxy.status().nonce;
    proxy.kill();
    proxy.restart();
    assert_ne!(proxy.status().nonce, first);
}

#[test]
fn listeners_are_handed_over() {
    let (_a, _b, a, _) = two();
    let mut proxy = Proxy::start();
    proxy.put(shop(1, &[a]), 0);
    let (listeners, addresses) =
        proxy::client::listeners(&proxy.root, Duration::from_secs(5)).unwrap();
    assert_eq!(addresses, std::slice::from_ref(&proxy.address));
    assert_eq!(listeners[0].local_addr().unwrap().to_string(), proxy.address);
    proxy.kill();
    // The listener is alive: a client is queued, not refused.
    let queued = Connection::try_open(&proxy.address);
    assert!(queued.is_ok());
    let (mut stream, _) = {
        listeners[0].set_nonblocking(false).unwrap();
        listeners[0].accept().unwrap()
    };
    drop(queued);
    assert_eq!(std::io::Read::read(&mut stream, &mut [0]).unwrap(), 0);
}

#[test]
fn malformed_questions_are_answered_and_do_not_end_the_connection() {
    use std::io::{BufRead, Write};
    let proxy = Proxy::start();
    let directory = fs::File::open(proxy.root.join("proxy")).unwrap();
    let path =
        format!("/proc/self/fd/{}/control.sock", std::os::fd::AsRawFd::as_raw_fd(&directory));
    let stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    let mut reader = std::io::BufReader::new(stream);
    for question in [&b"nonsense\n"[..], b"{\"ask\":\"fly\"}\n", &[b'x'; 1_200_000]] {
        reader.get_mut().write_all(question).unwrap();
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("malformed"), "{line}");
    }
    drop(reader);
    // Many at once are served side by side: a drain that waits blocks nobody.
    let status = eventually("a status", || Some(proxy.status()));
    assert_eq!(status.pid, proxy.pid());
}

#[test]
fn a_thousand_environments_start_and_change_quickly() {
    let backend = Backend::named("a");
    let one = target("a-1", "r1", &backend.address);
    let mut proxy = Proxy::start_prepared(|root| {
        let routes = routes_directory(root);
        for number in 0..1000 {
            let file = shop(1, std::slice::from_ref(&one));
            let file = file.of(&format!("p{number}.x"), &format!("h{number}.test"), "/").seal();
            let json = serde_json::to_vec(&file).unwrap();
            fs::write(routes.join(format!("p{number}.x.json")), json).unwrap();
        }
    });
    let begun = Instant::now();
    proxy.kill();
    proxy.restart();
    assert_eq!(proxy.status().environments.len(), 1000);
    for generation in 2..6 {
        let file = shop(generation, std::slice::from_ref(&one)).of("p7.x", "h7.test", "/");
        proxy.put(file, generation - 1);
    }
    // Loose: the build is not optimised, and other tests run beside it.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let mut client = Connection::open(&proxy.address);
    client.send("GET / HTTP/1.1\r\nHost: h999.test\r\n\r\n").unwrap();
    assert_eq!(client.response(false).unwrap().text(), "a");
}
