//! Clients that speak HTTP/2 in order to keep the proxy busy: they are dismissed, memory stays
//! bounded, and everybody else is served.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::{Backend, Then, ordinary};
use common::http::get;
use common::http2::{
    Client, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HOST, Raw, Secure, answer, fields, frame,
    kind, literal, run, send_piece, soon, to,
};
use common::{Proxy, shop, target};
use http::HeaderValue;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What an attack may cost.
const MEMORY_MAX_KIB: u64 = 16 * 1024;
/// Everybody else is answered within this.
const OTHERS_WAIT_MAX: Duration = Duration::from_secs(2);
/// Frames sent in one attack, many times what is allowed.
const FRAMES: u32 = 20_000;

struct World {
    proxy: Proxy,
    backend: Backend,
    secure: Secure,
    lets: Arc<AtomicBool>,
}

fn world() -> World {
    world_of(Proxy::start_both())
}

fn world_of(proxy: Proxy) -> World {
    let lets = Arc::new(AtomicBool::new(false));
    let let_go = lets.clone();
    let backend = Backend::with(move |request, stream| match request.path() {
        "/wait" => {
            let _ended = stream.read(&mut [0]);
            Ok(Then::Close)
        }
        // Its body stays where it is.
        "/refuse/unread" => {
            while !let_go.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(Then::Close)
        }
        _ => ordinary("a", request, stream),
    });
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let secure = Secure::of(&proxy);
    World { proxy, backend, secure, lets }
}

impl World {
    fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.proxy.pid());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn others_are_served(&self) {
        let began = Instant::now();
        assert_eq!(get(&self.proxy.address, "/").unwrap().text(), "a");
        run(async {
            let mut client = Client::open(&self.secure).await;
            assert_eq!(client.get("/").await.unwrap().text(), "a");
        });
        assert!(began.elapsed() < OTHERS_WAIT_MAX, "{:?}", began.elapsed());
    }

    /// The word that a client which sends this is dismissed with.
    fn dismissal(&self, attack: impl Fn(&mut Raw) -> io::Result<()>) -> Option<u32> {
        let mut raw = Raw::open(&self.secure);
        // It is broken off while it still sends.
        let _broken = attack(&mut raw);
        raw.dismissed()
    }

    /// Nothing that an attack made is left.
    fn is_quiet_again(&self) {
        self.proxy.quiet();
    }
}

/// The same frames again and again, as `make` gives them for each number.
fn flood(raw: &mut Raw, make: impl Fn(u32) -> Vec<u8>) -> io::Result<()> {
    const AT_ONCE: u32 = 200;
    for first in (0..FRAMES).step_by(AT_ONCE as usize) {
        let many: Vec<u8> = (first..first + AT_ONCE).flat_map(&make).collect();
        raw.send(&many)?;
    }
    Ok(())
}

fn opened(stream: u32, flags: u8, path: &str) -> Vec<u8> {
    frame(kind::HEADERS, END_HEADERS | flags, stream, &fields("GET", path))
}

fn odd(number: u32) -> u32 {
    2 * number + 1
}

