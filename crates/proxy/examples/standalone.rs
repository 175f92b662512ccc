//! The data plane by itself: `standalone --root DIR --listen 127.0.0.1:8080`, or more
//! addresses with commas between; `https://` before one is for TLS.  With `--inherit` in the place
//! of `--listen` it takes the listeners of the proxy that runs there.
//!
//! Binds its listener itself, where the product's holder would hand it over.

use proxy::{ProxyError, ProxyOptions, SECURE};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn main() -> Result<(), ProxyError> {
    let mut root = None;
    let mut listen = None;
    let mut inherits = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--root" => root = arguments.next().map(PathBuf::from),
            "--listen" => listen = arguments.next(),
            "--inherit" => inherits = true,
            _ => {}
        }
    }
    let root = root.unwrap_or_else(|| PathBuf::from("."));
    let (listeners, addresses) = match listen {
        Some(addresses) => {
            let bound = addresses.split(',').map(bind).collect::<Result<Vec<_>, _>>()?;
            bound.into_iter().unzip()
        }
        None if inherits => inherit(&root)?,
        None => proxy::listeners_from_environment()?,
    };
    let waits = proxy::is_to_wait();
    proxy::run(ProxyOptions { root, listeners, addresses, waits })
}

/// From the proxy that runs, where the product's holder would have kept them.
fn inherit(root: &Path) -> Result<(Vec<TcpListener>, Vec<String>), ProxyError> {
    let listeners = proxy::client::listeners(root, Duration::from_secs(5));
    listeners.map_err(|error| ProxyError::Environment(error.to_string()))
}

fn bind(address: &str) -> Result<(TcpListener, String), ProxyError> {
    let secure = address.strip_prefix(SECURE);
    let listener = TcpListener::bind(secure.unwrap_or(address))?;
    let prefix = if secure.is_some() { SECURE } else { "" };
    let address = format!("{prefix}{}", listener.local_addr()?);
    Ok((listener, address))
}
