//! A request's way: observe, preflight, plan, journal, execute, end.

mod ahead;
mod foresee;
mod prepare;

pub use foresee::Foreseen;

use crate::{
    abort::AbortFlag,
    ending::{self, Before},
    execute::{Ended, aborted, execute},
    observe,
    port::{Ports, journal::Begun},
};
use model::{
    deployment::{DeploymentRecord, Finding, News, Request, Stage},
    failure::{Blame, Failure},
    id::{DeploymentId, InstanceId, ReleaseId},
    journal::{Event, Ledger, Outcome, Record, Status},
    name::EnvironmentId,
    plan::{PLAN_VERSION, Plan},
    release::Release,
    roster::Roster,
};
use prepare::Prepared;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

/// Decides through `model`, and has effects through its ports.
pub struct Engine {
    pub(crate) ports: Ports,
    /// Of the deployments that run in this life.
    running: Mutex<BTreeMap<DeploymentId, AbortFlag>>,
    /// What is done unasked, and what takes a request on, take turns by environment.
    turns: Mutex<BTreeMap<EnvironmentId, Arc<tokio::sync::Mutex<()>>>>,
    /// By instance that is kept warm: until when by the wall clock, and by the one that never leaps
    /// as it was when this life first saw it.
    pub(crate) warm: Mutex<BTreeMap<InstanceId, (u64, u64)>>,
    /// What the histories say, with the newest deployment as it stood when they were read.
    rosters: Mutex<BTreeMap<EnvironmentId, (DeploymentId, Stage, Roster)>>,
    /// The releases in force, of environments that were asked for theirs.
    in_force: Mutex<BTreeMap<EnvironmentId, Arc<Release>>>,
}

impl Engine {
    /// With the ports it has effects through.
    pub fn new(ports: Ports) -> Engine {
        Engine {
            ports,
            running: Mutex::default(),
            turns: Mutex::default(),
            warm: Mutex::default(),
            rosters: Mutex::default(),
            in_force: Mutex::default(),
        }
    }

    /// Takes the environment's lock for the request.  Where it is taken, `run` must follow.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be written.
    pub async fn begin(&self, request: &Request) -> Result<Begun, Failure> {
        let _turn = self.turn(&request.environment).await;
        let begun = self.ports.journal.begin(request, self.ports.clock.now_ms()).await?;
        if let Begun::Taken { sequence } = begun {
            self.flag(&request.deployment);
            let (deployment, environment) =
                (request.deployment.clone(), request.environment.clone());
            let news = News::Accepted { deployment, environment };
            self.ports.observer.tell(&request.deployment, sequence, news);
        }
        Ok(begun)
    }

    /// What speaks against the request, and what it would do.  Takes no lock and changes nothing;
    /// what was sent for it is the caller's to remove.
    ///
    /// # Errors
    ///
    /// Where it cannot be planned, or something cannot be looked at.
    pub async fn plan_only(&self, request: &Request) -> Result<Foreseen, Failure> {
        let prepared = prepare::prepare(&self.ports, request).await?;
        prepared.foresee(&self.ports).await
    }

    /// Does what was asked, to its end.
    ///
    /// # Errors
    ///
    /// Only where the journal cannot be read or written.
    pub async fn run(&self, request: &Request) -> Result<Outcome, Failure> {
        let flag = self.flag(&request.deployment);
        let outcome = match self.ready(request, &flag).await? {
            Ok(plan) => {
                let before = self.ports.router.counters(&request.environment).await.ok();
                self.conduct(&plan, &flag, before).await
            }
            Err(refused) => {
                let failure = Some(&refused.failure);
                let (id, now_ms) = (&request.deployment, self.ports.clock.now_ms());
                let outcome = refused.outcome;
                let sequence =
                    self.ports.journal.finish(id, outcome, failure, None, now_ms).await?;
                let _ = self.ports.releases.discard_upload(&request.environment, id).await;
                let failure = failure.cloned();
                let in_force = self.ports.router.in_force(&request.environment).await.ok();
                let serving = in_force.as_ref().and_then(ending::routed);
                let news = News::Ended { outcome, failure, traffic: None, serving, warm: vec![] };
                self.ports.observer.tell(id, sequence, news);
                Ok(outcome)
            }
        };
        self.forget(&request.deployment);
        outcome
    }

    /// Goes on with a deployment that an earlier life began, or that was reopened.
    ///
    /// # Errors
    ///
    /// Where there is none of this id, or the journal cannot be read or written.
    pub async fn resume(&self, id: &DeploymentId) -> Result<Outcome, Failure> {
        let record = self.record(id).await?;
        let flag = self.flag(id);
        let outcome = match &record.plan {
            Some(plan) => {
                if plan.version > PLAN_VERSION || plan.version + 1 < PLAN_VERSION {
                    // Its steps may mean something else to us than to whoever planned them.
                    self.ask_to_abort(plan).await?;
                }
                self.conduct(plan, &flag, None).await
            }
            None => self.end_unplanned(&record).await,
        };
        self.forget(id);
        outcome
    }

