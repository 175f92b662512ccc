//! What was done: the lines of the journal, and what they sum up to.

use crate::{failure::Failure, plan::Plan};
use serde::{Deserialize, Serialize};

/// Attempts at a step that may end without an outcome, by a crash, before it counts as failed.
pub const ATTEMPTS_MAX: u8 = 5;

/// One line of the journal about one deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// About the step at this index of the plan.
    Step(usize, Event),
    /// Somebody asked to turn back.
    AbortAsked,
    /// The bake ended well under this start of the proxy.
    Baked {
        /// The proxy's start nonce.
        nonce: String,
    },
}

/// What the journal says of one step: the intent before it is acted on, then what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is about to be acted on.
    Began {
        /// From 1.
        attempt: u8,
    },
    /// It took effect.
    Done,
    /// It did not, or not wholly.
    Failed(Failure),
    /// Nobody can say whether it was done.
    Unclear(Failure),
    /// The proxy went back to the old release by itself.
    FellBack(Failure),
    /// It is about to be undone.
    UndoBegan,
    /// Nothing of it is left in force.
    Undone,
    /// It may still be in force.
    UndoFailed(Failure),
}

/// Where a step stands: the sum of its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not begun.
    #[default]
    Pending,
    /// Begun.  Seen by `next`, it means that the attempt has not, and will not, come to an outcome.
    Running {
        /// From 1.
        attempt: u8,
    },
    /// Took effect.
    Done,
    /// Did not, or not wholly.
    Failed,
    /// Being undone.
    Undoing,
    /// Not in force any more.
    Undone,
    /// It, or its undo, ended in a state that we do not know.  Only an operator may go on.
    Stuck,
}

/// What the journal says of a deployment: all that `next` may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// By the plan's indices.
    pub statuses: Vec<Status>,
    /// Somebody asked to turn back.
    pub abort_asked: bool,
    /// Of the last good bake.
    pub nonce: Option<String>,
}

impl Ledger {
    /// Before anything was done.
    pub fn new(plan: &Plan) -> Ledger {
        let statuses = vec![Status::default(); plan.steps.len()];
        Ledger { statuses, abort_asked: false, nonce: None }
    }
}

/// How a deployment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new release serves, and the old one was cleared up after.
    Deployed,
    /// The new release serves, but clearing up after the old one did not end.
    DeployedUntidy,
    /// A check before any change failed: nothing was touched.
    Refused,
    /// Ended before the switch; the old release served throughout.
    Aborted,
    /// Ended at or after the switch; the old release serves again.
    RolledBack,
    /// Stopped in a state that an operator must look at; `status` says what serves.
    NeedsAttention,
}

impl Outcome {
    /// The exit code that tells it.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Deployed | Outcome::DeployedUntidy => 0,
            Outcome::Refused => 2,
            Outcome::Aborted => 3,
            Outcome::RolledBack => 4,
            Outcome::NeedsAttention => 5,
        }
    }
}
