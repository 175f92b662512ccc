//! What to do now, from the plan and the sum of its journal.

use crate::{
    journal::{Ledger, Outcome, Status},
    plan::{Kind, Plan, Step},
};

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Record that it began, act, record what came of it.
    Act {
        /// By the plan's indices.
        step: usize,
        /// To record.
        attempt: u8,
    },
    /// Record that its undo began, undo it, record what came of it.
    Undo {
        /// By the plan's indices.
        step: usize,
    },
    /// Nothing is left to do.
    Finish(Outcome),
}

/// Decides what to do now, from the plan and its ledger.
///
/// Running a deployment, resuming it after a crash, aborting it and rolling it back are all the
/// same question asked again.
///
/// # Panics
///
/// Where the ledger is not this plan's.
pub fn next(plan: &Plan, ledger: &Ledger) -> Next {
    assert_eq!(plan.steps.len(), ledger.statuses.len(), "the ledger is of another plan");
    let (advance, settle) = ledger.statuses.split_at(plan.commit);

    // A step whose undo failed may still be in force: undoing what it stands on could take the
    // service down, so nothing more is touched.  The proxy ends the probation by itself.
    if advance.contains(&Status::Stuck) {
        return Next::Finish(Outcome::NeedsAttention);
    }
    if unwinds(plan, ledger) {
        let last = advance.iter().rposition(|it| !matches!(it, Status::Pending | Status::Undone));
        return match last {
            Some(step) => Next::Undo { step },
            None => Next::Finish(unwound(plan, ledger, advance)),
        };
    }
    let open = |it: &Status| matches!(it, Status::Pending | Status::Running { .. });
    let todo = |it: &Status| open(it) && it.attempts_left();
    if let Some(step) = ledger.statuses.iter().position(todo) {
        return Next::Act { step, attempt: attempt(ledger.statuses[step]) };
    }
    if settle.iter().any(|it| it.failed() || *it == Status::Stuck) {
        return Next::Finish(Outcome::DeployedUntidy);
    }
    Next::Finish(Outcome::Deployed)
}

fn attempt(status: Status) -> u8 {
    match status {
        Status::Running { attempt } => attempt + 1,
        _ => 1,
    }
}

fn unwinds(plan: &Plan, ledger: &Ledger) -> bool {
    let advance = &ledger.statuses[..plan.commit];
    // Whoever asked the proxy to confirm must hear its answer before he may turn back; and whoever
    // began a migration, how it ended.
    let is_heard =
        |at: usize| at + 1 == plan.commit || matches!(plan.steps[at], Step::Migrate { .. });
    let mut begun = advance.iter().enumerate().filter(|it| matches!(it.1, Status::Running { .. }));
    let asked = begun.any(|(at, _)| is_heard(at));
    advance.iter().any(|it| it.failed() || matches!(it, Status::Undoing | Status::Undone))
        || (ledger.abort_asked && !ledger.committed(plan) && !asked)
}

/// Before the switch was begun the old served throughout.  A first deployment has no old to go
/// back to, so it is never rolled back.  Where only a backup was tried nothing was touched, as
/// after a check that failed.
fn unwound(plan: &Plan, ledger: &Ledger, advance: &[Status]) -> Outcome {
    let mut begun = plan.steps.iter().zip(advance).filter(|it| *it.1 != Status::Pending);
    let only_secured = begun.all(|it| matches!(it.0, Step::Backup { .. }));
    if only_secured && !ledger.abort_asked {
        return Outcome::Refused;
    }
    let switched = plan.switch().is_some_and(|at| advance[at..].contains(&Status::Undone));
    if switched && plan.kind != Kind::Initial { Outcome::RolledBack } else { Outcome::Aborted }
}
