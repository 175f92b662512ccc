//! Requests and responses in all their shapes.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::{Backend, Then, ordinary, respond};
use common::http::{Connection, checksum, get};
use common::{Altered, PATIENCE, Proxy, eventually, shop, target};
use std::io::{BufRead, Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

fn serving(backend: &Backend) -> Proxy {
    let proxy = Proxy::start();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    proxy
}

#[test]
fn one_connection_carries_many_requests() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    for _ in 0..100 {
        assert_eq!(client.get("/").unwrap().text(), "a");
    }
    assert_eq!(backend.requests(), 100);
    assert_eq!(backend.connections(), 1, "the connection to the instance is kept");
    let release = &proxy.quiet().releases["r1"];
    assert_eq!((release.completed, release.aborted, release.by_class[2]), (100, 0, 100));
    assert!(release.p50_us > 0 && release.p50_us <= release.max_us);
    assert!(release.first_routed_at_ms > 0);
}

#[test]
fn a_controllers_request_is_counted_apart_and_only_with_the_nonce() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let nonce = proxy.status().nonce;
    for (said, verified) in [(nonce.as_str(), 1), ("somebody's guess", 1), (nonce.as_str(), 2)] {
        let mut client = Connection::open(&proxy.address);
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Cutover-Verify: {said}\r\n\r\n");
        client.send(&head).unwrap();
        assert_eq!(client.response(false).unwrap().text(), "a");
        assert_eq!(proxy.quiet().releases["r1"].verified, verified);
    }
    let release = &proxy.quiet().releases["r1"];
    assert_eq!((release.completed, release.aborted), (1, 0), "the guess is ordinary traffic");
}

#[test]
fn bodies_arrive_whole_in_both_framings() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    for size in [0, 1, 1000, 16 * 1024, 65_536, 65_537, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
        assert_eq!(client.post("/", &body).unwrap().text(), checksum(&body), "{size}");
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        for piece in body.chunks(70_001) {
            client.send(format!("{:x};x=1\r\n", piece.len())).unwrap();
            client.send(piece).unwrap();
            client.send("\r\n").unwrap();
        }
        client.send("0\r\nX-Sum: 1\r\n\r\n").unwrap();
        assert_eq!(client.response(false).unwrap().text(), checksum(&body), "{size} in chunks");
    }
    let big = client.get("/big").unwrap();
    assert_eq!(big.body, vec![b'x'; 1 << 20]);
}

#[test]
fn trailers_are_passed_on_both_ways() {
    let backend = Backend::with(|request, stream| {
        if request.path() == "/chunked" {
            return ordinary("a", request, stream);
        }
        let trailers = format!("{:?}", request.trailers);
        respond(stream, 200, "", trailers.as_bytes())
    });
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n",
        )
        .unwrap();
    assert_eq!(client.response(false).unwrap().text(), r#"[("x-sum", "9")]"#);
    let answer = client.get("/chunked").unwrap();
    assert_eq!(answer.text(), "hello world");
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "1".to_owned())]);
}

#[test]
fn head_has_no_body_and_leaves_the_connection_in_order() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    for _ in 0..3 {
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let answer = client.response(true).unwrap();
        assert_eq!((answer.status, answer.field("content-length")), (200, Some("12345")));
        assert_eq!(client.get("/").unwrap().text(), "a");
    }
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n").unwrap();
    assert_eq!(client.response(true).unwrap().status, 400);
}

#[test]
fn statuses_without_a_body_have_none() {
    let backend = Backend::with(|request, stream| {
        let status = request.path().trim_start_matches('/');
        write!(stream.get_mut(), "HTTP/1.1 {status} X\r\n\r\n")?;
        Ok(Then::Next)
    });
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    for status in [204, 304, 204] {
        assert_eq!(client.get(&format!("/{status}")).unwrap().status, status);
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_body_up_to_the_end_may_come_long_after_its_head() {
    let (heads, waiting) = mpsc::channel::<()>();
    let waiting = Mutex::new(waiting);
    let backend = Backend::with(move |_, stream| {
        stream.get_mut().write_all(b"HTTP/1.0 200 OK\r\n\r\n")?;
        // Not before the client has the head: it went on alone.
        waiting.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        stream.get_mut().write_all(b"up to the end")?;
        Ok(Then::Close)
    });
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.head().unwrap().0, 200);
    heads.send(()).unwrap();
    assert_eq!(client.chunk().unwrap().as_deref(), Some(&b"up to the end"[..]));
    assert_eq!(client.chunk().unwrap(), None);
}

#[test]
fn a_body_up_to_the_end_becomes_chunks() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    for _ in 0..3 {
        let answer = client.get("/until-close").unwrap();
        assert_eq!(answer.text(), "up to the end");
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    }
}

