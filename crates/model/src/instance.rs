//! One running copy of a release of a service.

use crate::{
    id::{InstanceId, ReleaseId},
    name::{EnvironmentId, Name},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything by which an instance is addressed; chosen in the plan, so a repeat finds the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// `PROJECT.ENVIRONMENT.SERVICE.NUMBER.XXXXXXXX`, the last from the deployment's id.
    pub id: InstanceId,
    /// Its environment.
    pub environment: EnvironmentId,
    /// Its service.
    pub service: Name,
    /// Its release; command, environment and limits are read from there.
    pub release: ReleaseId,
    /// The release's version.
    pub version: String,
    /// 1, 2, …
    pub number: u16,
    /// Blue or green: the other one than what serves now.
    pub slot: Slot,
    /// Where it answers on 127.0.0.1; none: it has no traffic, or answers at a socket.
    pub port: Option<u16>,
    /// Whether it answers at a Unix socket of its own, whose path the host makes of its id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub socket: bool,
}

impl Instance {
    /// Whether it takes connections, at a port or at a socket.
    pub fn listens(&self) -> bool {
        self.socket || self.port.is_some()
    }

    /// `127.0.0.1:PORT`; none: it has no port.
    pub fn address(&self) -> Option<String> {
        self.port.map(|it| format!("127.0.0.1:{it}"))
    }
}

/// Which of the two alternating places a release takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The first.
    #[default]
    Blue,
    /// The second.
    Green,
}

impl Slot {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Slot {
        match self {
            Slot::Blue => Slot::Green,
            Slot::Green => Slot::Blue,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Slot::Blue => "blue",
            Slot::Green => "green",
        })
    }
}
