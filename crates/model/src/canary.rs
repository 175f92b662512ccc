//! How `strategy: canary` moves requests to the new release: by shares, one after the other.

use crate::service::Millis;
use serde::{Deserialize, Serialize};

/// Stages of one service, at most.
pub const STAGES_MAX: usize = 10;

/// The shares of requests that the new release gets before it gets all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// In percent, 1 to 99, each more than the one before.
    pub stages: Vec<u8>,
    /// How long the release is watched at each.
    pub each: Millis,
}

impl Default for Canary {
    fn default() -> Canary {
        Canary { stages: vec![5, 25, 50], each: Millis::seconds(120) }
    }
}