#[test]
fn old_clients_are_spoken_to_as_such() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    for (path, expected) in [("/", "a"), ("/chunked", "hello world"), ("/until-close", "up to")] {
        let mut client = Connection::open(&proxy.address);
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n")).unwrap();
        let answer = client.response(false).unwrap();
        assert!(answer.text().starts_with(expected), "{answer:?}");
        assert_eq!(answer.field("transfer-encoding"), None);
        assert!(client.is_closed());
    }
    let mut client = Connection::open(&proxy.address);
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").unwrap();
        let answer = client.response(false).unwrap();
        assert_eq!(answer.field("connection"), Some("keep-alive"));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::with(|request, stream| {
        let path = request.path().to_owned();
        if path == "/0" {
            std::thread::sleep(Duration::from_millis(50));
        }
        respond(stream, 200, "", path.as_bytes())
    });
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    let mut requests = String::new();
    for number in 0..50 {
        requests += &match number % 3 {
            0 => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nGET"),
            _ => format!(
                "POST /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3\r\nGET\r\n0\r\n\r\n"
            ),
        };
    }
    client.send(requests).unwrap();
    for number in 0..50 {
        assert_eq!(client.response(false).unwrap().text(), format!("/{number}"));
    }
}

#[test]
fn a_client_that_waits_for_100_gets_it_from_the_instance() {
    let backend = Backend::with(|request, stream| match request.path() {
        "/refuse" => respond(stream, 403, "", b"no"),
        _ => ordinary("a", request, stream),
    });
    let proxy = serving(&backend);
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut client = Connection::open(&proxy.address);
    for _ in 0..2 {
        client.send(head("/")).unwrap();
        assert_eq!(client.head().unwrap().0, 100);
        client.send("hello").unwrap();
        assert_eq!(client.response(false).unwrap().text(), checksum(b"hello"));
    }
    client.send(head("/refuse")).unwrap();
    let answer = client.response(false).unwrap();
    assert_eq!((answer.status, answer.field("connection")), (403, Some("close")));
    assert!(client.is_closed());
}

