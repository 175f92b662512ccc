//! What a deployment's lines sum up to.

use crate::{
    line::{Line, Placed},
    trouble::{Trouble, ours},
};
use model::{
    deployment::StepRecord,
    describe,
    failure::Failure,
    journal::{Event, Ledger, Record, Status},
    plan::{Plan, Step},
};

/// The ledger after all lines.
pub fn ledger(plan: &Plan, lines: &[Placed]) -> Result<Ledger, Trouble> {
    let mut ledger = Ledger::new(plan);
    for placed in lines {
        let Line::Record { record } = &placed.line else { continue };
        ledger = match ledger.after(record) {
            Some(ledger) => ledger,
            None => {
                let (deployment, at) = (&plan.deployment, placed.sequence);
                return ours(format!("sum up deployment {deployment}: line {at} cannot follow"));
            }
        };
    }
    Ok(ledger)
}

/// What is remembered of each step.
///
/// A line that cannot follow changes nothing here: whoever acts asks for the ledger, and hears.
pub fn steps(plan: &Plan, lines: &[Placed]) -> Vec<StepRecord> {
    let mut steps: Vec<StepRecord> = plan.steps.iter().map(fresh).collect();
    for placed in lines {
        let Line::Record { record } = &placed.line else { continue };
        if let Record::Step(at, event) = record
            && let Some(step) = steps.get_mut(*at)
            && let Some(status) = step.status.after(event)
        {
            note(step, status, event, placed.at_ms);
        }
        let watching = |it: &&mut StepRecord| matches!(it.status, Status::Running { .. });
        if let Record::Baked { verdict: Some(verdict), .. } = record
            && let Some(step) = steps.iter_mut().find(watching)
        {
            step.verdict = Some(verdict.clone());
        }
    }
    steps
}

/// Why the step failed, where the event says so.
pub fn failure(event: &Event) -> Option<&Failure> {
    match event {
        Event::Failed(failure)
        | Event::Unclear(failure)
        | Event::FellBack(failure)
        | Event::UndoFailed(failure) => Some(failure),
        Event::Began { .. } | Event::Done | Event::UndoBegan | Event::Undone => None,
    }
}

fn fresh(step: &Step) -> StepRecord {
    StepRecord {
        word: step.word().to_owned(),
        subject: describe::subject(step),
        status: Status::Pending,
        started_at_ms: None,
        ended_at_ms: None,
        failure: None,
        verdict: None,
    }
}

fn note(step: &mut StepRecord, status: Status, event: &Event, at_ms: u64) {
    step.status = status;
    step.started_at_ms = step.started_at_ms.or(Some(at_ms));
    // While it is being done or undone there is no outcome yet.
    let under_way = matches!(event, Event::Began { .. } | Event::UndoBegan);
    step.ended_at_ms = (!under_way).then_some(at_ms);
    // The first says why; what came of it, as an undo that failed too, stays in the lines.
    if let (None, Some(failure)) = (&step.failure, failure(event)) {
        step.failure = Some(failure.clone());
    }
}
