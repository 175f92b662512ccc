//! Why something was not done.

use serde::{Deserialize, Serialize};

/// Why something was not done, fit to journal and to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose move it is.
    pub blame: Blame,
    /// A lowercase fragment that reads on from "failed to …".
    pub message: String,
    /// What to try.
    pub hints: Vec<String>,
    /// What was seen: answers, log lines, exit codes.  Each may have several lines.
    pub evidence: Vec<String>,
}

/// Whose move it is.  Decides the exit code, whether a retry may help, and who is paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The command or the configuration.
    Request,
    /// The code that was to be deployed.
    Release,
    /// The disk, the network, the kernel, another program.
    Platform,
    /// A bug in this program.
    Us,
}

impl Failure {
    /// A failure without hints or evidence.
    pub fn new(blame: Blame, message: impl Into<String>) -> Failure {
        Failure { blame, message: message.into(), hints: vec![], evidence: vec![] }
    }

    /// The same, with one more thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// The same, with one more thing that was seen.
    #[must_use]
    pub fn evidence(mut self, evidence: impl Into<String>) -> Failure {
        self.evidence.push(evidence.into());
        self
    }
}