#[test]
fn fields_for_one_hop_stay_there() {
    let backend = Backend::with(|request, stream| {
        let all = format!("{:?}", request.fields);
        respond(stream, 200, "Connection: x-gone\r\nX-Gone: 1\r\nX-Kept: 1\r\n", all.as_bytes())
    });
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client
        .send(
            "GET / HTTP/1.1\r\nHost: Shop.test:8080\r\nX-Forwarded-For: 6.6.6.6\r\n\
             Connection: x-secret\r\nX-Secret: 1\r\nX-Own: 1\r\n\r\n",
        )
        .unwrap();
    let answer = client.response(false).unwrap();
    let seen = answer.text();
    assert!(seen.contains(r#"("x-forwarded-for", "127.0.0.1")"#), "{seen}");
    assert!(seen.contains(r#"("x-forwarded-host", "Shop.test:8080")"#), "{seen}");
    assert!(seen.contains(r#"("x-forwarded-proto", "http")"#), "{seen}");
    assert!(seen.contains("x-own") && !seen.contains("6.6.6.6") && !seen.contains("secret"));
    assert_eq!((answer.field("x-gone"), answer.field("x-kept")), (None, Some("1")));
}

#[test]
fn server_sent_events_flow_as_they_come() {
    let backend = Backend::with(|_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        stream.get_mut().write_all(head.as_bytes())?;
        // Each event waits for a byte of the test, sent past the proxy.
        let gate = std::net::TcpStream::connect(GATE.get().unwrap())?;
        let mut gate = std::io::BufReader::new(gate);
        for event in 0..5 {
            gate.read_exact(&mut [0])?;
            let text = format!("data: {event}\n\n");
            write!(stream.get_mut(), "{:x}\r\n{text}\r\n", text.len())?;
        }
        stream.get_mut().write_all(b"0\r\n\r\n")?;
        Ok(Then::Next)
    });
    static GATE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let gate = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    GATE.set(gate.local_addr().unwrap().to_string()).unwrap();
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.head().unwrap().0, 200);
    let (mut gate, _) = gate.accept().unwrap();
    for event in 0..5 {
        gate.write_all(b"x").unwrap();
        let chunk = client.chunk().unwrap().unwrap();
        assert_eq!(chunk, format!("data: {event}\n\n").as_bytes());
    }
    assert_eq!(client.chunk().unwrap(), None);
}

#[test]
fn what_could_smuggle_a_request_is_refused_and_closed() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    for (head, body) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Content-Length: 0\r\nContent-Length: 40\r\n", ""),
        ("Content-Length: 0\r\nContent-Length: 0\r\n", ""),
        ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\n", "0\r\n\r\n"),
        ("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("X: a\0b\r\n", ""),
        ("Host: b\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 3\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0x0\r\n\r\n"),
    ] {
        let mut client = Connection::open(&proxy.address);
        let text = format!("POST /x HTTP/1.1\r\nHost: a\r\n{head}\r\n{body}{hidden}");
        client.send(text).unwrap();
        let answer = client.response(false).unwrap();
        assert_eq!(answer.status, 400, "{head:?} {body:?}");
        assert!(!answer.error().is_empty());
        assert!(client.is_closed(), "{head:?} {body:?}");
    }
    let mut client = Connection::open(&proxy.address);
    client.send("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").unwrap();
    assert_eq!(client.response(false).unwrap().status, 400);
    assert_eq!(backend.requests(), 0, "none has reached the instance whole");
}

#[test]
fn heads_over_the_limit_are_refused() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    client.send(format!("X: {}\r\n\r\n", "y".repeat(70_000))).unwrap();
    let answer = client.response(false).unwrap();
    assert_eq!((answer.status, answer.error()), (431, "head_too_large"));
    assert!(client.is_closed());
    let mut client = Connection::open(&proxy.address);
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101))).unwrap();
    assert_eq!(client.response(false).unwrap().status, 431);
    let mut client = Connection::open(&proxy.address);
    let large = "y".repeat(60_000);
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {large}\r\n\r\n")).unwrap();
    assert_eq!(client.response(false).unwrap().status, 200);
}

#[test]
fn slow_heads_are_ended_and_keep_nobody_waiting() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let begun = Instant::now();
    let mut slow: Vec<Connection> = (0..50).map(|_| Connection::open(&proxy.address)).collect();
    for client in &mut slow {
        client.reader.get_ref().set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        client.send("GET / HTTP/1.1\r\nHo").unwrap();
    }
    for _ in 0..100 {
        let sent = Instant::now();
        assert_eq!(get(&proxy.address, "/").unwrap().text(), "a");
        assert!(sent.elapsed() < Duration::from_secs(1));
    }
    let answer = slow[0].response(false).unwrap();
    assert_eq!((answer.status, answer.error()), (408, "timeout"));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(9) && took < Duration::from_secs(13), "{took:?}");
    assert!(slow[0].is_closed());
}

#[test]
fn hosts_and_paths_decide() {
    let (a, b, c) = (Backend::named("a"), Backend::named("b"), Backend::named("c"));
    let proxy = Proxy::start();
    let file = |name: &str, backend: &Backend, host: &str, path: &str| {
        shop(1, &[target(name, "r1", &backend.address)]).of(&format!("{name}.x"), host, path)
    };
    proxy.put(file("a", &a, "a.test", "/"), 0);
    proxy.put(file("b", &b, "a.test", "/api"), 0);
    proxy.put(file("c", &c, "*", "/c"), 0);
    let ask = |host: &str, target: &str| {
        let mut client = Connection::open(&proxy.address);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        let answer = client.response(false).unwrap();
        if answer.status == 200 { answer.text() } else { answer.error().to_owned() }
    };
    for (host, path, expected) in [
        ("a.test", "/", "a"),
        ("A.TEST.:8080", "/x", "a"),
        ("a.test", "/api", "b"),
        ("a.test", "/api/x?y", "b"),
        ("a.test", "/apiary", "a"),
        ("a.test", "/api?x", "b"),
        ("c.test", "/c", "c"),
        ("c.test", "/", "no_route"),
        ("other.test", "/c/x", "c"),
        ("other.test", "http://a.test/api", "b"),
    ] {
        assert_eq!(ask(host, path), expected, "{host} {path}");
    }
}

