//! The daemon's Unix socket, open to its own user and root only.

mod peer;

pub use peer::Peer;

use axum::serve::Listener;
use peer::PeerStream;
use rustix::net::sockopt::socket_peercred;
use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::net::{UnixListener, UnixStream};

/// After an accept failed for want of descriptors, others get this long to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts peers of our own user, and root.
pub struct PeerListener {
    listener: UnixListener,
    uid: u32,
}

impl PeerListener {
    /// Binds `ROOT/daemon.sock` under another name and renames it, so that it is never half there.
    ///
    /// # Errors
    ///
    /// Where it cannot be bound or renamed.
    pub fn bind(root: &Path) -> io::Result<PeerListener> {
        // Through the descriptor, the path stays short however long the root is.
        let directory = fs::File::open(root)?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        let (temporary, name) = (short.join("daemon.sock.new"), short.join("daemon.sock"));
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        let listener = UnixListener::bind(&temporary)?;
        fs::rename(&temporary, &name)?;
        Ok(PeerListener { listener, uid: rustix::process::getuid().as_raw() })
    }

    /// Its user, where that may ask.
    fn admit(&self, stream: &UnixStream) -> Option<u32> {
        let uid = socket_peercred(stream.as_fd()).ok()?.uid.as_raw();
        (uid == self.uid || uid == 0).then_some(uid)
    }
}

impl Listener for PeerListener {
    type Io = PeerStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (PeerStream, Peer) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => match self.admit(&stream) {
                    Some(uid) => return peer::of(stream, uid, uid == self.uid),
                    None => tracing::warn!("refused a peer of another user"),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::default())
    }
}
