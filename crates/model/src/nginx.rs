//! What nginx is told where it stands in front: from host names and paths to the text of its files.
//!
//! Pure and deterministic: the same [`Front`] comes to the same bytes.  All words in it were judged
//! by who read them; [`text::is_plain`] says which may stand in a file of nginx at all.

pub mod text;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that nginx does for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// Addresses and ports of clear HTTP.
    pub listen: Vec<String>,
    /// Where TLS is ended, and by which certificates; None: nowhere.
    pub tls: Option<Tls>,
    /// Who answers the challenges of a certificate authority.
    pub challenges: Option<Challenges>,
    /// Whether hosts that nobody names are answered by us, with 404, or left to others.
    pub answers_others: bool,
    /// A request's body may have so many; 0: any number.
    pub body_bytes_max: u64,
    /// Groups of servers, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// By host name; `*` is every host that nobody else names.
    pub hosts: BTreeMap<String, Vec<Location>>,
}

/// Certificates of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Addresses and ports.
    pub listen: Vec<String>,
    /// The chain's path; `{domain}` stands for the host.
    pub certificate: String,
    /// The key's path; `{domain}` stands for the host.
    pub key: String,
}

/// Who answers below `/.well-known/acme-challenge/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenges {
    /// Files below this directory.
    Directory(String),
    /// A program that listens at this address.
    Address(String),
}

/// Servers of which any may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// `ADDRESS:PORT`, `NAME:PORT` or `unix:PATH`; they take turns.
    pub servers: Vec<String>,
    /// Asked where none of them answers.
    pub standby: Option<String>,
    /// Whether connections to it are kept.
    pub keepalive: bool,
}

/// A path of a host, and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Without a slash at its end; empty: all that no longer one takes.
    pub path: String,
    /// The name of an [`Upstream`].
    pub upstream: String,
}

/// One file to be included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NginxFile {
    /// `conf.d/DOMAIN.conf` or `base/…`.
    pub path: String,
    /// All of it, but for the line that says its hash.
    pub text: String,
}

/// nginx as it stands in front of an environment: where our files lie for it, and where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontSpec {
    /// The directory of the files that we write for it.
    pub directory: String,
    /// The program and its arguments.
    pub program: Vec<String>,
    /// Addresses and ports of clear HTTP.
    pub listen: Vec<String>,
    /// Of TLS; empty: it ends none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen_tls: Vec<String>,
}
