//! Ports for tests.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    sync::Mutex,
};

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

const TRIES: u32 = 100;

/// A TCP port on 127.0.0.1 that is free now and that this process has not given out before.
/// Another process may still take it: where the tested thing can bind port 0, let it.
///
/// # Panics
/// If the system gives no port.
pub fn free() -> u16 {
    for _ in 0..TRIES {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port exists");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let mut given = GIVEN.lock().expect("no holder of this lock panics");
        if given.insert(port) {
            return port;
        }
    }
    panic!("the system gave the same ports {TRIES} times over");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_port_once() {
        let ports: BTreeSet<u16> = (0..20).map(|_| free()).collect();
        assert_eq!(ports.len(), 20);
    }
}
