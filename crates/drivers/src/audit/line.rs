//! One line, and what seals it.

use model::{id::DeploymentId, journal::Outcome, name::EnvironmentId};
use serde::{Deserialize, Serialize};

/// What is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Unix time in ms.
    pub at_ms: u64,
    /// The user of the process that asked, as the kernel says; none: the controller itself.
    pub uid: Option<u32>,
    /// Who asked, in his own words: the CI actor, the SSH user or the user.
    pub by: Option<String>,
    /// Of which environment.
    pub environment: Option<EnvironmentId>,
    /// For which deployment.
    pub deployment: Option<DeploymentId>,
    /// What.
    pub happened: Happened,
}

/// Something worth a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Happened {
    /// A change was asked for; written before it is looked at.
    Asked {
        /// Such as `deploy 1.2.0`.
        what: String,
        /// What it was to go on in spite of, and why, as far as was told.
        reason: Option<String>,
    },
    /// It was not done.
    Refused {
        /// What had been asked.
        what: String,
        /// What the asker was told.
        why: String,
    },
    /// A deployment came to its end.
    Ended {
        /// How.
        outcome: Outcome,
    },
}

/// An entry in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// From 1, without a gap.
    pub(super) number: u64,
    pub(super) entry: Entry,
    /// BLAKE3, in hex, of the seal before, the number and the entry.
    pub(super) seal: String,
}

impl Line {
    /// The next line after one of this number and seal.
    pub(super) fn after(number: u64, seal: &str, entry: Entry) -> Line {
        let number = number + 1;
        let seal = sealed(seal, number, &entry);
        Line { number, entry, seal }
    }

    /// Whether it is what was written after the line with that seal.
    pub(super) fn follows(&self, seal: &str) -> bool {
        self.seal == sealed(seal, self.number, &self.entry)
    }
}

fn sealed(before: &str, number: u64, entry: &Entry) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before.as_bytes());
    hasher.update(&number.to_le_bytes());
    // Of plain fields only, in the order of their declaration: this cannot fail.
    hasher.update(&serde_json::to_vec(entry).unwrap_or_default());
    hasher.finalize().to_hex().to_string()
}
