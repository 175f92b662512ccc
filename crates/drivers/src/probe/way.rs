//! A connection to where something answers: at a port, or at a Unix socket.

use proxy::address::UNIX;
use std::{io, path::Path};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// What bytes go through.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Opens one to `ADDRESS:PORT` or `unix:PATH`.
pub(super) async fn to(address: &str) -> io::Result<Box<dyn Bytes>> {
    Ok(match address.strip_prefix(UNIX) {
        Some(path) => Box::new(proxy::address::connect(Path::new(path)).await?),
        None => Box::new(TcpStream::connect(address).await?),
    })
}
