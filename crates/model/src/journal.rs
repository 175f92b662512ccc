//! What was done: the lines of the journal, and what they sum up to.

use crate::{
    failure::Failure,
    plan::{Plan, Step},
};
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
        /// What was found, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<String>,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl Status {
    /// The status after `event`, or `None` where no sound executor could have written it.
    #[must_use]
    pub fn after(self, event: &Event) -> Option<Status> {
        match (self, event) {
            (Status::Pending, Event::Began { attempt: 1 }) => Some(Status::Running { attempt: 1 }),
            (Status::Running { attempt: last }, Event::Began { attempt })
                if *attempt == last + 1 && *attempt <= ATTEMPTS_MAX =>
            {
                Some(Status::Running { attempt: *attempt })
            }
            (Status::Running { .. }, Event::Done) => Some(Status::Done),
            (Status::Running { .. }, Event::Failed(_))
            | (Status::Running { .. } | Status::Done, Event::FellBack(_)) => Some(Status::Failed),
            // A running step is undone after an abort, or when it spent its attempts.  One whose
            // undo failed is undone again when an operator asked for it.
            (
                Status::Running { .. } | Status::Done | Status::Failed | Status::Stuck,
                Event::UndoBegan,
            ) => Some(Status::Undoing),
            (Status::Undoing, Event::Undone) => Some(Status::Undone),
            (Status::Running { .. }, Event::Unclear(_))
            | (Status::Undoing, Event::UndoFailed(_)) => Some(Status::Stuck),
            _ => None,
        }
    }

    /// Whether a crash in the midst of the attempt leaves another one.
    pub(crate) fn attempts_left(self) -> bool {
        !matches!(self, Status::Running { attempt: ATTEMPTS_MAX.. })
    }

    pub(crate) fn failed(self) -> bool {
        self == Status::Failed || !self.attempts_left()
    }
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

    /// The ledger after `record`, or `None` where no sound executor could have written it.
    #[must_use]
    pub fn after(mut self, record: &Record) -> Option<Ledger> {
        match record {
            Record::AbortAsked => self.abort_asked = true,
            Record::Baked { nonce, .. } => self.nonce = Some(nonce.clone()),
            Record::Step(at, event) => {
                let status = self.statuses.get_mut(*at)?;
                *status = status.after(event)?;
            }
        }
        Some(self)
    }

    /// The last switch that was done, where the traffic may be on probation by it: it is not yet
    /// confirmed.
    pub fn on_probation(&self, plan: &Plan) -> Option<usize> {
        let switched = |at: &usize| {
            matches!(plan.steps[*at], Step::Switch { .. }) && self.statuses[*at] == Status::Done
        };
        (0..plan.commit).rev().find(switched).filter(|_| !self.committed(plan))
    }

    /// Whether the deployment only goes forward from here.
    pub fn committed(&self, plan: &Plan) -> bool {
        self.statuses[..plan.commit].iter().all(|it| *it == Status::Done)
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