    /// Takes a deployment that needs attention back to running; `resume` must follow.
    ///
    /// # Errors
    ///
    /// Where it does not need attention, or the journal cannot be written.
    pub async fn reopen(&self, id: &DeploymentId, abort: bool) -> Result<(), Failure> {
        let record = self.record(id).await?;
        if record.stage != Stage::Ended(Outcome::NeedsAttention) {
            let message = format!("resume deployment {id}: it does not need attention");
            return Err(Failure::new(Blame::Request, message)
                .hint(format!("`cutover show {id}` says how it stands")));
        }
        let _turn = self.turn(&record.environment).await;
        let (journal, now_ms) = (&self.ports.journal, self.ports.clock.now_ms());
        journal.reopen(id, abort, now_ms).await?;
        let Some(plan) = &record.plan else { return Ok(()) };
        // What got stuck in its undo is undone once more.
        let ledger = journal.ledger(plan).await?;
        for (step, status) in ledger.statuses.iter().enumerate() {
            if *status == Status::Stuck {
                journal.record(id, &Record::Step(step, Event::UndoBegan), now_ms).await?;
            }
        }
        Ok(())
    }

    /// Asks a deployment to watch its release no longer, at the stage where it is.
    ///
    /// # Errors
    ///
    /// Where it does not watch one now.
    pub async fn promote(&self, id: &DeploymentId, by: &str) -> Result<(), Failure> {
        let record = self.record(id).await?;
        let flag = self.running().get(id).cloned();
        if flag.is_some_and(|it| it.promote(by)) {
            return Ok(());
        }
        let what = match record.stage {
            Stage::Ended(_) => "it has ended",
            _ => "it does not watch its release now",
        };
        Err(Failure::new(Blame::Request, format!("promote deployment {id}: {what}"))
            .hint(format!("`cutover status {}` says how it stands", record.environment)))
    }

    /// Asks a deployment to turn back.  Asking twice is harmless.
    ///
    /// # Errors
    ///
    /// Where it has ended, or is committed, or the journal cannot be written.
    pub async fn abort(&self, id: &DeploymentId, by: &str) -> Result<(), Failure> {
        let record = self.record(id).await?;
        let committed = |ledger: &Ledger, plan: &Plan| ledger.committed(plan);
        match (record.stage, &record.plan) {
            (Stage::Ended(outcome), _) if outcome != Outcome::NeedsAttention => {
                let message = format!("abort deployment {id}: it has ended");
                return Err(Failure::new(Blame::Request, message).hint(way_out(&record)));
            }
            (_, Some(plan)) => {
                let ledger = self.ports.journal.ledger(plan).await?;
                if committed(&ledger, plan) {
                    let message = format!("abort deployment {id}: it is already committed");
                    return Err(Failure::new(Blame::Request, message).hint(way_out(&record)));
                }
                self.ask_to_abort(plan).await?;
            }
            (_, None) => {}
        }
        if let Some(flag) = self.running().get(id) {
            flag.raise(by);
        }
        Ok(())
    }

    /// Runs a plan from where it stands, and ends it.
    async fn conduct(
        &self,
        plan: &Plan,
        flag: &AbortFlag,
        before: Before,
    ) -> Result<Outcome, Failure> {
        let ended = execute(plan, &self.ports, flag).await?;
        let ended = match (ended, flag.raised()) {
            // A wait that was ended by an abort failed by nobody's fault.
            (Ended { outcome, failure: None }, Some(by)) if outcome == Outcome::Aborted => {
                Ended { outcome, failure: Some(aborted(&by)) }
            }
            (ended, _) => ended,
        };
        ending::end(&self.ports, plan, ended, flag.raised(), before).await
    }

