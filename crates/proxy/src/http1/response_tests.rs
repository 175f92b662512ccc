use super::*;

const ASKED: Asked = Asked {
    is_head: false,
    protection: Protection { fields: false, hsts_s: 0 },
    upgrade: false,
    version: Version::Http11,
    keep_alive: true,
};

fn rewritten(text: &str, asked: Asked) -> (Response, String) {
    let mut out = Vec::new();
    let response = read(text.as_bytes(), asked, &mut out).unwrap().unwrap();
    (response, String::from_utf8(out).unwrap())
}

#[test]
fn a_head_is_rewritten() {
    let (response, head) = rewritten(
        "HTTP/1.1 200 Very OK\r\nX-Own: 1\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n\
         Keep-Alive: timeout=5\r\nUpgrade: h2\r\nContent-Length: 3\r\n\r\nabc",
        ASKED,
    );
    assert_eq!(head, "HTTP/1.1 200 Very OK\r\nX-Own: 1\r\ncontent-length: 3\r\n\r\n");
    assert_eq!(response.framing, Framing::Length(3));
    assert!(response.upstream_persists && response.client_persists);
    assert_eq!(response.upstream_idle_s, Some(5));
}

#[test]
fn framing_follows_from_status_method_and_fields() {
    let head = Asked { is_head: true, ..ASKED };
    let old = Asked { version: Version::Http10, ..ASKED };
    for (text, asked, upstream, client) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", ASKED, Framing::Length(0), Framing::Length(0)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n", head, Framing::None, Framing::None),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", head, Framing::None, Framing::None),
        ("HTTP/1.1 204 No\r\nContent-Length: 9\r\n", ASKED, Framing::None, Framing::None),
        ("HTTP/1.1 304 No\r\nContent-Length: 9\r\n", ASKED, Framing::None, Framing::None),
        ("HTTP/1.1 100 Go\r\nContent-Length: 9\r\n", ASKED, Framing::None, Framing::None),
        ("HTTP/1.1 200 OK\r\n", ASKED, Framing::UntilClose, Framing::Chunked),
        ("HTTP/1.1 200 OK\r\n", old, Framing::UntilClose, Framing::UntilClose),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n",
            ASKED,
            Framing::Chunked,
            Framing::Chunked,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
            old,
            Framing::Chunked,
            Framing::UntilClose,
        ),
    ] {
        let (response, _) = rewritten(&format!("{text}\r\n"), asked);
        assert_eq!((response.framing, response.client_framing), (upstream, client), "{text}");
    }
}

#[test]
fn lengths_of_bodies_that_do_not_come_are_passed_on() {
    let head = Asked { is_head: true, ..ASKED };
    let text = |status: u16| format!("HTTP/1.1 {status} X\r\nContent-Length: 9\r\n\r\n");
    assert!(rewritten(&text(200), head).1.contains("Content-Length: 9\r\n"));
    assert!(rewritten(&text(304), ASKED).1.contains("Content-Length: 9\r\n"));
    assert!(!rewritten(&text(204), ASKED).1.contains("ength"));
    assert!(!rewritten(&text(103), ASKED).1.contains("ength"));
}

#[test]
fn connections_persist_where_both_sides_allow_it() {
    for (text, upstream) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n", true),
        ("HTTP/1.1 200 OK\r\n", false),
    ] {
        let (response, head) = rewritten(&format!("{text}\r\n"), ASKED);
        assert_eq!(response.upstream_persists, upstream, "{text}");
        assert!(response.client_persists && !head.contains("onnection"), "{text}");
    }
    let closing = Asked { keep_alive: false, ..ASKED };
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    assert!(rewritten(text, closing).1.contains("connection: close\r\n"));
    let old = Asked { version: Version::Http10, ..ASKED };
    assert!(rewritten(text, old).1.contains("connection: keep-alive\r\n"));
    let until_close = rewritten("HTTP/1.1 200 OK\r\n\r\n", old);
    assert!(!until_close.0.client_persists && until_close.1.contains("connection: close\r\n"));
}

#[test]
fn a_protocol_changes_only_if_that_was_asked() {
    let text =
        "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nA: b\r\n\r\n";
    let upgrade = Asked { upgrade: true, ..ASKED };
    let (response, head) = rewritten(text, upgrade);
    assert_eq!(response.status, 101);
    assert!(head.ends_with("A: b\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), "{head}");
    assert_eq!(read(text.as_bytes(), ASKED, &mut Vec::new()).map(|_| ()), Err(NotHttp));
    let bare = "HTTP/1.1 101 Switching\r\n\r\n";
    assert_eq!(read(bare.as_bytes(), upgrade, &mut Vec::new()).map(|_| ()), Err(NotHttp));
}

#[test]
fn what_is_not_http_is_refused() {
    for text in [
        "hello\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let read = read(text.as_bytes(), ASKED, &mut Vec::new());
        assert_eq!(read.map(|_| ()), Err(NotHttp), "{text:?}");
    }
    let long = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(HEAD_BYTES_MAX));
    assert!(read(long.as_bytes(), ASKED, &mut Vec::new()).is_err());
}

#[test]
fn interim_responses_are_not_for_old_clients() {
    let old = Asked { version: Version::Http10, ..ASKED };
    let text = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(rewritten(text, old).1, "");
    assert_eq!(rewritten(text, ASKED).1, text);
}
