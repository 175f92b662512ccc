use super::*;

fn read_text(text: &str) -> Result<Option<Request>, Refusal> {
    read(text.as_bytes(), &STRANGER)
}

const STRANGER: Peer<'static> = Peer { address: "192.0.2.7", scheme: "http", trusted: None };

#[test]
fn only_a_trusted_proxy_says_who_the_client_is() {
    let text = "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 6.6.6.6, 198.51.100.9\r\n\
                X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example:8443\r\n\r\n";
    let sent = |text: &str, peer: &Peer<'_>| {
        let mut out = Vec::new();
        read(text.as_bytes(), peer).unwrap().unwrap().finish(&mut out, true);
        String::from_utf8(out).unwrap()
    };
    let believed = |sent: &str, fields: [&str; 3]| {
        let names = ["for", "proto", "host"];
        for (name, value) in names.iter().zip(fields) {
            let field = format!("\r\nx-forwarded-{name}: {value}\r\n");
            assert!(sent.contains(&field), "{field} in {sent}");
            assert_eq!(sent.matches(&format!("x-forwarded-{name}:")).count(), 1, "{sent}");
        }
    };
    believed(&sent(text, &STRANGER), ["192.0.2.7", "http", "shop.test"]);
    let trusted = Trusted::parse(&["192.0.2.7".to_owned()]).unwrap();
    let proxy = Peer { trusted: Some(&trusted), ..STRANGER };
    believed(&sent(text, &proxy), ["198.51.100.9", "https", "shop.example:8443"]);
    // What it does not say, or says in no way that can be believed, is what we see.
    let odd = "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: unknown\r\n\
               X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\n\r\n";
    believed(&sent(odd, &proxy), ["192.0.2.7", "http", "shop.test"]);
    let twice = text.replace("X-Forwarded-Proto", "X-Forwarded-Proto: http\r\nX-Forwarded-Proto");
    believed(&sent(&twice, &proxy), ["198.51.100.9", "http", "shop.example:8443"]);
}

fn accepted(text: &str) -> Request {
    read_text(text).unwrap().unwrap()
}

fn sent(text: &str) -> String {
    let mut out = Vec::new();
    accepted(text).finish(&mut out, true);
    String::from_utf8(out).unwrap()
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for (request, refusal) in [
        // Framing.
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Refusal::FRAMING),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Refusal::FRAMING),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", Refusal::FRAMING),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Refusal::FRAMING),
        ("Content-Length: 5, 5\r\n", Refusal::FRAMING),
        ("Content-Length: +5\r\n", Refusal::FRAMING),
        ("Content-Length: -1\r\n", Refusal::FRAMING),
        ("Content-Length: 0x5\r\n", Refusal::FRAMING),
        ("Content-Length: 5 5\r\n", Refusal::FRAMING),
        ("Content-Length:\r\n", Refusal::FRAMING),
        ("Content-Length: 99999999999999999999\r\n", Refusal::FRAMING),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::FRAMING),
        ("Transfer-Encoding: chunked, chunked\r\n", Refusal::FRAMING),
        ("Transfer-Encoding: gzip, chunked\r\n", Refusal::FRAMING),
        ("Transfer-Encoding: identity\r\n", Refusal::FRAMING),
        ("Transfer-Encoding: xchunked\r\n", Refusal::FRAMING),
        ("Transfer-Encoding: \"chunked\"\r\n", Refusal::FRAMING),
        ("Transfer-Encoding: chunked;q=1\r\n", Refusal::FRAMING),
        ("Transfer-Encoding:\r\n", Refusal::FRAMING),
        ("Transfer-Encoding: \u{b}chunked\r\n", Refusal::MALFORMED),
        // Lines and fields.
        ("A: b\nC: d\r\n", Refusal::MALFORMED),
        ("A: b\n", Refusal::MALFORMED),
        ("A: b\r\r\n", Refusal::MALFORMED),
        ("A: b\rc\r\n", Refusal::MALFORMED),
        ("A: b\r\n c\r\n", Refusal::MALFORMED),
        ("A: b\r\n\tc\r\n", Refusal::MALFORMED),
        (" A: b\r\n", Refusal::MALFORMED),
        ("A : b\r\n", Refusal::MALFORMED),
        ("Content-Length : 5\r\n", Refusal::MALFORMED),
        ("A\t: b\r\n", Refusal::MALFORMED),
        ("A\r\n", Refusal::MALFORMED),
        (": b\r\n", Refusal::MALFORMED),
        ("A: b\0c\r\n", Refusal::MALFORMED),
        ("A\0: b\r\n", Refusal::MALFORMED),
        ("A: b\u{1}\r\n", Refusal::MALFORMED),
        ("A(: b\r\n", Refusal::MALFORMED),
        ("\u{e9}: b\r\n", Refusal::MALFORMED),
        // Hosts.
        ("Host: b.test\r\n", Refusal::HOST),
        ("host: a.test\r\n", Refusal::HOST),
    ] {
        let text = format!("POST / HTTP/1.1\r\nHost: a.test\r\n{request}\r\n");
        assert_eq!(read_text(&text).map(|_| ()), Err(refusal), "{request:?}");
    }
}

