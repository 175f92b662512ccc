//! Where an environment's traffic goes: what its route file says, in the model's words.

use crate::{
    files::ServedFiles,
    id::{Generation, InstanceId},
    instance::Instance,
    name::Name,
    service::Millis,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// All of an environment's traffic, in one generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// Its number.
    pub generation: Generation,
    /// Host names it answers to.
    pub hosts: Vec<String>,
    /// By path prefix; one without instances: 503, as before the first deployment.
    pub paths: Vec<PathRoute>,
    /// Set where requests wait in the proxy, since what the paths name may not run.
    pub hold: Option<Hold>,
}

/// One path prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathRoute {
    /// Starts with `/`; matches on whole segments, the longest wins.
    pub path: String,
    /// The service behind it.
    pub service: Name,
    /// Its instances.
    pub instances: Vec<Instance>,
    /// The share of each instance, in their order; empty: equal shares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<u16>,
    /// What the router answers with itself: then the instance is no process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<ServedFiles>,
    /// Whether the proxy keeps connections to them.
    pub upstream_keepalive: bool,
    /// So many links lead nginx straight to the instances; none: it goes by the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<u16>,
}

/// Bounds of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// At most this many requests wait.
    pub requests_max: u32,
    /// At most this long.
    pub wait: Millis,
}

/// A path prefix of a host: it belongs to one environment.  A longer one may be another's, which
/// then answers for what is below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// A host name, or `*`.
    pub host: String,
    /// Without a slash at its end; empty: all that no longer prefix takes.
    pub path: String,
}

impl Claim {
    /// What these hosts and path prefixes claim.  Hosts without a path answer for everything.
    pub fn all<'a>(hosts: &[String], paths: impl Iterator<Item = &'a str>) -> Vec<Claim> {
        let mut paths: Vec<&str> = paths.map(|it| it.trim_end_matches('/')).collect();
        if paths.is_empty() {
            paths.push("");
        }
        let of = |host: &String| {
            let claim = |path: &&str| Claim { host: host.clone(), path: (*path).to_owned() };
            paths.iter().map(claim).collect::<Vec<_>>()
        };
        hosts.iter().flat_map(of).collect()
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.host, if self.path.is_empty() { "/" } else { &self.path })
    }
}

impl Routes {
    /// Whether requests may reach the instance.
    pub fn leads_to(&self, instance: &InstanceId) -> bool {
        self.paths.iter().flat_map(|it| &it.instances).any(|it| it.id == *instance)
    }

    /// Whether the router answers for the instance itself, with files: it is no process.
    pub fn serves_files_of(&self, instance: &InstanceId) -> bool {
        let mut paths = self.paths.iter().filter(|it| it.files.is_some());
        paths.any(|it| it.instances.iter().any(|it| it.id == *instance))
    }

    /// The versions of earlier releases whose files stay reachable.
    pub fn earlier_files(&self) -> impl Iterator<Item = &str> {
        let files = self.paths.iter().filter_map(|it| it.files.as_ref());
        files.flat_map(|it| &it.earlier).map(|it| it.version.as_str())
    }

    /// Every instance that a path leads to, once each.
    pub fn instances(&self) -> Vec<&Instance> {
        let mut all: Vec<&Instance> = vec![];
        for instance in self.paths.iter().flat_map(|it| &it.instances) {
            if !all.iter().any(|it| it.id == instance.id) {
                all.push(instance);
            }
        }
        all
    }
}
