//! RFC 9112, section by section: what is taken, in which meaning, and what is refused.

use super::chunk::{BadChunk, ChunkScanner, Piece};
use super::refusal::Refusal;
use super::request::{Peer, Request, read};
use super::{Framing, Version};
use crate::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};

const PEER: Peer<'static> = Peer { address: "192.0.2.7", scheme: "http", trusted: None };

fn asked(head: &str) -> Result<Request, &'static str> {
    match read(head.as_bytes(), &PEER) {
        Ok(Some(request)) => Ok(request),
        Ok(None) => Err("more"),
        Err(refusal) => Err(refusal.kind),
    }
}

/// A request with these lines behind its `Host`.
fn posted(lines: &str) -> Result<Request, &'static str> {
    asked(&format!("POST / HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n"))
}

#[test]
fn section_2_2_lines_end_with_both_and_begin_at_once() {
    for head in [
        "GET / HTTP/1.1\nHost: a.test\n\n",
        "GET / HTTP/1.1\r\nHost: a.test\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\n\n",
        "GET / HTTP/1.1\rHost: a.test\r\r",
        "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n",
        "GET / HTTP/1.1\r\n\tX: y\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.1\r\n: y\r\nHost: a.test\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "\u{feff}GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ] {
        let outcome = asked(head).map(|it| it.consumed);
        assert!(matches!(outcome, Err("malformed" | "more")), "{head:?}: {outcome:?}");
    }
    // What never gets its end is not taken either.
    assert_eq!(asked("GET / HTTP/1.1\rHost: a.test\r\r").map(|_| ()), Err("more"));
}

#[test]
fn section_2_3_only_these_two_versions() {
    for (version, expected) in [
        ("HTTP/1.1", Ok(Version::Http11)),
        ("HTTP/1.0", Ok(Version::Http10)),
        ("HTTP/0.9", Err("malformed")),
        ("HTTP/1.10", Err("malformed")),
        ("HTTP/01.1", Err("malformed")),
        ("HTTP/1", Err("malformed")),
        ("HTTP/2", Err("malformed")),
        ("HTTP/2.0", Err("malformed")),
        ("HTTP/3.0", Err("malformed")),
        ("HTTPS/1.1", Err("malformed")),
        ("Http/1.1", Err("malformed")),
        ("HTTP/1,1", Err("malformed")),
        ("HTTP/+1.1", Err("malformed")),
        ("ICAP/1.0", Err("malformed")),
    ] {
        let head = format!("GET / {version}\r\nHost: a.test\r\n\r\n");
        assert_eq!(asked(&head).map(|it| it.version), expected, "{version}");
    }
}

#[test]
fn section_3_2_targets_have_the_form_of_their_method() {
    for (method, target, expected) in [
        // Origin form.
        ("GET", "/", Ok("GET / HTTP/1.1")),
        ("GET", "//b.test/x", Ok("GET //b.test/x HTTP/1.1")),
        ("GET", "/a//b/../c", Ok("GET /a//b/../c HTTP/1.1")),
        ("GET", "/%2e%2e/%00", Ok("GET /%2e%2e/%00 HTTP/1.1")),
        ("GET", "/?", Ok("GET /? HTTP/1.1")),
        ("GET", "?x", Err("malformed")),
        ("GET", "x/y", Err("malformed")),
        ("GET", "\\x", Err("malformed")),
        ("GET", "/x#y", Err("malformed")),
        // Absolute form.
        ("GET", "http://a.test/x", Ok("GET /x HTTP/1.1")),
        ("GET", "https://a.test:443/x", Ok("GET /x HTTP/1.1")),
        ("GET", "hTTp://a.test/x", Ok("GET /x HTTP/1.1")),
        ("GET", "http:/a.test/x", Err("malformed")),
        ("GET", "http:a.test/x", Err("malformed")),
        ("GET", "http://", Err("host")),
        ("GET", "http:///x", Err("host")),
        ("GET", "http://a.test:port/x", Err("host")),
        ("GET", "http://a.test@b.test/x", Err("host")),
        ("GET", "http://a.test\\b/x", Err("host")),
        ("GET", "ws://a.test/x", Err("malformed")),
        ("GET", "file:///etc/passwd", Err("malformed")),
        // Authority form.
        ("CONNECT", "a.test:443", Err("malformed")),
        ("CONNECT", "/", Err("malformed")),
        ("CONNECT", "http://a.test/", Err("malformed")),
        ("GET", "a.test:443", Err("malformed")),
        // Asterisk form.
        ("OPTIONS", "*", Ok("OPTIONS * HTTP/1.1")),
        ("OPTIONS", "http://a.test", Ok("OPTIONS * HTTP/1.1")),
        ("OPTIONS", "**", Err("malformed")),
        ("OPTIONS", "*/x", Err("malformed")),
        ("GET", "*", Err("malformed")),
        ("POST", "*", Err("malformed")),
        ("options", "*", Err("malformed")),
    ] {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let line = asked(&head).map(|it| {
            let text = String::from_utf8(it.head).unwrap();
            text.lines().next().unwrap().to_owned()
        });
        assert_eq!(line.as_deref().map_err(|it| *it), expected, "{method} {target}");
    }
}