#[test]
fn request_lines_are_read_strictly() {
    for line in [
        "GET / HTTP/2.0",
        "GET / HTTP/1.2",
        "GET / http/1.1",
        "GET / HTTP/1.1 ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / x HTTP/1.1",
        "GET /",
        "GET",
        "",
        "G(T / HTTP/1.1",
        "GET x HTTP/1.1",
        "GET * HTTP/1.1",
        "GET /#part HTTP/1.1",
        "GET ftp://a.test/ HTTP/1.1",
        "CONNECT a.test:443 HTTP/1.1",
        "GET /a\0b HTTP/1.1",
        "GET /a\rb HTTP/1.1",
    ] {
        let text = format!("{line}\r\nHost: a.test\r\n\r\n");
        assert!(read_text(&text).is_err(), "{line:?}");
    }
}

#[test]
fn hosts_are_required_once_and_valid() {
    for (text, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n", None),
        ("GET / HTTP/1.0\r\nHost: a.test\r\nHost: a.test\r\n\r\n", None),
        ("GET http://u@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", None),
        ("GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n", None),
        ("GET http://a.test/ HTTP/1.1\r\n\r\n", None),
        ("GET / HTTP/1.0\r\n\r\n", Some("")),
        ("GET / HTTP/1.1\r\nHost: A.Test.:8080\r\n\r\n", Some("a.test")),
        ("GET http://B.test:80/x HTTP/1.1\r\nHost: a.test\r\n\r\n", Some("b.test")),
    ] {
        let host = read_text(text).ok().map(|request| request.unwrap().host);
        assert_eq!(host.as_deref(), expected, "{text:?}");
    }
}

#[test]
fn targets_are_sent_in_origin_form() {
    for (method, target, line, path) in [
        ("GET", "/", "GET / HTTP/1.1", "/"),
        ("GET", "/a/b?c=/d", "GET /a/b?c=/d HTTP/1.1", "/a/b"),
        ("GET", "http://a.test/x?y", "GET /x?y HTTP/1.1", "/x"),
        ("GET", "HTTP://a.test", "GET / HTTP/1.1", "/"),
        ("GET", "http://a.test?y", "GET /?y HTTP/1.1", "/"),
        ("OPTIONS", "*", "OPTIONS * HTTP/1.1", "*"),
        ("OPTIONS", "http://a.test", "OPTIONS * HTTP/1.1", "*"),
    ] {
        let text = format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(sent(&text).lines().next(), Some(line), "{target}");
        assert_eq!(accepted(&text).path(), path, "{target}");
    }
}

