//! Identifiers that are chosen once, in a plan or by the command line, and never reused.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One attempt to take an environment from one release to another: a ULID made by the command line,
/// so that a retry is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(pub String);

/// Immutable content and resolved configuration: the id of the deployment that made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseId(pub String);

/// One running copy of a release of a service: the name of its directory under `run/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub String);

/// One version of an environment's routes.  Only rises, and no number is used twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// One life of the controller; a lower one is refused by journal, proxy and supervise.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl DeploymentId {
    /// Whether it is a ULID: 26 characters of Crockford's base 32, upper case.
    pub fn is_well_formed(&self) -> bool {
        let crockford = |it: u8| it.is_ascii_alphanumeric() && !b"ILOUilou".contains(&it);
        self.0.len() == 26 && self.0.bytes().all(|it| crockford(it) && !it.is_ascii_lowercase())
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