#[test]
fn section_5_fields_are_one_line_with_a_name_that_touches_its_colon() {
    for (line, expected) in [
        ("X: y", Ok("X: y")),
        ("X:y", Ok("X: y")),
        ("X:  \t y \t ", Ok("X: y")),
        ("X:", Ok("X: ")),
        ("X: a\tb", Ok("X: a\tb")),
        ("X: a:b", Ok("X: a:b")),
        ("!#$%&'*+-.^_`|~9: y", Ok("!#$%&'*+-.^_`|~9: y")),
        ("X : y", Err("malformed")),
        ("X\t: y", Err("malformed")),
        ("X y: z", Err("malformed")),
        ("X", Err("malformed")),
        ("X@: y", Err("malformed")),
        ("X[0]: y", Err("malformed")),
        ("X/: y", Err("malformed")),
        ("\"X\": y", Err("malformed")),
        ("X: y\r\n z", Err("malformed")),
        ("X: y\r\n\tz", Err("malformed")),
        ("X: y\r\n \r\nZ: a", Err("malformed")),
        ("X:\r\n y", Err("malformed")),
        ("X: \u{7f}", Err("malformed")),
        ("X: a\u{8}b", Err("malformed")),
        ("X: a\u{1b}[0m", Err("malformed")),
    ] {
        let head = posted(&format!("{line}\r\n")).map(|it| String::from_utf8(it.head).unwrap());
        let found = head.as_ref().map(|it| it.lines().nth(2).unwrap()).map_err(|it| *it);
        assert_eq!(found, expected, "{line:?}");
    }
}

