//! What the holder holds: `ROOT/proxy/holder.json`, written whole by the daemon.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The format this build writes and reads.
pub const FORMAT: u32 = 1;

/// The listeners to bind and the proxy to run with them.
///
/// The proxy is started as `PROGRAM proxy --root ROOT` with the listeners as descriptors 3, 4, …,
/// `LISTEN_FDS` saying how many and `CUTOVER_LISTEN` their addresses, joined by commas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolderSpec {
    /// Always [`FORMAT`].
    pub format: u32,
    /// The state directory.
    pub root: PathBuf,
    /// This very program.
    pub program: PathBuf,
    /// `127.0.0.1:8080`; port 0 lets the kernel choose.  `https://` stands before those for TLS.
    pub listen: Vec<String>,
}
