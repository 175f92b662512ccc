//! A request's head: what is sent on has one meaning, and it is the one that we took.

use proxy::http1::request::{Peer, Request, read};

const PEER: Peer<'_> = Peer { address: "192.0.2.7", scheme: "http", trusted: None };
/// More than the fields that we add.
const ADDED_FIELDS_MAX: usize = 12;
const FIELDS_MAX: usize = proxy::limits::HEAD_FIELDS_MAX + ADDED_FIELDS_MAX;

/// Panics where it does not hold for these bytes.
pub fn hold(bytes: &[u8]) {
    let Ok(Some(request)) = read(bytes, &PEER) else { return };
    let head = &bytes[..request.consumed];
    assert!(head.ends_with(b"\r\n\r\n"), "it ends where an empty line is");
    // What follows a head does not change it, and no part of it is one.
    same(&request, &read(head, &PEER).expect("read before").expect("whole"));
    for end in [head.len() - 1, head.len() / 2] {
        assert!(!matches!(read(&head[..end], &PEER), Ok(Some(_))), "a part is taken for all");
    }
    for keep_alive in [true, false] {
        let mut sent = Vec::new();
        request.finish(&mut sent, keep_alive);
        has_one_meaning(&sent);
        if let Ok(again) = read(&sent, &PEER) {
            let again = again.expect("what is sent on is whole");
            assert_eq!(again.consumed, sent.len(), "nothing is behind its end");
            same(&request, &again);
        }
    }
}

fn same(one: &Request, other: &Request) {
    let facts =
        |it: &Request| (it.framing, it.host.clone(), it.method().to_owned(), it.path().to_owned());
    assert_eq!(facts(one), facts(other));
    assert_eq!(one.query(), other.query());
    assert_eq!(one.upgrade, other.upgrade);
}

fn has_one_meaning(sent: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    let complete = parsed.parse(sent).expect("another parser takes it");
    assert_eq!(complete, httparse::Status::Complete(sent.len()), "as one request");
    let count =
        |name: &str| parsed.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name)).count();
    assert_eq!(count("host"), 1);
    assert!(count("content-length") + count("transfer-encoding") <= 1);
    assert!(count("connection") <= 1 && count("te") == 0 && count("x-cutover-verify") == 0);
    for (at, byte) in sent.iter().enumerate() {
        match byte {
            b'\n' => assert_eq!(sent[at - 1], b'\r', "a line ends with CRLF"),
            b'\r' => assert_eq!(sent[at + 1], b'\n', "no CR stands alone"),
            b'\t' | b' '.. => {}
            other => panic!("a byte that is none of a head: {other}"),
        }
    }
}
