//! Odd requests: a table of them, and changes of it by a sequence that is always the same.

use super::recorder::Seen;

/// What follows each case on its connection.
pub const SENTINEL: &[u8] = b"GET /sentinel HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// Made of the table.
const MUTATIONS: usize = 1500;

/// Lines about the length of a body, or of what is sent with it.
const FRAMINGS: [&str; 50] = [
    "Content-Length: 5",
    "Content-Length: 05",
    "Content-Length:5",
    "Content-Length: 5 ",
    "Content-Length: \t5",
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length: 0x5",
    "Content-Length: 5 5",
    "Content-Length: 5,5",
    "Content-Length: 5, 5",
    "Content-Length: 5;",
    "Content-Length: 5.0",
    "Content-Length: 5e0",
    "Content-Length: \"5\"",
    "Content-Length:",
    "Content-Length: 18446744073709551621",
    "Content-Length: 4294967301",
    "Content-Length : 5",
    "Content-Length\t: 5",
    " Content-Length: 5",
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 6\r\nContent-Length: 5",
    "Content-Length: 0\r\nContent-Length: 5",
    "Content_Length: 5",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 5\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding:chunked",
    "transfer-encoding: CHUNKED",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding:\u{b}chunked",
    "Transfer-Encoding: chunked\u{c}",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\r\n : chunked",
    "Transfer-Encoding:\r\n chunked",
    "X: y\rTransfer-Encoding: chunked",
];

/// Bodies of 5 bytes, as bytes and as chunks.
const BODIES: [&str; 2] = ["hello", "5\r\nhello\r\n0\r\n\r\n"];

const CHUNKS: [&str; 34] = [
    "0\r\n\r\n",
    "05\r\nhello\r\n0\r\n\r\n",
    "a\r\n0123456789\r\n00\r\n\r\n",
    "A\r\n0123456789\r\n0\r\n\r\n",
    "5;a\r\nhello\r\n0\r\n\r\n",
    "5;a=b\r\nhello\r\n0;c=\"d\"\r\n\r\n",
    "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
    "5 ;a\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\t\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5;a\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\rhello\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhelloX\r\n0\r\n\r\n",
    "5\r\nhell\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "5_\r\nhello\r\n0\r\n\r\n",
    "5,\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "00000000000000000005\r\nhello\r\n0\r\n\r\n",
    "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "\r\n5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
    "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
    "5\r\nhello\r\n0\r\n X: y\r\n\r\n",
];

const LINES: [&str; 42] = [
    "GET / HTTP/1.1",
    "GET /a?b=c HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET /  HTTP/1.1",
    "GET / HTTP/1.1 ",
    " GET / HTTP/1.1",
    "GET\t/ HTTP/1.1",
    "GET /\tHTTP/1.1",
    "GET /a b HTTP/1.1",
    "GET / HTTP/1.0",
    "GET / HTTP/1.2",
    "GET / HTTP/2.0",
    "GET / HTTP/0.9",
    "GET / HTTP/1.10",
    "GET / http/1.1",
    "GET / HTTP/1.1\r",
    "GET /",
    "GET",
    "get / HTTP/1.1",
    "G@T / HTTP/1.1",
    "GET /# HTTP/1.1",
    "GET /%00 HTTP/1.1",
    "GET /%zz HTTP/1.1",
    "GET /../../x HTTP/1.1",
    "GET //x//y HTTP/1.1",
    "GET /\\x HTTP/1.1",
    "GET /\u{e9} HTTP/1.1",
    "GET /\u{1} HTTP/1.1",
    "GET /\0 HTTP/1.1",
    "GET x HTTP/1.1",
    "GET * HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET http://a.test/x HTTP/1.1",
    "GET http://b.test/x HTTP/1.1",
    "GET HTTP://a.test HTTP/1.1",
    "GET http://a.test?x HTTP/1.1",
    "GET http:///x HTTP/1.1",
    "GET http://u@a.test/x HTTP/1.1",
    "GET ftp://a.test/x HTTP/1.1",
    "CONNECT a.test:443 HTTP/1.1",
    "GET a.test:443 HTTP/1.1",
    "PRI * HTTP/2.0",
];

