//! Every ledger that any life of any controller can leave behind, walked to its end.

use crate::build::{
    after, deploy, desired, nothing, planned, roll_back, service, serving, spec, worker,
};
use model::{
    backup::BackupName,
    failure::{Blame, Failure},
    journal::{ATTEMPTS_MAX, Event, Ledger, Outcome, Record, Status},
    migrate::{MigrateSpec, Tool},
    next::{Next, next},
    plan::{Kind, Plan, Step},
    planner::{Desired, Wanted},
    service::{EnvironmentSpec, Millis, ServiceSpec, Strategy},
};
use std::collections::{BTreeMap, HashSet};

/// Crashes, aborts and fall-backs in one run, at most.
const MISFORTUNES_MAX: u8 = 5;

fn plans() -> Vec<Plan> {
    let blue_green = spec(vec![service("web"), worker("mail")]);
    let recreate =
        spec(vec![ServiceSpec { strategy: Strategy::Recreate, instances: 1, ..service("web") }]);
    let rolling =
        spec(vec![ServiceSpec { strategy: Strategy::Rolling, instances: 2, ..service("web") }]);
    let updated = after(&serving(&blue_green), &deploy(2, &blue_green));
    let first = updated.releases[1].release.clone();
    let backup = Some(BackupName::at(1_795_267_321_000));
    let restore = Some(BackupName::at(1_795_267_320_000));
    vec![
        planned(
            &serving(&blue_green),
            &Desired { backup: backup.clone(), ..deploy(2, &blue_green) },
        ),
        planned(&updated, &Desired { backup, restore, ..roll_back(3, &first) }),
        planned(&nothing(), &deploy(1, &blue_green)),
        planned(&serving(&blue_green), &deploy(2, &blue_green)),
        planned(&serving(&recreate), &deploy(2, &recreate)),
        planned(&serving(&rolling), &deploy(2, &rolling)),
        planned(&updated, &roll_back(3, &first)),
        planned(&updated, &desired(3, Wanted::Stop)),
        planned(&serving(&migrated()), &deploy(2, &migrated())),
    ]
}

fn migrated() -> EnvironmentSpec {
    let migrate = MigrateSpec {
        tool: Tool::Django,
        up: vec!["./manage.py".into(), "migrate".into()],
        status: None,
        undo: None,
        directory: None,
        timeout: Millis::seconds(60),
        lock_timeout: None,
    };
    spec(vec![ServiceSpec { migrate: Some(migrate), ..service("web") }])
}

fn failure() -> Failure {
    Failure::new(Blame::Release, "go on")
}

/// A ledger, and how much has gone wrong on the way to it.
type Place = (Vec<Status>, bool, u8);

struct Walk<'a> {
    plan: &'a Plan,
    seen: HashSet<Place>,
    ends: BTreeMap<String, usize>,
}

