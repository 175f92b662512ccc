//! The route file: where one environment's traffic goes, and the only truth about it.
//!
//! The daemon stages a generation as `ENVIRONMENT.N.json`; the proxy compares it, renames it onto
//! `ENVIRONMENT.json` and puts it in force.  What is found as `ENVIRONMENT.json` was accepted.

mod disk;
mod fitness;
mod survivor;

pub use disk::{
    RouteFileError, generation_path, generations, live_path, marker_path, remove_abandoned,
    routes_directory,
};
pub(crate) use disk::{environment_of, read_marker};
pub use fitness::is_environment_name;
pub use survivor::survivor;
pub(crate) use survivor::{claimed_generation, is_outranked, read_own};

use serde::{Deserialize, Serialize};

/// The format this build writes and reads.
pub const FORMAT: u32 = 1;

/// All hosts, paths and targets of one environment, in one generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteFile {
    /// Always [`FORMAT`].
    pub format: u32,
    /// `PROJECT.ENVIRONMENT`: also the stem of the file's name.
    pub environment: String,
    /// Above every generation this environment ever had on disk.
    pub generation: u64,
    /// The epoch of the daemon that staged it; the proxy refuses one below the highest it saw.
    pub epoch: u64,
    /// The boot in which it was staged, from `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Host names, lower case, without a port.  `*` takes every host nobody else names.
    pub hosts: Vec<String>,
    /// Path prefixes on whole segments; the longest wins.  Empty: 503 with Retry-After.
    pub routes: Vec<Route>,
    /// Set where this generation is on probation.
    pub probation: Option<Probation>,
    /// Set where this generation confirms an earlier one.
    pub confirms: Option<Confirms>,
    /// Set where requests wait unread instead of being sent.
    pub hold: Option<Hold>,
    /// BLAKE3, in hexadecimal, of this value's JSON with an empty checksum.
    pub checksum: String,
}

/// One path prefix and the targets behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Starts with `/`.
    pub path: String,
    /// The service, for logs and counters.
    pub service: String,
    /// Where requests go, each with its weight.
    pub targets: Vec<RouteTarget>,
    /// Whether connections to the targets are kept for the next request.
    pub upstream_keepalive: bool,
    /// So many links lead others straight to the targets, where these listen at sockets: see
    /// [`crate::links`].  None: nobody is led past the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<u16>,
}

/// One instance that answers for a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteTarget {
    /// The instance's id: the key of its pool and its in-flight count.
    pub instance: String,
    /// `127.0.0.1:20001`, or `unix:` and the whole path of a socket.
    pub address: String,
    /// The release's id: the key of its counters.
    pub release: String,
    /// The release's version, for the log.
    pub version: String,
    /// Its share among the route's targets; 0 takes no new request.
    pub weight: u16,
    /// What the proxy answers with itself; the address is of no use then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
}

/// Files of a static service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// That of the release that serves first; in the others is looked for what a page of an
    /// earlier release may still ask for.
    pub roots: Vec<FilesRoot>,
    /// The absolute path of what all releases share: links of a release may lead there.
    pub shared: Option<String>,
    /// Answers for a directory.
    pub index: Option<String>,
    /// Answers for paths that are no file's.
    pub fallback: Option<String>,
}

/// A directory of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesRoot {
    /// The absolute path of the release: nothing outside it is served.
    pub release: String,
    /// Relative to the release; empty: all of it.
    pub directory: String,
}

/// The proxy itself returns to `fallback` if the generation proves unfit or nobody confirms it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probation {
    /// The generation to return to; on disk as `ENVIRONMENT.N.json`.
    pub fallback: u64,
    /// How long after the swap it ends, unless it is confirmed.
    pub expires_ms: u64,
}

/// The generation that is confirmed, and under which start of the proxy it was baked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirms {
    /// Must be in force when this is installed.
    pub generation: u64,
    /// The start nonce of the proxy that baked it.  Checked when it is asked, not on load.
    pub nonce: String,
}

/// Bounds of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// At most this many requests wait; the next gets 503 with Retry-After.
    pub requests_max: u32,
    /// At most this long; then 503 with Retry-After, even if the daemon is dead.
    pub wait_ms: u64,
}

/// The marker `ENVIRONMENT.fellback`: it outranks the generation it names, and any that confirms
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FellBack {
    /// The generation that was left.
    pub generation: u64,
    /// The generation that was returned to.
    pub fallback: u64,
    /// Why, in words for an operator.
    pub reason: String,
}
