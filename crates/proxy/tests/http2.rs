//! HTTP/2 over TLS: the same requests, targets and counters as ever, beside each other.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::{Backend, Then, ordinary, respond};
use common::http::checksum;
use common::http2::{Client, HOST, Secure, answer, head, run, send_piece, soon, to};
use common::tls::edge;
use common::{Altered, Proxy, eventually, shop, target};
use http::{HeaderMap, HeaderValue, Request};
use proxy::access::{Format, access_directory};
use proxy::route_file::{Files, FilesRoot};
use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn serving(backend: &Backend) -> (Proxy, Secure) {
    let proxy = Proxy::start_both();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    let secure = Secure::of(&proxy);
    (proxy, secure)
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn requests_and_bodies_pass_whole_and_are_counted() {
    let backend = Backend::named("a");
    let (proxy, secure) = serving(&backend);
    run(async {
        let mut client = Client::open(&secure).await;
        let first = client.get("/").await.unwrap();
        assert_eq!((first.status, first.text()), (200, "a".to_owned()));
        assert_eq!(first.field("x-instance"), Some("a"));
        assert_eq!(first.field("connection"), None);
        for size in [0, 1, 16 * 1024, 65_537, 3_000_000] {
            let body = pattern(size);
            let mut sized = to("POST", "/");
            sized.headers_mut().insert("content-length", HeaderValue::from(size));
            for request in [sized, to("POST", "/")] {
                let sent = client.send(request, &[&body], None).await.unwrap();
                assert_eq!(sent.text(), checksum(&body), "{size}");
            }
        }
        assert_eq!(client.get("/big").await.unwrap().body.len(), 1 << 20);
        let chunked = client.get("/chunked").await.unwrap();
        assert_eq!(chunked.text(), "hello world");
        assert_eq!(chunked.trailers.unwrap()["x-sum"], "1");
        assert_eq!(client.get("/until-close").await.unwrap().text(), "up to the end");
        let only_head = client.ask(to("HEAD", "/")).await.unwrap();
        assert_eq!((only_head.field("content-length"), only_head.body.len()), (Some("12345"), 0));
        assert_eq!(client.get("/status/418").await.unwrap().status, 418);
        assert_eq!(client.get("/status/204").await.unwrap().status, 204);
    });
    let counted = proxy.quiet().releases["r1"].clone();
    assert_eq!((counted.completed, counted.aborted), (17, 0), "{counted:?}");
    assert_eq!(counted.by_class[4], 1);
}

#[test]
fn many_at_a_time_go_over_one_connection_to_kept_connections() {
    let backend = Backend::named("a");
    let (proxy, secure) = serving(&backend);
    run(async {
        let client = Client::open(&secure).await;
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let sender = client.sender.clone();
                tokio::spawn(async move {
                    let connection = tokio::spawn(async { Ok(()) });
                    let mut client = Client { sender, connection };
                    for _ in 0..50 {
                        assert_eq!(client.get("/").await.unwrap().text(), "a");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(proxy.quiet().releases["r1"].completed, 1000);
    assert!(backend.connections() <= 40, "{}", backend.connections());
}

#[test]
fn flips_beneath_many_requests_lose_and_double_nothing() {
    const FLIPS: u64 = 60;
    let backends = [Backend::named("a"), Backend::named("b")];
    let targets =
        [target("a-1", "r1", &backends[0].address), target("b-1", "r2", &backends[1].address)];
    let (proxy, secure) = serving(&backends[0]);
    let stop = Arc::new(AtomicU64::new(0));
    let (asked, proxy) = run(async {
        let client = Client::open(&secure).await;
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (sender, stop) = (client.sender.clone(), stop.clone());
                tokio::spawn(async move {
                    let connection = tokio::spawn(async { Ok(()) });
                    let mut client = Client { sender, connection };
                    let mut asked = 0;
                    while stop.load(Ordering::SeqCst) == 0 {
                        let body = pattern(1000 + asked as usize % 7000);
                        let sent = client.send(to("POST", "/"), &[&body], None).await.unwrap();
                        assert_eq!((sent.status, sent.text()), (200, checksum(&body)));
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        let flips = tokio::task::spawn_blocking(move || {
            for generation in 1..=FLIPS {
                let to = (generation % 2) as usize;
                proxy.put(shop(generation + 1, &targets[to..=to]), generation);
                let gone = ["a-1", "b-1"][1 - to];
                assert_eq!(proxy.drain(&[gone], 5000).0, 0);
            }
            proxy
        });
        let proxy = flips.await.unwrap();
        stop.store(1, Ordering::SeqCst);
        let mut asked = 0;
        for task in tasks {
            asked += task.await.unwrap();
        }
        assert!(!client.connection.is_finished(), "one connection outlived all of it");
        (asked, proxy)
    });
    assert_eq!(backends[0].posts() + backends[1].posts(), asked, "no post is lost or doubled");
    let releases = proxy.quiet().releases;
    for (id, backend) in [("r1", &backends[0]), ("r2", &backends[1])] {
        assert!(backend.posts() > 0, "{id}");
        assert_eq!((releases[id].completed, releases[id].aborted), (backend.posts(), 0), "{id}");
    }
}

#[test]
fn what_an_instance_is_told_is_what_it_is_told_by_http_1() {
    let backend = Backend::with(|request, stream| {
        let told: Vec<String> =
            request.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let line = format!("{}\n{}", request.line, told.join("\n"));
        respond(stream, 200, "", line.as_bytes())
    });
    let (_proxy, secure) = serving(&backend);
    run(async {
        let mut client = Client::open(&secure).await;
        let mut request = to("GET", "/a?b=c");
        for (name, value) in [
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-cutover-verify", "guess"),
            ("te", "trailers"),
        ] {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        assert_eq!(
            client.ask(request).await.unwrap().text(),
            "GET /a?b=c HTTP/1.1\nhost=shop.test\ncookie=a=1; b=2\nx-forwarded-for=127.0.0.1\n\
             x-forwarded-proto=https\nx-forwarded-host=shop.test"
        );
        // Tunnels, and words that contradict each other.
        let connect = Request::builder().method("CONNECT").uri("shop.test:443").body(()).unwrap();
        assert_eq!(client.ask(connect).await.unwrap().status, 400);
        let mut two = to("GET", "/");
        two.headers_mut().insert("host", HeaderValue::from_static("blog.test"));
        let refused = client.ask(two).await.unwrap();
        assert_eq!((refused.status, refused.field("x-cutover-error")), (400, Some("host")));
        let mut many = to("GET", "/");
        for at in 0..120 {
            let name: http::HeaderName = format!("x-{at}").parse().unwrap();
            many.headers_mut().insert(name, HeaderValue::from_static("1"));
        }
        assert_eq!(client.ask(many).await.unwrap().status, 431);
        let other = Request::builder().uri("https://blog.test/").body(()).unwrap();
        assert_eq!(client.ask(other).await.unwrap().status, 200, "all hosts are served");
    });
}

#[test]
fn interim_answers_come_through_and_a_body_waits_to_be_asked_for() {
    let backend = Backend::with(|request, stream| match request.path() {
        "/hints" => {
            let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
            stream.get_mut().write_all(early)?;
            ordinary("a", request, stream)
        }
        "/refuse" => respond(stream, 403, "", b"no"),
        _ => ordinary("a", request, stream),
    });
    let (proxy, secure) = serving(&backend);
    run(async {
        let mut client = Client::open(&secure).await;
        assert_eq!(client.get("/hints").await.unwrap().interim, [103]);
        let expecting = |path: &str| {
            let mut request = to("POST", path);
            let fields = request.headers_mut();
            fields.insert("expect", HeaderValue::from_static("100-continue"));
            fields.insert("content-length", HeaderValue::from(5));
            request
        };
        let sent = client.send(expecting("/"), &[b"hello"], None).await.unwrap();
        assert_eq!((sent.interim.as_slice(), sent.text()), (&[100][..], checksum(b"hello")));
        // Answered before its body: the stream ends, and the connection goes on.
        let (response, _unsent) = client.begin(expecting("/refuse"), false).await.unwrap();
        assert_eq!(answer(response).await.unwrap().status, 403);
        assert_eq!(client.get("/").await.unwrap().text(), "a");
    });
    assert_eq!(proxy.quiet().releases["r1"].aborted, 0);
}

#[test]
fn trailers_reach_the_instance_and_a_wrong_length_does_not_pass() {
    let backend = Backend::with(|request, stream| {
        let told = format!("{:?}", request.trailers);
        respond(stream, 200, "", told.as_bytes())
    });
    let (proxy, secure) = serving(&backend);
    run(async {
        let mut client = Client::open(&secure).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        let sent = client.send(to("POST", "/"), &[b"abc"], Some(trailers)).await.unwrap();
        assert_eq!(sent.text(), "[(\"x-sum\", \"7\")]");
        let mut framing = HeaderMap::new();
        framing.insert("content-length", HeaderValue::from_static("7"));
        let refused = client.send(to("POST", "/"), &[b"abc"], Some(framing)).await.unwrap();
        assert_eq!((refused.status, refused.field("x-cutover-error")), (400, Some("framing")));
        for body in [&b"toolong"[..], b"shor"] {
            let mut wrong = to("POST", "/");
            wrong.headers_mut().insert("content-length", HeaderValue::from(5));
            let (response, mut stream) = client.begin(wrong, false).await.unwrap();
            let _reset = send_piece(&mut stream, body).await;
            let _reset = stream.send_data(bytes::Bytes::new(), true);
            let error = answer(response).await.unwrap_err();
            assert_eq!(error.reason(), Some(h2::Reason::PROTOCOL_ERROR), "{body:?}");
        }
        assert_eq!(client.get("/").await.unwrap().text(), "[]");
    });
    assert_eq!(proxy.quiet().releases["r1"].completed, 2);
}

/// `/events` sends events for ever; `/wait` answers once it is let.
fn streaming(name: &'static str, lets: Arc<AtomicU64>) -> Backend {
    Backend::with(move |request, stream| match request.path() {
        "/events" => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.get_mut().write_all(head)?;
            loop {
                stream.get_mut().write_all(b"8\r\ndata: x\n\r\n")?;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        "/wait" => {
            while lets.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            ordinary(name, request, stream)
        }
        _ => ordinary(name, request, stream),
    })
}

#[test]
fn a_switch_leaves_the_connection_and_each_request_sees_one_generation() {
    let lets = Arc::new(AtomicU64::new(0));
    let (old, new) = (streaming("old", lets.clone()), streaming("new", lets.clone()));
    let (proxy, secure) = serving(&old);
    run(async {
        let mut client = Client::open(&secure).await;
        let (waiting, _) = client.begin(to("GET", "/wait"), true).await.unwrap();
        let (events, _) = client.begin(to("GET", "/events"), true).await.unwrap();
        let (_, mut events) = head(events).await.unwrap();
        assert!(events.body_mut().data().await.unwrap().unwrap().starts_with(b"data"));
        assert_eq!(client.get("/").await.unwrap().text(), "old");
        proxy.put(shop(2, &[target("b-1", "r2", &new.address)]), 1);
        assert_eq!(client.get("/").await.unwrap().text(), "new");
        let draining = tokio::task::spawn_blocking(move || (proxy.drain(&["a-1"], 300), proxy));
        lets.store(1, Ordering::SeqCst);
        assert_eq!(answer(waiting).await.unwrap().text(), "old");
        let mut count = 0;
        while let Some(data) = events.body_mut().data().await {
            let data = data.expect("the stream is ended, not broken off");
            events.body_mut().flow_control().release_capacity(data.len()).unwrap();
            count += data.len();
        }
        assert!(count > 100, "{count}");
        let ((cut, waited_ms), proxy) = draining.await.unwrap();
        assert_eq!(cut, 1, "the one that has no end of its own");
        assert!(waited_ms >= 300, "{waited_ms}");
        assert_eq!(client.get("/").await.unwrap().text(), "new", "no GOAWAY was sent");
        assert!(!client.connection.is_finished());
        let counted = proxy.quiet().releases["r1"].clone();
        assert_eq!((counted.ended_by_drain, counted.aborted), (1, 0), "{counted:?}");
    });
}

#[test]
fn a_stopping_proxy_says_so_and_finishes_what_it_has_begun() {
    let lets = Arc::new(AtomicU64::new(0));
    let backend = streaming("a", lets.clone());
    let (mut proxy, secure) = serving(&backend);
    run(async {
        let mut client = Client::open(&secure).await;
        let mut idle = Client::open(&secure).await;
        assert_eq!(idle.get("/").await.unwrap().text(), "a");
        let (waiting, _) = client.begin(to("GET", "/wait"), true).await.unwrap();
        soon("it is with the instance", || backend.requests() == 2).await;
        let stopping = tokio::task::spawn_blocking(move || proxy.terminate());
        assert!(idle.connection.await.unwrap().is_ok(), "told to go, and gone");
        lets.store(1, Ordering::SeqCst);
        assert_eq!(answer(waiting).await.unwrap().text(), "a");
        assert!(client.connection.await.unwrap().is_ok());
        assert!(stopping.await.unwrap().success());
    });
}

#[test]
fn a_request_that_is_taken_back_is_taken_from_the_instance_too() {
    let gone = Arc::new(AtomicU64::new(0));
    let noted = gone.clone();
    let backend = Backend::with(move |request, stream| match request.path() {
        "/wait" => {
            let ended = stream.read(&mut [0]);
            noted.fetch_add(u64::from(matches!(ended, Ok(0) | Err(_))), Ordering::SeqCst);
            Ok(Then::Close)
        }
        _ => ordinary("a", request, stream),
    });
    let (proxy, secure) = serving(&backend);
    run(async {
        let mut client = Client::open(&secure).await;
        let (response, mut stream) = client.begin(to("GET", "/wait"), true).await.unwrap();
        soon("it is with the instance", || backend.requests() == 1).await;
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        soon("the instance sees it", || gone.load(Ordering::SeqCst) == 1).await;
        assert_eq!(client.get("/").await.unwrap().text(), "a");
    });
    let counted = proxy.quiet().releases["r1"].clone();
    assert_eq!((counted.completed, counted.aborted), (1, 1));
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    let part = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    let backend = Backend::saying(part);
    let (proxy, secure) = serving(&backend);
    run(async {
        let mut client = Client::open(&secure).await;
        let error = client.get("/").await.unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
    });
    assert_eq!(proxy.quiet().releases["r1"].aborted, 1);
}

#[test]
fn failures_of_a_probation_count_here_too() {
    let (old, new) = (Backend::named("old"), Backend::failing(500));
    let (proxy, secure) = serving(&old);
    let failing = target("b-1", "r2", &new.address);
    proxy.put(shop(2, &[failing]).on_probation(1, 60_000), 1);
    run(async {
        let mut client = Client::open(&secure).await;
        for _ in 0..3 {
            assert_eq!(client.get("/").await.unwrap().status, 500);
        }
        soon("the fall-back", || proxy.shop().generation == 1).await;
        assert_eq!(client.get("/").await.unwrap().text(), "old");
    });
}

#[test]
fn files_are_served_whole_in_part_or_not_at_all() {
    let proxy = Proxy::start_both();
    let release = proxy.root.join("release");
    fs::create_dir(&release).unwrap();
    let large = pattern(300_000);
    fs::write(release.join("large.bin"), &large).unwrap();
    fs::write(release.join("page.html"), "hello").unwrap();
    let root = FilesRoot { release: release.display().to_string(), directory: String::new() };
    let files = Files { roots: vec![root], shared: None, index: None, fallback: None };
    let mut serving = target("a-1", "r1", "127.0.0.1:1");
    serving.files = Some(files);
    proxy.put(shop(1, &[serving]), 0);
    let secure = Secure::of(&proxy);
    run(async {
        let mut client = Client::open(&secure).await;
        assert_eq!(client.get("/large.bin").await.unwrap().body, large);
        let page = client.get("/page.html").await.unwrap();
        assert_eq!((page.text().as_str(), page.field("connection")), ("hello", None));
        let mut part = to("GET", "/large.bin");
        part.headers_mut().insert("range", HeaderValue::from_static("bytes=100000-200000"));
        let part = client.ask(part).await.unwrap();
        assert_eq!((part.status, part.body.as_slice()), (206, &large[100_000..=200_000]));
        let mut known = to("GET", "/page.html");
        known.headers_mut().insert("if-none-match", page.fields["etag"].clone());
        let known = client.ask(known).await.unwrap();
        assert_eq!((known.status, known.body.len()), (304, 0));
        let only_head = client.ask(to("HEAD", "/large.bin")).await.unwrap();
        assert_eq!((only_head.status, only_head.body.len()), (200, 0));
        assert_eq!(client.get("/none").await.unwrap().status, 404);
        // A body that nobody reads does no harm to the connection.
        let sent = client.send(to("POST", "/page.html"), &[b"hello"], None).await;
        assert!(sent.is_err() || sent.is_ok_and(|it| it.status == 405));
        assert_eq!(client.get("/page.html").await.unwrap().text(), "hello");
    });
    assert_eq!(proxy.quiet().releases["r1"].aborted, 0);
}

#[test]
fn requests_are_logged_and_protected_as_others_are() {
    let backend = Backend::named("a");
    let (proxy, secure) = serving(&backend);
    let files = proxy::edge::CertificateFiles {
        certificate: secure.trusted.clone(),
        key: secure.trusted.with_extension("key"),
    };
    let mut told = edge(&[(HOST, &files)]);
    (told.access_log, told.hsts_s, told.protects) = (Some(Format::Json), 60, true);
    proxy.put_edge(&told);
    run(async {
        let answer = Client::open(&secure).await.get("/seen?not").await.unwrap();
        assert_eq!(answer.field("strict-transport-security"), Some("max-age=60"));
        assert_eq!(answer.field("x-frame-options"), Some("SAMEORIGIN"));
    });
    let path = access_directory(&proxy.root).join("shop.production.log");
    let line = eventually("a line of it", || {
        fs::read_to_string(&path).ok().filter(|it| it.ends_with('\n'))
    });
    for word in ["\"GET\"", "\"https\"", "\"/seen\"", "200", "127.0.0.1"] {
        assert!(line.contains(word), "{line}");
    }
}
