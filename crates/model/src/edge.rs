//! What the proxy does of itself for an environment's hosts.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Before the address of a listener whose clients begin with a TLS handshake.
pub const SECURE: &str = "https://";

/// What the proxy does of itself for an environment's hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edge {
    /// By host; `*.shop.example` stands for every name with one label more.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<String, CertificateFiles>,
    /// Clear requests are led to TLS, where a host has a certificate.
    pub redirect: bool,
    /// How long clients are told to use TLS only, in seconds; 0: nothing is said.
    pub hsts_s: u64,
    /// Responses get the headers that tell browsers to be careful, where they lack them.
    pub protects: bool,
    /// How requests are logged; none: they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLog>,
    /// How many requests each client may send; none: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Whose certificates an authority issues; none: nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
}

/// How many requests a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once, after it was quiet.
    pub burst: u32,
}

/// Which authority issues certificates, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// Each gets one of its own.
    pub hosts: BTreeSet<String>,
    /// The address of its directory: `https://…`.
    pub directory: String,
    /// Where it may write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A file of certificates in PEM, one of which signs that of the directory; none: the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// How it is proved whose a host is.
    pub challenge: Challenge,
}

/// How it is proved to an authority whose a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Challenge {
    /// It asks by clear HTTP, at port 80.
    Http,
    /// It asks by a TLS handshake, at port 443.
    TlsAlpn,
}

/// How a line of the access log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessLog {
    /// Words with spaces between.
    Text,
    /// One object a line.
    Json,
}

/// Where a certificate and its key are, from the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// PEM, with those that lead to a trusted one.
    pub certificate: String,
    /// PEM.
    pub key: String,
}

/// Whether a name of a certificate covers `host`: `*.` stands for one label.
pub fn covers(name: &str, host: &str) -> bool {
    let rest = || host.split_once('.').map(|(_, rest)| rest);
    name == host || name.strip_prefix("*.").is_some_and(|parent| rest() == Some(parent))
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(covers("a.test", "a.test") && covers("*.test", "a.test"));
        assert!(!covers("*.test", "test") && !covers("*.test", "a.b.test"));
        assert!(!covers("a.test", "b.test"));
    }
}