#[test]
fn section_6_a_body_has_one_length() {
    let chunked = Ok(Framing::Chunked);
    for (lines, expected) in [
        ("", Ok(Framing::None)),
        ("Content-Length: 0\r\n", Ok(Framing::Length(0))),
        ("Content-Length: 007\r\n", Ok(Framing::Length(7))),
        ("content-LENGTH:7\r\n", Ok(Framing::Length(7))),
        ("Content-Length: \t7 \r\n", Ok(Framing::Length(7))),
        ("Content-Length: 999999999999999999\r\n", Ok(Framing::Length(999_999_999_999_999_999))),
        ("Content-Length: 9223372036854775808\r\n", Err("framing")),
        ("Content-Length: 18446744073709551616\r\n", Err("framing")),
        ("Content-Length: 18446744073709551621\r\n", Err("framing")),
        ("Content-Length: 4294967301\r\n", Ok(Framing::Length(4_294_967_301))),
        ("Content-Length: 5,\r\n", Err("framing")),
        ("Content-Length: ,5\r\n", Err("framing")),
        ("Content-Length: 5;q=1\r\n", Err("framing")),
        ("Content-Length: 5.0\r\n", Err("framing")),
        ("Content-Length: 5e0\r\n", Err("framing")),
        ("Content-Length: 1_0\r\n", Err("framing")),
        ("Content-Length: \"5\"\r\n", Err("framing")),
        ("Content-Length: \u{665}\r\n", Err("framing")),
        ("Content-Length: 5\r\nX: y\r\nContent-Length: 5\r\n", Err("framing")),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", Err("framing")),
        ("Content-Length: 0\r\nContent-Length: 0\r\n", Err("framing")),
        ("Content_Length: 5\r\n", Ok(Framing::None)),
        ("Transfer-Encoding: chunked\r\n", chunked),
        ("Transfer-Encoding: CHUNKED\r\n", chunked),
        ("transfer-encoding:chunked \r\n", chunked),
        ("Transfer-Encoding: chunked,\r\n", Err("framing")),
        ("Transfer-Encoding: ,chunked\r\n", Err("framing")),
        ("Transfer-Encoding: chunked, identity\r\n", Err("framing")),
        ("Transfer-Encoding: identity, chunked\r\n", Err("framing")),
        ("Transfer-Encoding: chunked, gzip\r\n", Err("framing")),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err("framing")),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Err("framing")),
        ("Transfer-Encoding: 'chunked'\r\n", Err("framing")),
        ("Transfer-Encoding: chunked\u{a0}\r\n", Err("framing")),
        ("Transfer-Encoding: chun\u{212a}ed\r\n", Err("framing")),
        ("Transfer-Encoding: chunke\r\n", Err("framing")),
        ("Transfer-Encoding: chunkedd\r\n", Err("framing")),
        ("Transfer-Encoding : chunked\r\n", Err("malformed")),
        ("Transfer-Encoding:\r\n chunked\r\n", Err("malformed")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Err("framing")),
        ("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", Err("framing")),
        ("Connection: content-length\r\nContent-Length: 5\r\n", Ok(Framing::Length(5))),
        ("Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", chunked),
    ] {
        let request = posted(lines);
        assert_eq!(request.as_ref().map(|it| it.framing).map_err(|it| *it), expected, "{lines:?}");
        let Ok(request) = request else { continue };
        // What is sent on says the same once.
        let head = String::from_utf8(request.head).unwrap().to_ascii_lowercase();
        let count = |name: &str| head.matches(&format!("\r\n{name}: ")).count();
        let both = (count("content-length"), count("transfer-encoding"));
        let expected = match request.framing {
            Framing::Length(_) => (1, 0),
            Framing::Chunked => (0, 1),
            _ => (0, 0),
        };
        assert_eq!(both, expected, "{lines:?}: {head}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(asked(old).map(|_| ()), Err("framing"));
}

/// Data and trailers of a body that has an end.
fn unpacked(body: &str) -> Result<(String, String), BadChunk> {
    let mut scanner = ChunkScanner::new();
    let mut data = Vec::new();
    let mut rest = body.as_bytes();
    loop {
        match scanner.next(&mut rest)? {
            Piece::Data(bytes) => data.extend_from_slice(bytes),
            Piece::More => return Err(BadChunk),
            Piece::End => break,
        }
    }
    assert!(rest.is_empty(), "{body:?}");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok((text(&data), text(scanner.trailers())))
}

#[test]
fn section_7_1_chunks_have_one_size() {
    let longest = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1024));
    for (body, expected) in [
        ("5\r\nhello\r\n0\r\n\r\n", Some("hello")),
        ("005\r\nhello\r\n000\r\n\r\n", Some("hello")),
        ("a\r\n0123456789\r\n0\r\n\r\n", Some("0123456789")),
        ("A\r\n0123456789\r\n0\r\n\r\n", Some("0123456789")),
        ("0\r\n\r\n", Some("")),
        // Extensions are passed over, whatever they say.
        ("5;a\r\nhello\r\n0\r\n\r\n", Some("hello")),
        ("5;a=b;c=\"d;e\"\r\nhello\r\n0;f\r\n\r\n", Some("hello")),
        ("5;\r\nhello\r\n0\r\n\r\n", Some("hello")),
        ("5;=\"\r\nhello\r\n0\r\n\r\n", Some("hello")),
        (&longest, Some("hello")),
        ("5 ;a\r\nhello\r\n0\r\n\r\n", None),
        ("5\t;a\r\nhello\r\n0\r\n\r\n", None),
        ("5;a\rb\r\nhello\r\n0\r\n\r\n", None),
        ("5;a\n\r\nhello\r\n0\r\n\r\n", None),
        ("5;\u{1}\r\nhello\r\n0\r\n\r\n", None),
        ("5;\u{7f}\r\nhello\r\n0\r\n\r\n", None),
        ("5,a\r\nhello\r\n0\r\n\r\n", None),
        ("5=a\r\nhello\r\n0\r\n\r\n", None),
        ("5h\r\nhello\r\n0\r\n\r\n", None),
        ("5\u{0}\r\nhello\r\n0\r\n\r\n", None),
        ("\u{665}\r\nhello\r\n0\r\n\r\n", None),
        ("0X5\r\nhello\r\n0\r\n\r\n", None),
        // Sizes that a smaller number would hold wrongly.
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", None),
        ("100000005\r\nhello\r\n0\r\n\r\n", None),
        ("8000000000000005\r\nhello\r\n0\r\n\r\n", None),
        ("00000000000000005\r\nhello\r\n0\r\n\r\n", None),
        // Ends that are none.
        ("5\r\nhello0\r\n\r\n", None),
        ("5\r\nhello\r\r\n0\r\n\r\n", None),
        ("5\r\nhello\n\r\n0\r\n\r\n", None),
        ("5\r\nhello\r\n0\r\n", None),
        ("5\r\nhello\r\n0\r\n\n", None),
        ("5\r\nhello\r\n0\n\r\n", None),
        ("5\r\nhello\r\n", None),
        ("5\r\nhel\r\n0\r\n\r\n", None),
    ] {
        let data = unpacked(body).ok().map(|it| it.0);
        assert_eq!(data.as_deref(), expected, "{body:?}");
    }
}

