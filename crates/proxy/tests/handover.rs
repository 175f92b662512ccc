//! One proxy after another on the same listeners.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::{Backend, Then, ordinary};
use common::http::{Connection, checksum, get};
use common::{Altered, Proxy, Successor, answer_of, ask_one, eventually, own_socket, shop, target};
use proxy::control::{Answer, Ask, RefusalReason, Status};
use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const LIMIT_MS: u64 = 30_000;

/// `/ws` sends back every short frame; `/events` sends events for ever.
fn streaming(name: &'static str) -> Backend {
    Backend::with(move |request, stream| match request.path() {
        "/ws" => {
            stream.get_mut().write_all(SWITCHED)?;
            loop {
                let mut frame = [0; 8];
                stream.read_exact(&mut frame)?;
                let (opcode, mask) = (frame[0], [frame[2], frame[3], frame[4], frame[5]]);
                let payload = [frame[6] ^ mask[0], frame[7] ^ mask[1]];
                stream.get_mut().write_all(&[opcode, 2, payload[0], payload[1]])?;
                if opcode == 0x88 {
                    return Ok(Then::Close);
                }
            }
        }
        "/events" => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.get_mut().write_all(head)?;
            loop {
                stream.get_mut().write_all(b"8\r\ndata: x\n\r\n")?;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        _ => ordinary(name, request, stream),
    })
}

/// Sends two bytes through the WebSocket and gets them back.
fn echo(client: &mut Connection, bytes: [u8; 2]) {
    client.send([0x82, 0x82, 0, 0, 0, 0, bytes[0], bytes[1]]).unwrap();
    let mut frame = [0; 4];
    client.reader.read_exact(&mut frame).unwrap();
    assert_eq!(frame, [0x82, 2, bytes[0], bytes[1]]);
}

fn websocket(address: &str) -> Connection {
    let mut client = Connection::open(address);
    client.send(UPGRADE).unwrap();
    assert_eq!(client.response(false).unwrap().status, 101);
    client
}

fn status(proxy: &Proxy) -> Status {
    proxy.status()
}

/// Clients that send one request after the other, and come again when they are told to.
struct Load {
    done: Arc<AtomicBool>,
    failed: Arc<AtomicU64>,
    threads: Vec<JoinHandle<u64>>,
}

impl Load {
    fn begin(address: &str, clients: usize) -> Self {
        let (done, failed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let threads = (0..clients)
            .map(|_| {
                let (address, done, failed) = (address.to_owned(), done.clone(), failed.clone());
                std::thread::spawn(move || ask_on(&address, &done, &failed))
            })
            .collect();
        Load { done, failed, threads }
    }

    /// Requests that were answered, and those that were not.
    fn end(self) -> (u64, u64) {
        self.done.store(true, Ordering::SeqCst);
        let sent = self.threads.into_iter().map(|it| it.join().unwrap()).sum();
        (sent, self.failed.load(Ordering::SeqCst))
    }
}

fn ask_on(address: &str, done: &AtomicBool, failed: &AtomicU64) -> u64 {
    let mut answered = 0;
    let mut kept: Option<Connection> = None;
    while !done.load(Ordering::SeqCst) {
        let client = kept.get_or_insert_with(|| Connection::open(address));
        let answer = match answered % 2 {
            0 => client.get("/"),
            _ => client.post("/", b"body"),
        };
        match answer {
            Ok(answer) if answer.status == 200 => {
                answered += 1;
                if answer.field("connection") == Some("close") {
                    kept = None;
                }
            }
            _ => {
                failed.fetch_add(1, Ordering::SeqCst);
                kept = None;
            }
        }
    }
    answered
}

#[test]
fn twelve_proxies_after_each_other_lose_nothing_and_keep_a_websocket() {
    let backend = streaming("a");
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let mut talking = websocket(&proxy.address);
    let load = Load::begin(&proxy.address, 4);
    let mut line: Vec<Successor> = Vec::new();
    for turn in 0..12u8 {
        let elder = line.last().map_or(proxy.pid(), Successor::pid);
        let next = proxy.successor();
        assert_eq!(next.lead(elder, LIMIT_MS), Answer::Leads);
        assert_eq!(status(&proxy).pid, next.pid());
        echo(&mut talking, [turn, 7]);
        let generation = 2 + u64::from(turn);
        proxy.put(shop(generation, &[target("a-1", "r1", &backend.address)]), generation - 1);
        line.push(next);
    }
    let (answered, failed) = load.end();
    assert_eq!(failed, 0, "of {answered}");
    assert!(answered > 100, "{answered}");
    // All but the first, which has the WebSocket, and the last are gone.
    let last = line.pop().unwrap();
    eventually("those without clients end", || {
        line.iter_mut().all(Successor::has_exited).then_some(())
    });
    let status = status(&proxy);
    assert_eq!((status.pid, status.leaving.len()), (last.pid(), 1));
    assert_eq!((status.leaving[0].pid, status.leaving[0].connections), (proxy.pid(), 1));
    assert_eq!(status.environments["shop.production"].in_flight["a-1"], 1);
}

#[test]
fn what_an_old_proxy_still_serves_follows_routes_and_is_drained() {
    let (old, new) = (streaming("old"), streaming("new"));
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("old-1", "r1", &old.address)]), 0);
    let mut idle = Connection::open(&proxy.address);
    assert_eq!(idle.get("/").unwrap().text(), "old");
    let mut slow = Connection::open(&proxy.address);
    slow.send("GET /slow/600 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    eventually("it is in flight", || proxy.shop().in_flight.get("old-1").copied());
    let next = proxy.successor();
    assert_eq!(next.lead(proxy.pid(), LIMIT_MS), Answer::Leads);
    proxy.put(shop(2, &[target("new-1", "r2", &new.address)]), 1);
    // Of a connection that the old one has.
    let answer = idle.get("/").unwrap();
    assert_eq!((answer.text(), answer.field("connection")), ("new".to_owned(), Some("close")));
    let (cut, waited_ms) = proxy.drain(&["old-1"], 10_000);
    assert_eq!(cut, 0);
    assert!(waited_ms >= 100, "it waited for the old one's request: {waited_ms}");
    assert_eq!(slow.response(false).unwrap().text(), "old");
}

