//! Streams, tunnels, and how they end.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::{Backend, Then, ordinary, read_request};
use common::http::Connection;
use common::{Proxy, eventually, shop, target};
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An unmasked or masked frame with a short payload.
fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode, payload.len() as u8 | if masked { 0x80 } else { 0 }];
    if masked {
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ (1 + at as u8 % 4)));
    } else {
        bytes.extend(payload);
    }
    bytes
}

fn read_frame(reader: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    reader.read_exact(&mut head)?;
    let mut mask = [0; 4];
    if head[1] & 0x80 != 0 {
        reader.read_exact(&mut mask)?;
    }
    let mut payload = vec![0; usize::from(head[1] & 0x7f)];
    reader.read_exact(&mut payload)?;
    payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= mask[at % 4]);
    Ok((head[0] & 0x0f, payload))
}

const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// `/ws` echoes frames and answers a close; `/events` sends events for ever; the codes of the
/// close frames it gets are noted.
fn streaming(closes: Arc<AtomicU64>) -> Backend {
    Backend::with(move |request, stream| match request.path() {
        "/ws" => {
            stream.get_mut().write_all(SWITCHED)?;
            loop {
                let (opcode, payload) = read_frame(stream)?;
                stream.get_mut().write_all(&frame(opcode, &payload, false))?;
                if opcode == 8 {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    closes.store(u64::from(code), Ordering::SeqCst);
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
        _ => ordinary("a", request, stream),
    })
}

fn serving(backend: &Backend) -> Proxy {
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    proxy
}

fn websocket(address: &str) -> Connection {
    let mut client = Connection::open(address);
    client.send(UPGRADE).unwrap();
    let answer = client.response(false).unwrap();
    assert_eq!((answer.status, answer.field("upgrade")), (101, Some("websocket")));
    client
}

#[test]
fn websockets_echo_through() {
    let backend = streaming(Arc::default());
    let proxy = serving(&backend);
    let mut client = websocket(&proxy.address);
    for number in 0..100u8 {
        client.send(frame(1, &[number; 100], true)).unwrap();
        assert_eq!(read_frame(&mut client.reader).unwrap(), (1, vec![number; 100]));
    }
    client.send(frame(8, &1000u16.to_be_bytes(), true)).unwrap();
    assert_eq!(read_frame(&mut client.reader).unwrap().0, 8);
    assert!(client.is_closed());
    let release = &proxy.quiet().releases["r1"];
    assert_eq!((release.completed, release.aborted, release.by_class[1]), (1, 0, 1));
}

#[test]
fn nothing_is_sent_ahead_of_the_change_of_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let instance = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        // Time in which the bytes behind the request would arrive.
        reader.get_ref().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let early = reader.read(&mut [0; 64]);
        assert!(early.is_err(), "{early:?}");
        reader.get_ref().set_read_timeout(None).unwrap();
        reader.get_mut().write_all(&[SWITCHED, &frame(1, b"first", false)].concat()).unwrap();
        read_frame(&mut reader).unwrap()
    });
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &address)]), 0);
    let mut client = Connection::open(&proxy.address);
    client.send([UPGRADE.as_bytes(), &frame(1, b"early", true)].concat()).unwrap();
    assert_eq!(client.response(false).unwrap().status, 101);
    assert_eq!(read_frame(&mut client.reader).unwrap(), (1, b"first".to_vec()));
    assert_eq!(instance.join().unwrap(), (1, b"early".to_vec()));
}

