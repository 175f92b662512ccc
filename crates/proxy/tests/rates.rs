//! Who sends more than it may.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::backend::Backend;
use common::http::Connection;
use common::tls::edge;
use common::{Proxy, shop, target};
use proxy::control::Ask;
use proxy::rate::Rate;
use proxy::trusted::{trusted_path, trusted_text};
use std::fs;

/// The statuses of so many requests with this field.
fn statuses(client: &mut Connection, field: &str, count: usize) -> Vec<u16> {
    let ask = |client: &mut Connection| {
        client.send(format!("GET / HTTP/1.1\r\nHost: shop.test\r\n{field}\r\n\r\n")).unwrap();
        client.response(false).unwrap().status
    };
    (0..count).map(|_| ask(client)).collect()
}

#[test]
fn a_client_that_sends_too_many_is_told_and_others_are_served() {
    let backend = Backend::named("a");
    let proxy = Proxy::start_both();
    proxy.put(shop(1, &[target("a-1", "r1", &backend.address)]), 0);
    fs::create_dir_all(proxy.root.join("proxy")).unwrap();
    fs::write(trusted_path(&proxy.root), trusted_text(&["127.0.0.1".to_owned()]).unwrap()).unwrap();
    proxy.ask(&Ask::Trust);
    // So slow that no test is long enough for another.
    let mut file = edge(&[]);
    file.rate = Some(Rate { per_second: 1, burst: 300 });
    proxy.put_edge(&file);
    let mut client = Connection::open(&proxy.address);
    let one = "X-Forwarded-For: 192.0.2.1";
    let answered = statuses(&mut client, one, 400);
    let served = answered.iter().filter(|it| **it == 200).count();
    assert!((300..399).contains(&served), "{served}");
    assert_eq!(answered[..300], [200; 300]);
    client.send(format!("GET / HTTP/1.1\r\nHost: shop.test\r\n{one}\r\n\r\n")).unwrap();
    let refused = client.response(false).unwrap();
    assert_eq!((refused.status, refused.field("retry-after")), (429, Some("1")));
    assert_eq!(refused.field("x-cutover-error"), Some("rate"));
    assert_eq!(backend.requests(), served as u64, "no other has come to it");
    // Who is another is served, and so is who verifies.
    assert_eq!(statuses(&mut client, "X-Forwarded-For: 192.0.2.2", 1), [200]);
    let verify = format!("{one}\r\nX-Cutover-Verify: {}", proxy.status().nonce);
    assert_eq!(statuses(&mut client, &verify, 3), [200; 3]);
    // What is read anew forgets nobody; another rate begins anew, and none is none.
    proxy.ask(&Ask::Edges);
    assert!(statuses(&mut client, one, 20).contains(&429));
    file.rate = None;
    proxy.put_edge(&file);
    assert_eq!(statuses(&mut client, one, 20), [200; 20]);
}
