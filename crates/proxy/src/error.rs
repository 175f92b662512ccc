//! Why the proxy could not run.

use std::io;
use std::path::PathBuf;

/// The proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Nothing to accept on.
    #[error("no listener was handed over: start the proxy through its holder")]
    NoListeners,
    /// `LISTEN_FDS` and `CUTOVER_LISTEN` do not say what was handed over.
    #[error("the environment does not describe the listeners: {0}")]
    Environment(String),
    /// The route files' directory cannot be used.
    #[error("the routes directory {path} cannot be used: {source}")]
    Routes {
        /// It.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The control socket cannot be bound.
    #[error("the control socket under {path} cannot be bound: {source}")]
    Control {
        /// The state directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// TLS cannot be spoken.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// Threads, timers or signals are not to be had.
    #[error("the system gives the proxy no threads or signals: {0}")]
    System(#[from] io::Error),
}
