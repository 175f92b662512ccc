//! Runs a plan to its end, from wherever its journal says it stands.

mod act;
mod confirm;
mod fit;
mod migrate;
mod secure;
mod start;
mod undo;

use crate::{abort::AbortFlag, port::Ports};
pub(crate) use act::aborted;
use model::{
    deployment::News,
    describe,
    failure::{Blame, Failure},
    journal::{Event, Ledger, Outcome, Record, Status},
    next::{Next, next},
    plan::{Plan, Step},
    service::Millis,
};

/// Between two words on what is waited for.
const NOTE_EVERY: Millis = Millis::seconds(3);

/// A plan on its way.
pub struct Execution<'a> {
    plan: &'a Plan,
    ports: &'a Ports,
    abort: &'a AbortFlag,
    /// Why it did not go as planned: the first reason that was seen in this life.
    failure: Option<Failure>,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// So.
    pub outcome: Outcome,
    /// The first failure that was seen in this life.
    pub failure: Option<Failure>,
}

/// Runs a plan to its end, from wherever its journal says it stands.
///
/// It makes no choices: what to do is `model::next`'s to say, and how is in the step.
///
/// # Errors
///
/// Only where the journal cannot be read or written: then nothing more is done, since nothing could
/// be recovered.
pub async fn execute(plan: &Plan, ports: &Ports, abort: &AbortFlag) -> Result<Ended, Failure> {
    let mut execution = Execution { plan, ports, abort, failure: None };
    let outcome = execution.run().await?;
    Ok(Ended { outcome, failure: execution.failure })
}

impl Execution<'_> {
    async fn run(&mut self) -> Result<Outcome, Failure> {
        loop {
            let ledger = self.ports.journal.ledger(self.plan).await?;
            if let Some((step, event)) = self.fallen(&ledger).await {
                self.record(&ledger, step, event).await?;
                continue;
            }
            match next(self.plan, &ledger) {
                Next::Act { step, attempt } => {
                    let ledger = self.record(&ledger, step, Event::Began { attempt }).await?;
                    let event = self.outcome(&ledger, step, attempt).await?;
                    self.record(&ledger, step, event).await?;
                }
                Next::Undo { step } => {
                    let status = ledger.statuses[step];
                    let ledger = match status {
                        Status::Undoing => ledger,
                        _ => self.record(&ledger, step, Event::UndoBegan).await?,
                    };
                    let undone = match (&self.plan.steps[step], status) {
                        (Step::Migrate { migration }, Status::Running { .. }) => {
                            self.hear_migration(migration).await
                        }
                        (step, _) => self.undo(step).await,
                    };
                    let event = match undone {
                        Ok(()) => Event::Undone,
                        Err(failure) => Event::UndoFailed(failure),
                    };
                    self.record(&ledger, step, event).await?;
                }
                Next::Finish(outcome) => return Ok(outcome),
            }
        }
    }

    async fn outcome(&self, ledger: &Ledger, step: usize, attempt: u8) -> Result<Event, Failure> {
        if let Step::Migrate { migration } = &self.plan.steps[step] {
            return Ok(self.migrate(migration).await);
        }
        Ok(match self.act(ledger, step, attempt).await? {
            Ok(()) => Event::Done,
            Err(failure) => Event::Failed(failure),
        })
    }

    /// The proxy may end a probation at any time; its word outranks the journal's "done".
    async fn fallen(&self, ledger: &Ledger) -> Option<(usize, Event)> {
        let at = ledger.on_probation(self.plan)?;
        let Step::Switch { to, .. } = &self.plan.steps[at] else { return None };
        // A router that does not answer has said nothing; the step that follows will ask again.
        let in_force = self.ports.router.in_force(&self.plan.environment).await.ok()?;
        let (left, why) = in_force.fell_back?;
        let failure = || {
            let failure = Failure::new(Blame::Release, format!("keep routes {to} in force: {why}"))
                .hint("the router went back to the old release by itself");
            self.at_stage(*to, failure)
        };
        (left == *to).then(|| (at, Event::FellBack(failure())))
    }

    /// Journals what happened to a step, tells who watches, and returns the ledger after it.
    async fn record(
        &mut self,
        ledger: &Ledger,
        step: usize,
        event: Event,
    ) -> Result<Ledger, Failure> {
        let failure = match &event {
            Event::Failed(it)
            | Event::Unclear(it)
            | Event::FellBack(it)
            | Event::UndoFailed(it) => Some(it.clone()),
            _ => None,
        };
        let record = Record::Step(step, event);
        let after = ledger.clone().after(&record).ok_or_else(|| {
            let word = self.plan.steps[step].word();
            Failure::new(Blame::Us, format!("journal step {step} (`{word}`): {record:?}"))
        })?;
        let status = after.statuses[step];
        let (deployment, now_ms) = (&self.plan.deployment, self.ports.clock.now_ms());
        let sequence = self.ports.journal.record(deployment, &record, now_ms).await?;
        if self.failure.is_none() {
            self.failure.clone_from(&failure);
        }
        let (word, subject) = (&self.plan.steps[step].word(), self.subject(step));
        let word = (*word).to_owned();
        let news = News::Step { index: step, word, subject, status, failure };
        self.ports.observer.tell(deployment, sequence, news);
        Ok(after)
    }

    fn subject(&self, step: usize) -> String {
        describe::subject(&self.plan.steps[step])
    }

    fn note(&self, text: String) {
        self.ports.observer.tell(&self.plan.deployment, 0, News::Note { text });
    }

    /// As `note`, for whoever outlives this borrow.
    fn noter(&self) -> impl Fn(String) + Send + Sync + 'static {
        let (observer, deployment) = (self.ports.observer.clone(), self.plan.deployment.clone());
        move |text| observer.tell(&deployment, 0, News::Note { text })
    }

    /// Waits for the work, and says what for while it takes long.
    async fn noted<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut waited = Millis(0);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.ports.clock.wait(NOTE_EVERY) => {
                    waited = Millis(waited.0 + NOTE_EVERY.0);
                    self.note(format!("{what} ({} s so far)", waited.0 / 1000));
                }
            }
        }
    }
}
