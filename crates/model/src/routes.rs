//! Where an environment's traffic goes: what its route file says, in the model's words.

use crate::{
    id::{Generation, InstanceId},
    instance::Instance,
    name::Name,
    service::Millis,
};
use serde::{Deserialize, Serialize};

/// All of an environment's traffic, in one generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// Its number.
    pub generation: Generation,
    /// Host names it answers to.
    pub hosts: Vec<String>,
    /// By path prefix; empty: 503, as before the first deployment.
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
    /// Its instances, each with an equal share.
    pub instances: Vec<Instance>,
    /// Whether the proxy keeps connections to them.
    pub upstream_keepalive: bool,
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

impl Routes {
    /// Whether requests may reach the instance.
    pub fn leads_to(&self, instance: &InstanceId) -> bool {
        self.paths.iter().flat_map(|it| &it.instances).any(|it| it.id == *instance)
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