#[test]
fn section_7_1_2_trailers_are_fields_that_frame_nothing() {
    for (section, expected) in [
        ("X: y\r\n", Some("X: y\r\n")),
        ("X:y\r\nZ: a\r\n", Some("X: y\r\nZ: a\r\n")),
        // Of one hop, or of who the client is.
        ("TE: x\r\nConnection: x\r\nKeep-Alive: x\r\nX-Forwarded-For: 1\r\n", Some("")),
        ("Content-Length: 5\r\n", None),
        ("transfer-encoding: chunked\r\n", None),
        ("HOST: b.test\r\n", None),
        ("X : y\r\n", None),
        ("X: y\r\n z\r\n", None),
        ("X: y\n", None),
        ("X\r\n", None),
        (" X: y\r\n", None),
        ("X: \u{0}\r\n", None),
        ("GET / HTTP/1.1\r\n", None),
    ] {
        let trailers = unpacked(&format!("0\r\n{section}\r\n")).ok().map(|it| it.1);
        assert_eq!(trailers.as_deref(), expected, "{section:?}");
    }
}

#[test]
fn heads_fit_to_the_byte_and_to_the_field() {
    let start = "GET / HTTP/1.1\r\nHost: a.test\r\nX: ";
    let head = |fill: usize| format!("{start}{}\r\n\r\n", "y".repeat(fill));
    let fill = HEAD_BYTES_MAX - head(0).len();
    assert_eq!(asked(&head(fill)).unwrap().consumed, HEAD_BYTES_MAX);
    assert_eq!(asked(&head(fill + 1)).map(|_| ()), Err(Refusal::HEAD_TOO_LARGE.kind));
    let fields = |count: usize| posted(&"X: y\r\n".repeat(count)).map(|it| it.consumed);
    assert!(fields(HEAD_FIELDS_MAX - 1).is_ok());
    assert_eq!(fields(HEAD_FIELDS_MAX), Err(Refusal::HEAD_TOO_LARGE.kind));
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
    assert_eq!(asked(&target).map(|_| ()), Err(Refusal::HEAD_TOO_LARGE.kind));
}