#[test]
fn at_the_limit_streams_end_politely_and_spread() {
    let backend = streaming("a");
    let mut proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let mut sockets: Vec<_> = (0..5).map(|_| websocket(&proxy.address)).collect();
    let mut events = Connection::open(&proxy.address);
    events.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    events.head().unwrap();
    let next = proxy.successor();
    let begun = Instant::now();
    assert_eq!(next.lead(proxy.pid(), 1_000), Answer::Leads);
    let closed = sockets.drain(..).map(|mut client| {
        std::thread::spawn(move || {
            let mut frame = [0; 4];
            client.reader.read_exact(&mut frame).unwrap();
            let code = u16::from_be_bytes([frame[2], frame[3]]);
            assert!(frame[0] == 0x88 && [1001, 1012].contains(&code), "{frame:?}");
            client.send([0x88, 0x82, 0, 0, 0, 0, frame[2], frame[3]]).unwrap();
            begun.elapsed()
        })
    });
    let closed: Vec<_> = closed.collect();
    // To its last chunk.
    while events.chunk().unwrap().is_some() {}
    let mut times = vec![begun.elapsed()];
    times.extend(closed.into_iter().map(|it| it.join().unwrap()));
    times.sort_unstable();
    assert!(times[0] >= Duration::from_millis(990), "not before the limit: {times:?}");
    assert!(times[5] - times[0] > Duration::from_millis(200), "not all at once: {times:?}");
    eventually("it ends", || proxy.has_exited().then_some(()));
    assert_eq!(get(&proxy.address, "/").unwrap().text(), "a");
}

#[test]
fn nobody_takes_over_during_a_probation() {
    let (old, new) = (Backend::named("old"), Backend::named("new"));
    let proxy = Proxy::start();
    let old_target = target("old-1", "r1", &old.address);
    let new_target = target("new-1", "r2", &new.address);
    proxy.put(shop(1, &[old_target]), 0);
    proxy.put(shop(2, std::slice::from_ref(&new_target)).on_probation(1, 60_000), 1);
    let mut next = proxy.successor();
    let Answer::Refused { reason, message } = next.lead(proxy.pid(), LIMIT_MS) else {
        panic!("not refused")
    };
    assert_eq!(reason, RefusalReason::Turn);
    assert!(message.contains("generation 2 of shop.production is on probation"), "{message}");
    eventually("it ends", || next.has_exited().then_some(()));
    let status = status(&proxy);
    assert_eq!(status.pid, proxy.pid());
    proxy.put(shop(3, &[new_target]).confirming(2, &status.nonce), 2);
    assert_eq!(get(&proxy.address, "/").unwrap().text(), "new");
}