#[test]
fn a_refused_change_of_protocol_is_an_ordinary_answer() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client.send([UPGRADE, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"].concat()).unwrap();
    assert_eq!(client.response(false).unwrap().text(), "a");
    assert_eq!(client.response(false).unwrap().text(), "a");
}

#[test]
fn an_idle_instance_is_drained_at_once() {
    let backend = Backend::named("a");
    let other = Backend::named("b");
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client.get("/").unwrap();
    proxy.put(shop(2, &[target("b-1", "r2", &other.address)]), 1);
    let (cut, waited_ms) = proxy.drain(&["a-1"], 10_000);
    assert!(cut == 0 && waited_ms < 1000, "{cut} {waited_ms}");
    assert_eq!(proxy.drain(&["unknown"], 10_000).0, 0);
    assert_eq!(client.get("/").unwrap().text(), "b", "the client's connection goes on");
    // Our idle connection is closed before the instance hears of its end.
    let descriptors = open_connections_to(&proxy, &backend.address);
    assert_eq!(descriptors, 0);
}

/// Established connections of the proxy to this address, as the kernel has them.
fn open_connections_to(proxy: &Proxy, address: &str) -> usize {
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let remote = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", proxy.pid())).unwrap();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|fields| fields[2] == remote && fields[3] == "01").count()
}

#[test]
fn a_drain_waits_for_what_is_in_flight() {
    let backend = Backend::named("a");
    let other = Backend::named("b");
    let proxy = serving(&backend);
    let address = proxy.address.clone();
    let slow = std::thread::spawn(move || {
        let mut client = Connection::open(&address);
        (client.get("/slow/400").unwrap().text(), client.get("/").unwrap().text())
    });
    eventually("it is in flight", || proxy.shop().in_flight.get("a-1").copied());
    proxy.put(shop(2, &[target("b-1", "r2", &other.address)]), 1);
    let (cut, waited_ms) = proxy.drain(&["a-1"], 10_000);
    assert!(cut == 0 && (100..2000).contains(&waited_ms), "{cut} {waited_ms}");
    assert_eq!(slow.join().unwrap(), ("a".to_owned(), "b".to_owned()));
}

#[test]
fn streams_are_ended_politely_at_the_deadline() {
    let closes = Arc::new(AtomicU64::new(0));
    let backend = streaming(closes.clone());
    let other = Backend::named("b");
    let proxy = serving(&backend);
    let mut sockets: Vec<Connection> = (0..5).map(|_| websocket(&proxy.address)).collect();
    let mut events: Vec<Connection> = (0..5)
        .map(|_| {
            let mut client = Connection::open(&proxy.address);
            client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            assert_eq!(client.head().unwrap().0, 200);
            client
        })
        .collect();
    proxy.put(shop(2, &[target("b-1", "r2", &other.address)]), 1);
    for socket in &mut sockets {
        socket.send(frame(1, b"still here", true)).unwrap();
        assert_eq!(read_frame(&mut socket.reader).unwrap().1, b"still here");
    }
    let begun = Instant::now();
    let (cut, _) = proxy.drain(&["a-1"], 300);
    let took = begun.elapsed();
    assert_eq!(cut, 10);
    assert!(took > Duration::from_millis(290) && took < Duration::from_secs(3), "{took:?}");
    for socket in &mut sockets {
        let (opcode, payload) = read_frame(&mut socket.reader).unwrap();
        assert_eq!((opcode, payload), (8, 1001u16.to_be_bytes().to_vec()));
        let _gone = socket.send(frame(8, &1001u16.to_be_bytes(), true));
        assert!(socket.is_closed());
    }
    eventually("the instance saw a close frame", || {
        (closes.load(Ordering::SeqCst) == 1001).then_some(())
    });
    for client in &mut events {
        while client.chunk().unwrap().is_some() {}
        assert_eq!(client.line().unwrap(), "");
        assert_eq!(client.get("/").unwrap().text(), "b", "the client's connection goes on");
    }
    let release = &proxy.quiet().releases["r1"];
    assert_eq!((release.completed, release.aborted, release.ended_by_drain), (10, 0, 10));
}

#[test]
fn a_close_frame_waits_for_the_end_of_a_frame() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let instance = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        let half = frame(1, b"0123456789", false);
        reader.get_mut().write_all(&[SWITCHED, &half[..6]].concat()).unwrap();
        // Our close frame comes: the rest of the frame follows it.
        assert_eq!(read_frame(&mut reader).unwrap().0, 8);
        reader.get_mut().write_all(&half[6..]).unwrap();
        let mut rest = Vec::new();
        let _reset = reader.read_to_end(&mut rest);
    });
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &address)]), 0);
    let mut client = websocket(&proxy.address);
    assert_eq!(proxy.drain(&["a-1"], 50).0, 1);
    assert_eq!(read_frame(&mut client.reader).unwrap(), (1, b"0123456789".to_vec()));
    assert_eq!(read_frame(&mut client.reader).unwrap().0, 8);
    drop(client);
    instance.join().unwrap();
}

#[test]
fn what_cannot_be_ended_politely_is_cut() {
    let backend = Backend::with(|request, stream| match request.path() {
        "/half" => {
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")?;
            std::thread::sleep(Duration::from_secs(3));
            Ok(Then::Close)
        }
        _ => ordinary("a", request, stream),
    });
    let proxy = serving(&backend);
    let address = proxy.address.clone();
    let half = std::thread::spawn(move || Connection::open(&address).get("/half"));
    let address = proxy.address.clone();
    let silent = std::thread::spawn(move || Connection::open(&address).get("/slow/3000"));
    eventually("both are in flight", || {
        (proxy.shop().in_flight.get("a-1") == Some(&2)).then_some(())
    });
    let begun = Instant::now();
    assert_eq!(proxy.drain(&["a-1"], 100).0, 2);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(half.join().unwrap().is_err());
    let answer = silent.join().unwrap().unwrap();
    assert_eq!((answer.status, answer.error()), (503, "cut"));
    let release = &proxy.quiet().releases["r1"];
    assert_eq!((release.completed, release.aborted, release.unanswered), (1, 1, 1));
}

#[test]
fn a_terminated_proxy_ends_what_it_has_begun() {
    let backend = Backend::named("a");
    let mut proxy = serving(&backend);
    let address = proxy.address.clone();
    let mut idle = Connection::open(&address);
    idle.get("/").unwrap();
    proxy.quiet();
    let slow = std::thread::spawn(move || Connection::open(&address).get("/slow/400"));
    eventually("it is in flight", || proxy.shop().in_flight.get("a-1").copied());
    let waiting = TcpStream::connect(&proxy.address).unwrap();
    let begun = Instant::now();
    assert!(proxy.terminate().success());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(slow.join().unwrap().unwrap().text(), "a");
    assert!(idle.is_closed());
    drop(waiting);
}
