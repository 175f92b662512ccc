//! Two readings of what we passed on: one that knows a single form of everything, and hyper's.

use super::recorder::{Bytes, Seen};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;

/// The first request, and where it ends; none where it has no end yet.
pub fn first(bytes: &[u8]) -> Option<(Seen, usize)> {
    let head_end = find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..head_end]);
    let mut words = head.lines().next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let field = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let (body, end) = if field("transfer-encoding").is_some() {
        chunks(bytes, head_end)?
    } else {
        let length: usize = field("content-length").map_or(0, |it| it.parse().unwrap());
        (bytes.get(head_end..head_end + length)?.to_vec(), head_end + length)
    };
    Some((Seen { method, target, body }, end))
}

fn chunks(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    loop {
        let line = at + find(&bytes[at..], b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        at = line + 2;
        if size == 0 {
            break;
        }
        body.extend_from_slice(bytes.get(at..at + size)?);
        assert_eq!(bytes.get(at + size..at + size + 2)?, b"\r\n");
        at += size + 2;
    }
    loop {
        let line = at + find(&bytes[at..], b"\r\n")?;
        let is_last = line == at;
        at = line + 2;
        if is_last {
            return Some((body, at));
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}

/// Panics where a connection of ours carried anything but one request, or the start of one.
pub fn is_one_request(bytes: &Bytes) {
    // What was refused after all needs no connection any more.
    if bytes.all.is_empty() {
        return;
    }
    let told = String::from_utf8_lossy(&bytes.all).into_owned();
    let head = &told[..told.find("\r\n\r\n").map_or(told.len(), |it| it + 2)];
    let head = head.to_ascii_lowercase();
    let count = |name: &str| head.matches(&format!("\r\n{name}:")).count();
    assert!(count("content-length") + count("transfer-encoding") <= 1, "{told}");
    assert_eq!(count("host"), 1, "{told}");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "{told:?}");
    let Some(end) = bytes.end else { return };
    assert_eq!(end, bytes.all.len(), "something is behind its end: {told}");
    let (seen, _) = first(&bytes.all).unwrap();
    assert_eq!(by_hyper(&bytes.all), [seen], "{told}");
}

/// The requests that hyper's server sees in these bytes.
fn by_hyper(bytes: &[u8]) -> Vec<Seen> {
    let seen: Rc<RefCell<Vec<Seen>>> = Rc::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let noted = seen.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        let noted = noted.clone();
        async move {
            let method = request.method().to_string();
            let target = request.uri().to_string();
            let body = request.into_body().collect().await;
            let body = body.map(|it| it.to_bytes().to_vec()).unwrap_or(b"broken".to_vec());
            noted.borrow_mut().push(Seen { method, target, body });
            Ok::<_, Infallible>(Response::new(Empty::<hyper::body::Bytes>::new()))
        }
    });
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(bytes.len().max(1) * 2 + 4096);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.half_close(true);
        // It may complain of the end; what it saw is seen.
        let _ended = builder.serve_connection(TokioIo::new(server), answer).await;
    });
    let seen = seen.borrow();
    seen.clone()
}
