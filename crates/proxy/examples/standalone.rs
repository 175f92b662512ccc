//! The data plane by itself: `standalone --root DIR --listen 127.0.0.1:8080`, or more
//! addresses with commas between; `https://` before one is for TLS.
//!
//! Binds its listener itself, where the product's holder would hand it over.

use proxy::{ProxyError, ProxyOptions, SECURE};
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
        Some(addresses) => {
            let bound = addresses.split(',').map(bind).collect::<Result<Vec<_>, _>>()?;
            bound.into_iter().unzip()
        }
        None => proxy::listeners_from_environment()?,
    };
    let root = root.unwrap_or_else(|| PathBuf::from("."));
    proxy::run(ProxyOptions { root, listeners, addresses })
}

fn bind(address: &str) -> Result<(TcpListener, String), ProxyError> {
    let secure = address.strip_prefix(SECURE);
    let listener = TcpListener::bind(secure.unwrap_or(address))?;
    let prefix = if secure.is_some() { SECURE } else { "" };
    let address = format!("{prefix}{}", listener.local_addr()?);
    Ok((listener, address))
}