const FIELDS: [&str; 34] = [
    "X: y",
    "X:y",
    "X:",
    "X : y",
    "X\t: y",
    "X y: z",
    "X",
    ": y",
    "X: y\r\n z",
    "X: y\r\n\tz",
    " X: y",
    "X: y\nZ: a",
    "X: y\rZ: a",
    "X: y\0",
    "X\0: y",
    "X: \u{1}",
    "X: \u{7f}",
    "X: \u{e9}",
    "\u{e9}: y",
    "X(: y",
    "X_Y: z",
    "Host: a.test",
    "Host: b.test",
    "host : b.test",
    "Connection: close",
    "Connection: host, content-length",
    "Connection: X\r\nX: y",
    "Connection: a, b\r\nConnection: c",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAA",
    "Expect: 100-continue",
    "Expect: nothing",
    "TE: chunked",
    "X-Forwarded-For: 1.2.3.4",
    "X: y\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test",
];

/// All of them, whole.
pub fn table() -> Vec<Vec<u8>> {
    let posted = |line: &str, body: &str| {
        format!("POST /p HTTP/1.1\r\nHost: a.test\r\n{line}\r\n\r\n{body}").into_bytes()
    };
    let framed = FRAMINGS.iter().flat_map(|line| BODIES.iter().map(|body| posted(line, body)));
    let chunked = CHUNKS.iter().map(|body| posted("Transfer-Encoding: chunked", body));
    let old = BODIES.iter().flat_map(|body| {
        ["Content-Length: 5", "Transfer-Encoding: chunked"].map(|line| {
            let text = format!("POST /p HTTP/1.0\r\nHost: a.test\r\n{line}\r\n\r\n{body}");
            text.into_bytes()
        })
    });
    let lines = LINES.iter().map(|line| format!("{line}\r\nHost: a.test\r\n\r\n").into_bytes());
    let fields = FIELDS
        .iter()
        .map(|line| format!("GET /f HTTP/1.1\r\nHost: a.test\r\n{line}\r\n\r\n").into_bytes());
    let hosts = ["", "Host:\r\n", "Host: a b\r\n", "Host: a/b\r\n", "Host: u@a\r\n"]
        .map(|line| format!("GET /h HTTP/1.1\r\n{line}\r\n").into_bytes());
    let before = ["\r\n", "\r\n\r\n", "\n", "\0", " "]
        .map(|start| format!("{start}GET /b HTTP/1.1\r\nHost: a.test\r\n\r\n").into_bytes());
    framed.chain(chunked).chain(old).chain(lines).chain(fields).chain(hosts).chain(before).collect()
}

/// Changes of one to three bytes.
pub fn mutations(table: &[Vec<u8>]) -> Vec<Vec<u8>> {
    const INTERESTING: &[u8] = b"\r\n\t \0:;,/?#x0159\x0b\x7f\xff";
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 20) as usize % below
    };
    (0..MUTATIONS)
        .map(|_| {
            let mut bytes = table[next(table.len())].clone();
            for _ in 0..=next(3) {
                let (at, byte) = (next(bytes.len()), INTERESTING[next(INTERESTING.len())]);
                match next(3) {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes
        })
        .collect()
}

/// Whether we may pass on a request that nginx refuses: it can be read in one way only, and nginx
/// has a word on what it asks for, or is stricter than RFC 9110.
pub fn may_pass(case: &[u8], request: &Seen) -> bool {
    let Seen { method, target, .. } = request;
    // Any token is a method; nginx knows capital letters.
    let is_unusual = !method.bytes().all(|it| it.is_ascii_uppercase() || b"_-".contains(&it));
    // It unpacks paths, and refuses what it cannot, or what leads out of the root.
    let is_unpacked = target.contains('%') || target.contains("..");
    // A tab may stand before a value as a space may.
    let has_tab = case.windows(2).any(|it| it == b":\t" || it == b" \t");
    is_unusual || is_unpacked || has_tab || (method == "OPTIONS" && target == "*")
}
