//! From what came back to what we think of it.

use crate::{health_document::HealthDocument, service::HealthSpec};

/// What one asking came back with, free of any opinion on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// An HTTP answer.
    Answered {
        /// Its status.
        status: u16,
        /// What was read of its body.
        body: Vec<u8>,
    },
    /// The port accepted.
    Connected,
    /// A command ended.
    Ended {
        /// Its exit code; none: by a signal.
        code: Option<i32>,
    },
    /// Nothing came back, in words.
    Silent {
        /// Why.
        why: String,
    },
}

/// What we think of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may serve.
    Healthy,
    /// Ask again.
    Undecided,
    /// Given up.
    Unhealthy {
        /// The last reason.
        why: String,
    },
}

/// Counts passes in a row, and failures, until it can be decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthWatch {
    passes: u32,
    failures: u32,
}

impl HealthWatch {
    /// Takes one more observation into account.  `wanted` is the HTTP status that passes.
    pub fn seen(&mut self, spec: &HealthSpec, wanted: u16, seen: &Observation) -> Verdict {
        match trouble(wanted, seen) {
            None => {
                self.passes += 1;
                if self.passes >= spec.successes.max(1) {
                    return Verdict::Healthy;
                }
                Verdict::Undecided
            }
            Some(why) => {
                self.passes = 0;
                self.failures += 1;
                if self.failures >= spec.tries.max(1) {
                    return Verdict::Unhealthy { why };
                }
                Verdict::Undecided
            }
        }
    }
}

/// Why an observation is no pass, if it is none.
pub fn trouble(wanted: u16, seen: &Observation) -> Option<String> {
    match seen {
        Observation::Connected | Observation::Ended { code: Some(0) } => None,
        Observation::Ended { code: Some(code) } => Some(format!("it ended with {code}")),
        Observation::Ended { code: None } => Some("it was ended by a signal".to_owned()),
        Observation::Silent { why } => Some(why.clone()),
        Observation::Answered { status, body } if *status == wanted => {
            HealthDocument::read(body)?.against_switch()
        }
        Observation::Answered { status, body } => {
            let said = HealthDocument::read(body).and_then(|it| it.against_switch());
            let said = said.map(|it| format!(": {it}")).unwrap_or_default();
            Some(format!("it answered {status} instead of {wanted}{said}"))
        }
    }
}