impl Walk<'_> {
    fn from(&mut self, ledger: &Ledger, misfortunes: u8) {
        let mut open = vec![(ledger.clone(), misfortunes)];
        while let Some((ledger, misfortunes)) = open.pop() {
            let place = (ledger.statuses.clone(), ledger.abort_asked, misfortunes);
            if self.seen.insert(place) {
                self.check(&ledger);
                open.extend(self.onward(&ledger, misfortunes));
            }
        }
    }

    fn onward(&mut self, ledger: &Ledger, misfortunes: u8) -> Vec<(Ledger, u8)> {
        let after = |ledger: &Ledger, record: Record| {
            ledger.clone().after(&record).expect("what `next` asks for is legal")
        };
        let mut all = vec![];
        let luck = misfortunes < MISFORTUNES_MAX;
        if luck && !ledger.abort_asked {
            all.push((after(ledger, Record::AbortAsked), misfortunes + 1));
        }
        match next(self.plan, ledger) {
            Next::Act { step, attempt } => {
                let began = after(ledger, Record::Step(step, Event::Began { attempt }));
                let done = after(&began, Record::Step(step, Event::Done));
                all.push((done, misfortunes));
                if luck {
                    let failed = after(&began, Record::Step(step, Event::Failed(failure())));
                    all.push((failed, misfortunes + 1));
                    if matches!(self.plan.steps[step], Step::Migrate { .. }) {
                        let unclear = Record::Step(step, Event::Unclear(failure()));
                        all.push((after(&began, unclear), misfortunes + 1));
                    }
                    all.push((began, misfortunes + 1));
                }
                if let Some(switch) = ledger.on_probation(self.plan).filter(|_| luck) {
                    let fell = after(ledger, Record::Step(switch, Event::FellBack(failure())));
                    all.push((fell, misfortunes + 1));
                }
            }
            Next::Undo { step } => {
                let undoing = match ledger.statuses[step] {
                    Status::Undoing => ledger.clone(),
                    _ => after(ledger, Record::Step(step, Event::UndoBegan)),
                };
                all.push((after(&undoing, Record::Step(step, Event::Undone)), misfortunes));
                if luck {
                    let stuck = Record::Step(step, Event::UndoFailed(failure()));
                    all.push((after(&undoing, stuck), misfortunes + 1));
                    all.push((undoing, misfortunes + 1));
                }
            }
            Next::Finish(outcome) => {
                *self.ends.entry(format!("{outcome:?}")).or_default() += 1;
                if outcome == Outcome::NeedsAttention {
                    all.extend(self.reopened(ledger, misfortunes));
                }
            }
        }
        all
    }

    /// An operator has the stuck undo tried again.
    fn reopened(&self, ledger: &Ledger, misfortunes: u8) -> Option<(Ledger, u8)> {
        let step = ledger.statuses.iter().position(|it| *it == Status::Stuck)?;
        let reopened = ledger.clone().after(&Record::Step(step, Event::UndoBegan))?;
        (misfortunes < MISFORTUNES_MAX).then_some((reopened, misfortunes + 1))
    }

    fn check(&self, ledger: &Ledger) {
        let (advance, settle) = ledger.statuses.split_at(self.plan.commit);
        let committed = ledger.committed(self.plan);
        let untouched = settle.iter().all(|it| *it == Status::Pending);
        assert!(committed || untouched, "cleared up after the old before the commit: {ledger:?}");
        let stuck = advance.contains(&Status::Stuck);
        match next(self.plan, ledger) {
            Next::Act { step, .. } => {
                let before = &ledger.statuses[..step];
                let passed = |it: &Status| match it {
                    Status::Done => true,
                    _ => committed,
                };
                assert!(before.iter().all(passed), "went on over a gap: {ledger:?}");
                assert!(!stuck, "went on from a failed undo: {ledger:?}");
            }
            Next::Undo { step } => {
                assert!(!committed, "undid a commit: {ledger:?}");
                assert!(!stuck, "undid on after a failed undo: {ledger:?}");
                let later = &advance[step + 1..];
                let gone = |it: &Status| matches!(it, Status::Pending | Status::Undone);
                assert!(later.iter().all(gone), "undone out of order: {ledger:?}");
            }
            Next::Finish(outcome) => self.check_end(ledger, outcome),
        }
    }

    fn check_end(&self, ledger: &Ledger, outcome: Outcome) {
        let (advance, settle) = ledger.statuses.split_at(self.plan.commit);
        let switch = self.plan.switch().expect("every plan switches");
        let gone = |it: &Status| matches!(it, Status::Pending | Status::Undone);
        match outcome {
            Outcome::Deployed => {
                assert!(ledger.statuses.iter().all(|it| *it == Status::Done), "{ledger:?}");
            }
            Outcome::DeployedUntidy => {
                assert!(ledger.committed(self.plan));
                assert!(settle.iter().any(|it| *it != Status::Done));
            }
            Outcome::Aborted | Outcome::RolledBack => {
                assert!(advance.iter().all(gone), "left something: {ledger:?}");
                let switched = advance[switch] == Status::Undone;
                let rolled_back = switched && self.plan.kind != Kind::Initial;
                assert_eq!(outcome == Outcome::RolledBack, rolled_back, "{ledger:?}");
            }
            Outcome::NeedsAttention => assert!(advance.contains(&Status::Stuck)),
            Outcome::Refused => {
                assert!(advance.iter().all(gone), "left something: {ledger:?}");
                let touched = |at: &usize| advance[*at] != Status::Pending;
                let secures = |at| matches!(self.plan.steps[at], Step::Backup { .. });
                assert!((0..advance.len()).filter(touched).all(secures), "touched: {ledger:?}");
                assert!(!ledger.abort_asked, "{ledger:?}");
            }
        }
    }
}

