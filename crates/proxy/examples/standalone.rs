//! The data plane by itself: `standalone --root DIR --listen 127.0.0.1:8080`.
//!
//! Binds its listener itself, where the product's holder would hand it over.

use proxy::{ProxyError, ProxyOptions};
use std::net::TcpListener;
use std::path::PathBuf;

fn main() -> Result<(), ProxyError> {
    let mut root = None;
    let mut listen = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--root" => root = arguments.next().map(PathBuf::from),
            "--listen" => listen = arguments.next(),
            _ => {}
        }
    }
    let (listeners, addresses) = match listen {
        Some(address) => {
            let listener = TcpListener::bind(&address)?;
            let address = listener.local_addr()?.to_string();
            (vec![listener], vec![address])
        }
        None => proxy::listeners_from_environment()?,
    };
    let root = root.unwrap_or_else(|| PathBuf::from("."));
    proxy::run(ProxyOptions { root, listeners, addresses })
}