#[test]
fn a_new_proxy_that_cannot_read_what_serves_changes_nothing() {
    let backend = Backend::named("a");
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    fs::write(proxy.live(), b"{ not for this build").unwrap();
    fs::remove_file(proxy.kept(1)).unwrap();
    let next = proxy.successor();
    let Answer::Refused { message, .. } = next.lead(proxy.pid(), LIMIT_MS) else {
        panic!("not refused")
    };
    assert!(message.contains("generation 1 of shop.production cannot be read"), "{message}");
    assert_eq!(get(&proxy.address, "/").unwrap().text(), "a");
    eventually("the old one leads", || (status(&proxy).pid == proxy.pid()).then_some(()));
    // It writes route files as before.
    proxy.put(shop(2, &[target("a-1", "r1", &backend.address)]), 1);
}

#[test]
fn a_new_proxy_that_dies_while_it_takes_over_leaves_the_old_one_leading() {
    let backend = Backend::named("a");
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let load = Load::begin(&proxy.address, 2);
    for generation in 2..7 {
        let mut asker = own_socket(&proxy.root, proxy.pid()).unwrap();
        asker.write_all(b"{\"ask\":\"leave\",\"limit_ms\":1000}\n").unwrap();
        let Some(Answer::Leaves { generations }) = answer_of(&mut asker) else { panic!("stays") };
        assert_eq!(generations["shop.production"], generation - 1);
        // While nobody leads nothing is written.
        let install = Ask::Install {
            environment: "shop.production".to_owned(),
            generation,
            expects: generation - 1,
            epoch: 1,
        };
        assert_eq!(ask_one(&proxy.root, proxy.pid(), &install), None);
        drop(asker);
        eventually("it leads on", || {
            let file = shop(generation, &[target("a-1", "r1", &backend.address)]).seal();
            file.stage(&proxy.routes()).unwrap();
            let answer = ask_one(&proxy.root, proxy.pid(), &install);
            (answer == Some(Answer::Installed { generation })).then_some(())
        });
    }
    let (answered, failed) = load.end();
    assert_eq!(failed, 0, "of {answered}");
    // One that is killed before it was asked is no matter either.
    let mut next = proxy.successor();
    next.kill();
    assert_eq!(get(&proxy.address, "/").unwrap().text(), "a");
    assert_eq!(status(&proxy).leaving, []);
}

#[test]
fn what_leaves_takes_no_orders_and_posts_are_neither_lost_nor_doubled() {
    let backend = Backend::named("a");
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    // Something that keeps the old one.
    let mut slow = Connection::open(&proxy.address);
    slow.send("GET /slow/1500 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    eventually("it is in flight", || proxy.shop().in_flight.get("a-1").copied());
    let address = proxy.address.clone();
    let posting = std::thread::spawn(move || {
        for number in 0..300u32 {
            let body = number.to_le_bytes();
            let answer = Connection::open(&address).post("/", &body).unwrap();
            assert_eq!(answer.text(), checksum(&body));
        }
    });
    let next = proxy.successor();
    assert_eq!(next.lead(proxy.pid(), LIMIT_MS), Answer::Leads);
    let install = Ask::Install {
        environment: "shop.production".to_owned(),
        generation: 2,
        expects: 1,
        epoch: 1,
    };
    shop(2, &[target("a-1", "r1", &backend.address)]).seal().stage(&proxy.routes()).unwrap();
    assert_eq!(ask_one(&proxy.root, proxy.pid(), &install), None);
    assert_eq!(proxy.ask(&install), Answer::Installed { generation: 2 });
    posting.join().unwrap();
    assert_eq!(backend.posts(), 300);
    assert_eq!(slow.response(false).unwrap().text(), "a");
}
