//! Requests and responses in all their shapes.

mod common;

use common::backend::{Backend, Then, respond};
use common::http::{Connection, checksum, get};
use common::{Proxy, shop, target};

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