#[test]
fn a_head_is_rewritten() {
    let text = "POST /x HTTP/1.1\r\nHost: Shop.Test:80\r\nX-Own: 1\r\nX-Hop: 2\r\n\
                Connection: close, x-hop, host\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
                Proxy-Authorization: secret\r\nProxy-Connection: x\r\nUpgrade: h2c\r\n\
                HTTP2-Settings: AAA\r\nForwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\n\
                X-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /admin\r\nX-Real-IP: 1.2.3.4\r\n\
                Content-Length: 03\r\nTrailer: x-sum\r\n\r\nabc";
    let expected = "POST /x HTTP/1.1\r\nhost: Shop.Test:80\r\nX-Own: 1\r\nTrailer: x-sum\r\n\
                    x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: http\r\n\
                    x-forwarded-host: Shop.Test:80\r\ncontent-length: 3\r\n\r\n";
    assert_eq!(sent(text), expected);
    let request = accepted(text);
    assert_eq!(request.consumed, text.len() - 3);
    assert_eq!(request.framing, Framing::Length(3));
    assert!(!request.keep_alive && !request.is_idempotent && request.upgrade.is_none());
}

#[test]
fn an_upgrade_is_offered_only_where_it_was() {
    let websocket = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
                     Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n";
    assert!(sent(websocket).ends_with("connection: upgrade\r\nupgrade: websocket\r\n\r\n"));
    for text in [
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Content-Length: 1\r\n\r\n",
    ] {
        assert!(accepted(text).upgrade.is_none(), "{text}");
        assert!(!sent(text).contains("upgrade"), "{text}");
    }
}

#[test]
fn versions_decide_about_the_connection() {
    for (version, connection, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: keep-alive, CLOSE\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
    ] {
        let text = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        assert_eq!(accepted(&text).keep_alive, keep_alive, "{version} {connection}");
    }
    let chunks = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(read_text(chunks).map(|_| ()), Err(Refusal::FRAMING));
    let expects = "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert!(!accepted(expects).expects_continue);
}

#[test]
fn a_head_may_come_in_pieces_and_has_limits() {
    let text = "GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n\r\n";
    for end in 0..text.len() {
        assert!(read_text(&text[..end]).unwrap().is_none(), "{end}");
    }
    assert_eq!(accepted(&format!("{text}GET")).consumed, text.len());
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}", "b".repeat(HEAD_BYTES_MAX));
    assert_eq!(read_text(&long).map(|_| ()), Err(Refusal::HEAD_TOO_LARGE));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(HEAD_FIELDS_MAX));
    assert_eq!(read_text(&many).map(|_| ()), Err(Refusal::HEAD_TOO_LARGE));
}

/// Changes one to three bytes of a good request in every way a fixed sequence leads to.
#[test]
fn what_is_sent_on_is_read_the_same_way_again() {
    let good = "POST /a/b?c HTTP/1.1\r\nHost: a.test\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
                Content-Length: 12\r\nTransfer-Encodin: chunked\r\nExpect: 100-continue\r\n\
                Upgrade: websocket\r\nX: y\r\n\r\n";
    let interesting = b"\r\n\t \0:;,/?#chunkedTL0159\xff\x80";
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 20) as usize % below
    };
    let mut accepted = 0;
    for _ in 0..50_000 {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..=next(3) {
            let (at, byte) = (next(bytes.len()), interesting[next(interesting.len())]);
            match next(3) {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let Ok(Some(first)) = read(&bytes, &STRANGER) else { continue };
        accepted += 1;
        let mut sent = Vec::new();
        first.finish(&mut sent, true);
        let second = read(&sent, &STRANGER).unwrap().unwrap();
        assert_eq!(second.consumed, sent.len());
        let facts = |request: &Request| {
            let path = request.path().to_owned();
            (request.framing, request.host.clone(), path, request.upgrade.clone())
        };
        assert_eq!(facts(&first), facts(&second), "{:?}", String::from_utf8_lossy(&bytes));
    }
    assert!(accepted > 10_000, "{accepted}");
}
