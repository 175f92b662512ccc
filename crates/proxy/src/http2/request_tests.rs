use super::write;
use crate::http1::request::{Peer, Request, read};
use http::request::{Builder, Parts};

const PEER: Peer<'_> = Peer { address: "192.0.2.1", scheme: "https", trusted: None };

fn parts(builder: Builder) -> Parts {
    builder.body(()).unwrap().into_parts().0
}

fn get(uri: &str) -> Builder {
    http::Request::builder().uri(uri)
}

/// As it is judged; or the word of the refusal.
fn judged(builder: Builder, ended: bool) -> Result<Request, &'static str> {
    let mut head = Vec::new();
    write(&parts(builder), ended, &mut head).map_err(|it| it.kind)?;
    let request = read(&head, &PEER).map_err(|it| it.kind)?.unwrap();
    assert_eq!(request.consumed, head.len(), "nothing is left of it");
    Ok(request)
}

fn text(builder: Builder, ended: bool) -> String {
    String::from_utf8(judged(builder, ended).unwrap().head).unwrap()
}

#[test]
fn a_request_becomes_one_of_http_1() {
    let asked = get("https://Shop.test:8443/a/b?c=d")
        .header("accept", "text/html")
        .header("cookie", "a=1")
        .header("x-own", "")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .header("x-forwarded-for", "203.0.113.9");
    assert_eq!(
        text(asked, true),
        "GET /a/b?c=d HTTP/1.1\r\nhost: Shop.test:8443\r\naccept: text/html\r\nx-own: \r\n\
         cookie: a=1; b=2\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: https\r\n\
         x-forwarded-host: Shop.test:8443\r\n"
    );
}

#[test]
fn the_body_is_framed_by_its_length_or_by_chunks() {
    for (length, ended, expected) in [
        (None, true, Ok("")),
        (None, false, Ok("transfer-encoding: chunked\r\n")),
        (Some("5"), false, Ok("content-length: 5\r\n")),
        (Some("0"), true, Ok("content-length: 0\r\n")),
        (Some("5"), true, Err("framing")),
        (Some("+5"), false, Err("framing")),
        (Some("5,5"), false, Err("framing")),
        (Some(""), false, Err("framing")),
        (Some("99999999999999999999"), false, Err("framing")),
    ] {
        let mut asked = get("https://shop.test/").method("POST");
        if let Some(length) = length {
            asked = asked.header("content-length", length);
        }
        match judged(asked, ended) {
            Ok(request) => {
                let head = String::from_utf8(request.head).unwrap();
                let end = head.split_once("x-forwarded-host: shop.test\r\n").unwrap().1;
                assert_eq!(Ok(end), expected, "{length:?} {ended}");
            }
            Err(word) => assert_eq!(Err(word), expected, "{length:?} {ended}"),
        }
    }
    let twice = get("https://shop.test/").header("content-length", "5");
    assert_eq!(judged(twice.header("content-length", "5"), false).unwrap_err(), "framing");
}

#[test]
fn what_has_two_meanings_is_refused() {
    let shop = || get("https://shop.test/");
    for (asked, expected) in [
        (shop().header("connection", "close"), "malformed"),
        (shop().header("keep-alive", "timeout=5"), "malformed"),
        (shop().header("proxy-connection", "close"), "malformed"),
        (shop().header("transfer-encoding", "chunked"), "malformed"),
        (shop().header("upgrade", "websocket"), "malformed"),
        (shop().header("te", "gzip"), "malformed"),
        (shop().header("te", "trailers, gzip"), "malformed"),
        (shop().header("x-own", " a"), "malformed"),
        (shop().header("x-own", "a\t"), "malformed"),
        (shop().header("host", "blog.test"), "host"),
        (shop().header("host", "shop.test").header("host", "shop.test"), "host"),
        (get("https://user@shop.test/"), "host"),
        (get("/"), "host"),
        (get("/").header("host", ""), "host"),
        (get("/").header("host", "a b"), "host"),
        (get("shop.test:443").method("CONNECT"), "malformed"),
        (get("https://shop.test/chat").method("CONNECT"), "malformed"),
        (get("*").header("host", "shop.test"), "malformed"),
    ] {
        let told = format!("{asked:?}");
        assert_eq!(judged(asked, true).map(|it| it.head).unwrap_err(), expected, "{told}");
    }
    for fine in [
        get("/").header("host", "shop.test"),
        shop().header("host", "SHOP.test"),
        get("*").method("OPTIONS").header("host", "shop.test"),
    ] {
        assert_eq!(judged(fine, true).unwrap().host, "shop.test");
    }
}