#[test]
fn every_prefix_of_every_journal_leads_to_an_end() {
    for plan in plans() {
        let mut walk = Walk { plan: &plan, seen: HashSet::new(), ends: BTreeMap::new() };
        walk.from(&Ledger::new(&plan), 0);
        println!("{:?}: {} ledgers, ends {:?}", plan.kind, walk.seen.len(), walk.ends);
        for end in ["Deployed", "DeployedUntidy", "Aborted", "NeedsAttention"] {
            assert!(walk.ends.contains_key(end), "{:?} never ends {end}", plan.kind);
        }
        assert_eq!(walk.ends.contains_key("RolledBack"), plan.kind != Kind::Initial);
    }
}

#[test]
fn a_step_that_never_ends_counts_as_failed() {
    let plan = &plans()[1];
    let began = |attempt| Record::Step(0, Event::Began { attempt });
    let ledger = (1..=ATTEMPTS_MAX).fold(Ledger::new(plan), |it, attempt| {
        assert_eq!(next(plan, &it), Next::Act { step: 0, attempt });
        it.after(&began(attempt)).expect("beginning again after a crash is legal")
    });
    assert_eq!(next(plan, &ledger), Next::Undo { step: 0 });
    assert_eq!(ledger.after(&began(ATTEMPTS_MAX + 1)), None);
}

#[test]
fn an_abort_waits_for_the_answer_to_a_confirmation() {
    let plan = &plans()[1];
    let confirm = plan.commit - 1;
    let mut ledger = Ledger { abort_asked: true, ..Ledger::new(plan) };
    ledger.statuses[..confirm].fill(Status::Done);
    assert_eq!(next(plan, &ledger), Next::Undo { step: confirm - 1 });
    ledger.statuses[confirm] = Status::Running { attempt: 1 };
    assert_eq!(next(plan, &ledger), Next::Act { step: confirm, attempt: 2 });
    ledger.statuses[confirm] = Status::Done;
    assert_eq!(next(plan, &ledger), Next::Act { step: plan.commit, attempt: 1 });
}

#[test]
fn an_abort_waits_for_the_end_of_a_migration() {
    let plan = planned(&serving(&migrated()), &deploy(2, &migrated()));
    let is_it = |it: &Step| matches!(it, Step::Migrate { .. });
    let at = plan.steps.iter().position(is_it).expect("it migrates");
    let is_new = |it: &Step| matches!(it, Step::Start { .. });
    assert!(plan.steps.iter().position(is_new).is_some_and(|start| at < start), "before all else");
    let mut ledger = Ledger { abort_asked: true, ..Ledger::new(&plan) };
    ledger.statuses[..at].fill(Status::Done);
    ledger.statuses[at] = Status::Running { attempt: 1 };
    assert_eq!(next(&plan, &ledger), Next::Act { step: at, attempt: 2 });
    ledger.statuses[at] = Status::Done;
    assert_eq!(next(&plan, &ledger), Next::Undo { step: at });
    ledger.statuses[at] = Status::Running { attempt: ATTEMPTS_MAX };
    assert_eq!(next(&plan, &ledger), Next::Undo { step: at });
    ledger.statuses[at] = Status::Stuck;
    assert_eq!(next(&plan, &ledger), Next::Finish(Outcome::NeedsAttention));
}

#[test]
fn what_no_sound_executor_writes_is_refused() {
    let plan = &plans()[1];
    let new = || Ledger::new(plan);
    let done = new().after(&Record::Step(0, Event::Began { attempt: 1 })).unwrap();
    let done = done.after(&Record::Step(0, Event::Done)).unwrap();
    for (ledger, event) in [
        (new(), Event::Done),
        (new(), Event::Undone),
        (new(), Event::Began { attempt: 2 }),
        (new(), Event::UndoBegan),
        (done.clone(), Event::Began { attempt: 2 }),
        (done.clone(), Event::Done),
        (done.clone(), Event::Failed(failure())),
        (done, Event::Undone),
    ] {
        assert_eq!(ledger.after(&Record::Step(0, event.clone())), None, "{event:?}");
    }
    assert_eq!(new().after(&Record::Step(99, Event::Began { attempt: 1 })), None);
}

#[test]
fn the_last_bake_counts() {
    let plan = &plans()[1];
    let baked = |it: &str| Record::Baked { nonce: it.into(), verdict: None };
    let ledger = Ledger::new(plan).after(&baked("one")).unwrap().after(&baked("two")).unwrap();
    assert_eq!(ledger.nonce.as_deref(), Some("two"));
}