/// What is sent with each number, after the stream 1 was opened for a body.
fn frames(name: &str, number: u32) -> Vec<u8> {
    let cancel = 8_u32.to_be_bytes();
    match name {
        "pings" => frame(kind::PING, 0, 0, &[0; 8]),
        "answers to no ping" => frame(kind::PING, 1, 0, &[0; 8]),
        "settings" => frame(kind::SETTINGS, 0, 0, &[]),
        "priorities" => frame(kind::PRIORITY, 0, odd(number + 1), &[0, 0, 0, 0, 1]),
        "windows" => frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        "unknown" => frame(0x42, 0, 0, b"whatever"),
        "empty data" => frame(kind::DATA, 0, 1, &[]),
        "rapid resets" => {
            let stream = odd(number + 1);
            let reset = frame(kind::RST_STREAM, 0, stream, &cancel);
            [opened(stream, END_STREAM, "/"), reset].concat()
        }
        "resets of our own" => {
            let stream = odd(number + 1);
            // More than a window can be.
            let wrong = frame(kind::WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
            [opened(stream, END_STREAM, "/wait"), wrong].concat()
        }
        "more streams than are allowed" => opened(odd(number + 1), 0, "/wait"),
        "a head without an end" => match number {
            0 => frame(kind::HEADERS, 0, 3, &fields("GET", "/")),
            _ => frame(kind::CONTINUATION, 0, 3, &literal("a", "b")),
        },
        _ => panic!("{name}"),
    }
}

#[test]
fn floods_are_dismissed_cost_little_and_disturb_nobody() {
    let world = world();
    world.others_are_served();
    let before = world.memory_kib();
    for name in [
        "pings",
        "answers to no ping",
        "settings",
        "priorities",
        "windows",
        "unknown",
        "empty data",
        "rapid resets",
        "resets of our own",
        "more streams than are allowed",
        "a head without an end",
    ] {
        let dismissed = world.dismissal(|raw| {
            raw.send(&frame(kind::HEADERS, END_HEADERS, 1, &fields("POST", "/")))?;
            flood(raw, |number| frames(name, number))
        });
        assert_eq!(dismissed, Some(ENHANCE_YOUR_CALM), "{name}");
        world.others_are_served();
        let grown = world.memory_kib().saturating_sub(before);
        assert!(grown < MEMORY_MAX_KIB, "{name}: {grown} KiB");
    }
    world.is_quiet_again();
}

/// Fields of a request, with others in their places.
fn odd_fields(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut pairs =
        vec![(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", HOST)];
    for (name, value) in changes {
        match pairs.iter_mut().find(|it| it.0 == *name) {
            // Without its mark it stands beside what it is like.
            Some(pair) => pair.1 = value,
            None => pairs.push((name.trim_start_matches('+'), value)),
        }
    }
    pairs.iter().flat_map(|it| literal(it.0, it.1)).collect()
}

/// What would be another request, or another length, if it were written into HTTP/1.1 as it is.
const SMUGGLED: [&[(&str, &str)]; 34] = [
    &[(":method", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET")],
    &[(":method", "GET /")],
    &[(":method", "")],
    &[(":method", "CONNECT")],
    &[(":path", "/ HTTP/1.1\r\nX: y\r\n\r\nGET /")],
    &[(":path", "/a b")],
    &[(":path", "/\t")],
    &[(":path", "")],
    &[(":path", "*")],
    &[(":path", "x")],
    &[(":path", "http://blog.test/")],
    &[(":authority", "shop.test\r\nX: y")],
    &[(":authority", "shop.test x")],
    &[(":authority", "user@shop.test")],
    &[(":authority", "")],
    &[(":scheme", "https\r\nX: y")],
    &[(":protocol", "websocket")],
    &[(":unknown", "x")],
    &[("+:path", "/other")],
    &[("+:authority", "blog.test")],
    &[("x", "y"), ("+:path", "/other")],
    &[("host", "blog.test")],
    &[("x", "y\r\nz: a")],
    &[("x", "y\nz: a")],
    &[("x", "y\0")],
    &[("x", " y")],
    &[("x y", "z")],
    &[("x:", "y")],
    &[("x\r\nz", "y")],
    &[("X", "y")],
    &[("", "y")],
    &[("transfer-encoding", "chunked")],
    &[("connection", "transfer-encoding")],
    &[("content-length", "5")],
];

#[test]
fn nothing_is_smuggled_into_http_1() {
    let world = world();
    world.others_are_served();
    let before = world.backend.requests();
    for changes in SMUGGLED {
        let mut raw = Raw::open(&world.secure);
        let head = END_HEADERS | END_STREAM;
        raw.send(&frame(kind::HEADERS, head, 1, &odd_fields(changes))).unwrap();
        // A client error, a reset, or the end of the connection: told by the first of them.
        loop {
            match raw.read() {
                Ok((kind::HEADERS, _, 1, fields)) => {
                    assert!(fields.starts_with(&[0x8c]), "400 it is: {changes:?} {fields:?}");
                    break;
                }
                Ok((kind::RST_STREAM | kind::GOAWAY, ..)) | Err(_) => break,
                Ok(_) => {}
            }
        }
        assert_eq!(world.backend.requests(), before, "{changes:?}");
    }
    world.others_are_served();
    world.is_quiet_again();
}

#[test]
fn a_head_that_grows_when_it_is_unpacked_is_not_unpacked() {
    let world = world();
    world.others_are_served();
    let before = world.memory_kib();
    for _ in 0..20 {
        let mut raw = Raw::open(&world.secure);
        // One long field is remembered, and then named 12,000 times: 47 MiB.
        let mut block = fields("GET", "/");
        block.extend([0x40, 1, b'x', 0x7f, 0x80 | 0x21, 0x1e]);
        block.extend(vec![b'a'; 127 + 0x21 + (0x1e << 7)]);
        block.extend(vec![0xbe; 12_000]);
        let head = END_HEADERS | END_STREAM;
        raw.send(&frame(kind::HEADERS, head, 1, &block)).unwrap();
        let (answered, status) = loop {
            match raw.read() {
                Ok((kind::HEADERS, _, _, payload)) => break (true, payload),
                Ok(_) => {}
                Err(_) => break (false, Vec::new()),
            }
        };
        // 431 by its digits, or no connection any more.
        assert!(!answered || status.windows(3).any(|it| it == b"431") || !status.contains(&0x88));
    }
    assert_eq!(world.backend.requests(), 2, "none of it reached the instance");
    let grown = world.memory_kib().saturating_sub(before);
    assert!(grown < MEMORY_MAX_KIB, "{grown} KiB");
    world.others_are_served();
}

#[test]
fn clients_that_take_nothing_hold_no_more_than_their_share() {
    let world = world();
    world.others_are_served();
    let before = world.memory_kib();
    // A window of nothing: SETTINGS_INITIAL_WINDOW_SIZE is 0.
    let settings = [0, 4, 0, 0, 0, 0];
    let mut raws: Vec<Raw> = (0..3)
        .map(|_| Raw::settled(&world.secure.address, &world.secure.trusted, &settings))
        .collect();
    for raw in &mut raws {
        (0..40).for_each(|number| raw.send(&opened(odd(number), END_STREAM, "/big")).unwrap());
    }
    run(soon("all have reached the instance", || world.backend.requests() == 122));
    let grown = world.memory_kib().saturating_sub(before);
    // 120 answers of a MiB each, of which no byte was taken.
    assert!(grown < 2 * MEMORY_MAX_KIB, "{grown} KiB");
    world.others_are_served();
    drop(raws);
    world.is_quiet_again();
}

/// Bytes that a client tries to send on each of its streams.
const AHEAD_BYTES: usize = 16 << 20;
/// Nothing more is taken if nothing was for so long.
const STILL: Duration = Duration::from_millis(300);

#[test]
fn a_client_that_sends_ahead_waits_for_the_instance() {
    const STREAMS: usize = 8;
    let world = world();
    world.others_are_served();
    let before = world.memory_kib();
    run(async {
        let mut client = Client::open(&world.secure).await;
        let sent = Rc::new(Cell::new(0));
        let tasks = tokio::task::LocalSet::new();
        for _ in 0..STREAMS {
            let mut request = to("POST", "/refuse/unread");
            request.headers_mut().insert("content-length", HeaderValue::from(AHEAD_BYTES));
            let (response, mut stream) = client.begin(request, false).await.unwrap();
            let sent = sent.clone();
            tasks.spawn_local(async move {
                let _unanswered = response;
                for piece in vec![b'x'; AHEAD_BYTES].chunks(4096) {
                    send_piece(&mut stream, piece).await.unwrap();
                    sent.set(sent.get() + piece.len());
                }
            });
        }
        let still = async {
            loop {
                let before = sent.get();
                tokio::time::sleep(STILL).await;
                if sent.get() == before && before > 0 {
                    return;
                }
            }
        };
        tasks.run_until(still).await;
        assert!(sent.get() < STREAMS * AHEAD_BYTES, "{}", sent.get());
    });
    let grown = world.memory_kib().saturating_sub(before);
    assert!(grown < MEMORY_MAX_KIB, "{grown} KiB");
    world.others_are_served();
    world.lets.store(true, Ordering::SeqCst);
    world.is_quiet_again();
}

#[test]
fn requests_that_would_need_too_many_descriptors_are_refused_by_name() {
    const DESCRIPTORS: u64 = 300;
    const CLIENTS: usize = 3;
    const EACH: usize = 90;
    let world = world_of(Proxy::start_both_limited(DESCRIPTORS));
    run(async {
        let mut clients = Vec::new();
        let mut waiting = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(Client::open(&world.secure).await);
        }
        for client in &mut clients {
            for _ in 0..EACH {
                let (response, _) = client.begin(to("GET", "/wait"), true).await.unwrap();
                waiting.push(tokio::spawn(answer(response)));
            }
        }
        // Each is with the instance, or was answered.
        let ended = || waiting.iter().filter(|it| it.is_finished()).count();
        let all = CLIENTS * EACH;
        soon("all are told", || ended() + world.backend.requests() as usize == all).await;
        assert!(ended() > 0, "some are too many");
        for told in waiting {
            if told.is_finished() {
                let told = told.await.unwrap().unwrap();
                let word = (told.status, told.field("x-cutover-error").unwrap_or_default());
                assert_eq!(word, (503, "full"));
            }
        }
    });
    world.is_quiet_again();
    world.others_are_served();
}