    /// The plan is durable when this returns; an inner failure says why there is none.
    async fn ready(
        &self,
        request: &Request,
        flag: &AbortFlag,
    ) -> Result<Result<Plan, Refused>, Failure> {
        let refused = |failure| Refused { outcome: Outcome::Refused, failure };
        let prepared = match prepare::prepare(&self.ports, request).await {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(refused(failure))),
        };
        let overridden = match self.pass(request, &prepared) {
            Ok(overridden) => overridden,
            Err(failure) => return Ok(Err(refused(failure))),
        };
        let plan = match prepared.reserve(&self.ports, request).await {
            Ok(plan) => plan,
            Err(failure) => return Ok(Err(refused(failure))),
        };
        if let Some(by) = flag.raised() {
            return Ok(Err(Refused { outcome: Outcome::Aborted, failure: aborted(&by) }));
        }
        let now_ms = self.ports.clock.now_ms();
        let sequence = self.ports.journal.planned(&plan, &overridden, now_ms).await?;
        let news = News::Planned { plan: Box::new(plan.clone()) };
        self.ports.observer.tell(&plan.deployment, sequence, news);
        Ok(Ok(plan))
    }

    /// Tells what was found; the findings that are gone on in spite of, or why it cannot go on.
    fn pass(&self, request: &Request, prepared: &Prepared) -> Result<Vec<Finding>, Failure> {
        for left_out in request.overrides.left_out() {
            let news = News::Note { text: format!("warning: {left_out}") };
            self.ports.observer.tell(&request.deployment, 0, news);
        }
        let (mut overridden, mut against) = (prepared.passed.clone(), None);
        for finding in &overridden {
            let news = News::Found { finding: finding.clone(), overridden: true };
            self.ports.observer.tell(&request.deployment, 0, news);
        }
        for finding in &prepared.findings {
            let passes = finding.overridable && request.overrides.force;
            let news = News::Found { finding: finding.clone(), overridden: passes };
            self.ports.observer.tell(&request.deployment, 0, news);
            if passes {
                overridden.push(finding.clone());
            } else if against.is_none() {
                let force = "or go on in spite of it with `--force`";
                let failure = finding.failure.clone();
                against = Some(if finding.overridable { failure.hint(force) } else { failure });
            }
        }
        against.map_or(Ok(overridden), Err)
    }

    async fn ask_to_abort(&self, plan: &Plan) -> Result<(), Failure> {
        let now_ms = self.ports.clock.now_ms();
        self.ports.journal.record(&plan.deployment, &Record::AbortAsked, now_ms).await?;
        Ok(())
    }

    pub(crate) async fn end_unplanned(
        &self,
        record: &DeploymentRecord,
    ) -> Result<Outcome, Failure> {
        let (outcome, failure) = unplanned(record);
        let now_ms = self.ports.clock.now_ms();
        let journal = &self.ports.journal;
        let sequence = journal.finish(&record.id, outcome, Some(&failure), None, now_ms).await?;
        let _ = self.ports.releases.discard_upload(&record.environment, &record.id).await;
        let failure = Some(failure);
        let news = News::Ended { outcome, failure, traffic: None, serving: None, warm: vec![] };
        self.ports.observer.tell(&record.id, sequence, news);
        Ok(outcome)
    }

    async fn record(&self, id: &DeploymentId) -> Result<DeploymentRecord, Failure> {
        let found = self.ports.journal.deployment(id).await?;
        found.ok_or_else(|| Failure::new(Blame::Request, format!("find deployment `{id}`")))
    }

    /// What the history says, read anew only where something ended or began since: it is asked
    /// several times a second.
    pub(crate) async fn roster(&self, environment: &EnvironmentId) -> Result<Roster, Failure> {
        let newest = self.ports.journal.history(environment, 1).await?.into_iter().next();
        let Some(newest) = newest else { return Ok(Roster::default()) };
        if let Some(roster) = self.known_roster(environment, &newest) {
            return Ok(roster);
        }
        let roster = observe::roster(&self.ports, environment).await?;
        let mut known = self.rosters.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(environment.clone(), (newest.id, newest.stage, roster.clone()));
        Ok(roster)
    }

    /// The release in force, read once: it never changes, and it is asked for several times a
    /// second.
    pub(crate) async fn release_in_force(
        &self,
        environment: &EnvironmentId,
        id: &ReleaseId,
    ) -> Result<Arc<Release>, Failure> {
        let in_force = || self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let known = in_force().get(environment).filter(|it| it.id == *id).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let release = Arc::new(self.ports.releases.read(environment, id).await?);
        in_force().insert(environment.clone(), release.clone());
        Ok(release)
    }

    fn known_roster(
        &self,
        environment: &EnvironmentId,
        newest: &DeploymentRecord,
    ) -> Option<Roster> {
        let known = self.rosters.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, stage, roster) = known.get(environment)?;
        ((id, stage) == (&newest.id, &newest.stage)).then(|| roster.clone())
    }

    /// Waits for the environment's turn.
    pub(crate) async fn turn(&self, environment: &EnvironmentId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry(environment.clone()).or_default().clone()
        };
        turn.lock_owned().await
    }

    fn flag(&self, id: &DeploymentId) -> AbortFlag {
        self.running().entry(id.clone()).or_default().clone()
    }

    fn forget(&self, id: &DeploymentId) {
        self.running().remove(id);
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeploymentId, AbortFlag>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a deployment of which there is no plan, or none that can be read: steps of that
/// may have been done, and nobody here knows how they are undone.
fn unplanned(record: &DeploymentRecord) -> (Outcome, Failure) {
    if record.stage != Stage::Running {
        let message = "plan: the controller ended before the plan";
        let failure = Failure::new(Blame::Platform, message);
        return (Outcome::Aborted, failure.hint("nothing was touched: ask again"));
    }
    let why = record.failure.as_ref().map(|it| it.message.as_str()).unwrap_or_default();
    let message = format!("go on: another version of this program planned it: {why}");
    let failure = Failure::new(Blame::Platform, message)
        .hint(format!("run that version again, and then `cutover resume {}`", record.environment))
        .hint("or deploy again: it goes on from what serves; `cutover ps` lists what was left");
    (Outcome::NeedsAttention, failure)
}

/// Why there is no plan.
struct Refused {
    outcome: Outcome,
    failure: Failure,
}

fn way_out(record: &DeploymentRecord) -> String {
    format!("`cutover rollback {}` goes back to the release before", record.environment)
}