#[test]
fn an_environment_without_targets_says_when_to_come_again() {
    let proxy = Proxy::start();
    let mut nothing = shop(1, &[]);
    proxy.put(nothing.clone(), 0);
    for generation in [2, 3] {
        let mut client = Connection::open(&proxy.address);
        for _ in 0..2 {
            let answer = client.get("/").unwrap();
            assert_eq!((answer.status, answer.error()), (503, "empty"));
            assert_eq!(answer.field("retry-after"), Some("1"));
        }
        nothing.routes.clear();
        nothing.generation = generation;
        proxy.put(nothing.clone(), generation - 1);
    }
}

#[test]
fn what_an_instance_says_wrong_becomes_502() {
    for bytes in [
        &b""[..],
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let backend = Backend::saying(bytes);
        let proxy = serving(&backend);
        let answer = get(&proxy.address, "/").unwrap();
        assert_eq!((answer.status, answer.error()), (502, "no_answer"), "{bytes:?}");
        let release = &proxy.quiet().releases["r1"];
        assert_eq!((release.completed, release.unanswered, release.aborted), (1, 1, 0));
    }
}

#[test]
fn a_response_that_breaks_off_is_not_made_whole() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let backend = Backend::saying(bytes);
        let proxy = serving(&backend);
        assert!(get(&proxy.address, "/").is_err(), "{bytes:?}");
        let release = &proxy.quiet().releases["r1"];
        assert_eq!((release.completed, release.aborted), (0, 1));
    }
}

#[test]
fn a_client_that_leaves_is_counted_and_frees_the_instance() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    eventually("it is in flight", || proxy.shop().in_flight.get("a-1").copied());
    drop(client);
    let release = &proxy.quiet().releases["r1"];
    assert_eq!((release.completed, release.aborted), (0, 1));
}

#[test]
fn a_client_that_ended_its_half_is_answered() {
    let backend = Backend::named("a");
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client.send("GET /slow/100 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.reader.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.response(false).unwrap().text(), "a");
    assert!(client.is_closed());
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let backend = Backend::with(|request, stream| match request.path() {
        "/refuse" => {
            let said = respond(stream, 413, "Connection: close\r\n", b"too much");
            // It reads no more, as a server that is not interested does.
            std::thread::sleep(Duration::from_millis(100));
            said.map(|_| Then::Close)
        }
        _ => ordinary("a", request, stream),
    });
    let proxy = serving(&backend);
    let mut client = Connection::open(&proxy.address);
    client.send("POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n").unwrap();
    client.send(vec![b'x'; 100_000]).unwrap();
    let answer = client.response(false).unwrap();
    assert_eq!((answer.status, answer.text()), (413, "too much".to_owned()));
    // A body that was not read to its end must not be taken for a request.
    let _closed = client.send(vec![b'x'; 100_000]);
    assert!(!matches!(client.reader.fill_buf(), Ok([_, ..])));
}

#[test]
fn keepalive_may_be_off_for_a_route() {
    let backend = Backend::with(|request, stream| {
        let connection = request.field("connection").unwrap_or("none").to_owned();
        respond(stream, 200, "", connection.as_bytes())
    });
    let proxy = Proxy::start();
    let mut file = shop(1, &[target("a-1", "r1", &backend.address)]);
    file.routes[0].upstream_keepalive = false;
    proxy.put(file, 0);
    let mut client = Connection::open(&proxy.address);
    for _ in 0..3 {
        assert_eq!(client.get("/").unwrap().text(), "close");
    }
    assert_eq!(backend.connections(), 3);
}

#[test]
fn weights_are_kept_to() {
    let (a, b) = (Backend::named("a"), Backend::named("b"));
    let proxy = Proxy::start();
    let mut targets = [target("a-1", "r1", &a.address), target("b-1", "r2", &b.address)];
    targets[0].weight = 9;
    proxy.put(shop(1, &targets), 0);
    let mut client = Connection::open(&proxy.address);
    for _ in 0..200 {
        client.get("/").unwrap();
    }
    assert!((175..=185).contains(&a.requests()), "{}", a.requests());
    targets[0].weight = 0;
    proxy.put(shop(2, &targets), 1);
    let before = a.requests();
    for _ in 0..20 {
        client.get("/").unwrap();
    }
    assert_eq!(a.requests(), before);
}
