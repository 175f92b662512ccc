//! What every journal must do, whatever it is made of.
//!
//! Each case takes a journal that may already hold what other cases wrote: it has an environment,
//! ids and ports of its own.

pub mod fixture;

use engine::port::journal::{Begun, Journal};
use fixture::{environment, id, instance, plan, request};
use model::{
    deployment::{Finding, Stage, Traffic},
    failure::{Blame, Failure},
    id::{Generation, ReleaseId},
    journal::{Event, Ledger, Outcome, Record, Status},
    plan::Kind,
    release::Standing,
};

/// All cases, one after another on one journal.
pub async fn suite(journal: &dyn Journal) {
    the_lock_is_taken_once_and_freed_by_the_end(journal).await;
    asking_again_with_the_same_id_finds_what_there_is(journal).await;
    environments_do_not_wait_for_each_other(journal).await;
    a_plan_makes_the_record_whole(journal).await;
    the_ledger_is_the_sum_of_the_lines(journal).await;
    steps_remember_when_and_why(journal).await;
    what_does_not_fit_writes_nothing(journal).await;
    needing_attention_keeps_no_lock_and_is_superseded(journal).await;
    needing_attention_is_taken_up_again(journal).await;
    history_is_newest_first_and_bounded(journal).await;
    generations_are_given_out_once(journal).await;
    ports_stay_leased_until_they_are_freed(journal).await;
    a_fixed_port_passes_from_instance_to_instance(journal).await;
    the_standing_that_changed_last_is_first(journal).await;
    retired_instances_are_claimed_once(journal).await;
}

/// One active deployment an environment; its end makes room.
pub async fn the_lock_is_taken_once_and_freed_by_the_end(journal: &dyn Journal) {
    let name = "lock";
    let first = begun(journal, name, 1).await;
    let second = journal.begin(&request(name, 2), 20).await.unwrap();
    let Begun::Busy(holder) = second else { panic!("{second:?}") };
    assert_eq!((holder.id, holder.stage), (id(name, 1), Stage::Planning));
    let failure = Failure::new(Blame::Request, "find a port").hint("free one");
    let outcome = Outcome::Refused;
    let ended = journal.finish(&id(name, 1), outcome, Some(&failure), None, 30).await.unwrap();
    assert!(ended > first);
    let record = journal.deployment(&id(name, 1)).await.unwrap().unwrap();
    assert_eq!(record.stage, Stage::Ended(Outcome::Refused));
    assert_eq!((record.failure, record.ended_at_ms), (Some(failure), Some(30)));
    assert!(begun(journal, name, 2).await > ended, "sequence numbers rise over all deployments");
    end(journal, name, 2, Outcome::Aborted).await;
}

/// Also after its end.
pub async fn asking_again_with_the_same_id_finds_what_there_is(journal: &dyn Journal) {
    let name = "again";
    begun(journal, name, 1).await;
    for stage in [Stage::Planning, Stage::Ended(Outcome::Aborted)] {
        if stage != Stage::Planning {
            end(journal, name, 1, Outcome::Aborted).await;
        }
        let again = journal.begin(&request(name, 1), 99).await.unwrap();
        let Begun::Known(known) = again else { panic!("{again:?}") };
        assert_eq!((known.id, known.stage, known.started_at_ms), (id(name, 1), stage, 10));
    }
    assert_eq!(journal.history(&environment(name), 9).await.unwrap().len(), 1);
}

/// The lock is the environment's.
pub async fn environments_do_not_wait_for_each_other(journal: &dyn Journal) {
    let (one, other) = ("here", "there");
    begun(journal, one, 1).await;
    begun(journal, other, 1).await;
    let unfinished = journal.unfinished().await.unwrap();
    for name in [one, other] {
        assert!(unfinished.iter().any(|it| it.id == id(name, 1)), "{name} is under way");
        end(journal, name, 1, Outcome::Aborted).await;
    }
    let unfinished = journal.unfinished().await.unwrap();
    assert!(!unfinished.iter().any(|it| [id(one, 1), id(other, 1)].contains(&it.id)));
}

/// What was asked, planned, counted and how it ended comes back as it was given.
pub async fn a_plan_makes_the_record_whole(journal: &dyn Journal) {
    let name = "whole";
    let accepted = begun(journal, name, 1).await;
    let plan = plan(name, 1, 20_100);
    let failure = Failure::new(Blame::Platform, "find 1 GB free").evidence("9 MB");
    let finding = Finding { failure, overridable: true };
    let planned = journal.planned(&plan, std::slice::from_ref(&finding), 11).await.unwrap();
    assert!(planned > accepted);
    let traffic =
        Traffic { requests: 1000, failed: 1, held: 2, p99_us: 1500, ..Traffic::default() };
    let outcome = Outcome::Deployed;
    journal.finish(&plan.deployment, outcome, None, Some(traffic.clone()), 12).await.unwrap();

    let asked = request(name, 1);
    let record = journal.deployment(&plan.deployment).await.unwrap().unwrap();
    assert_eq!(record.id, plan.deployment);
    assert_eq!(record.environment, plan.environment);
    assert_eq!(record.kind, Kind::Update);
    assert_eq!(record.stage, Stage::Ended(Outcome::Deployed));
    assert_eq!((&record.from, &record.to), (&plan.from, &plan.to));
    assert_eq!((record.by, record.reason), (asked.by, asked.reason));
    assert_eq!(record.overrides, asked.overrides);
    assert_eq!((record.started_at_ms, record.ended_at_ms), (10, Some(12)));
    assert_eq!((record.failure, record.overridden), (None, vec![finding]));
    assert_eq!(record.traffic, Some(traffic));
    let words: Vec<&str> = record.steps.iter().map(|it| it.word.as_str()).collect();
    assert_eq!(words, ["routes", "start", "switch", "confirm", "manifest"]);
    assert_eq!(record.plan, Some(plan));
}

/// Read back at any time, by this life or the next.
pub async fn the_ledger_is_the_sum_of_the_lines(journal: &dyn Journal) {
    let name = "sum";
    begun(journal, name, 1).await;
    let plan = plan(name, 1, 20_110);
    journal.planned(&plan, &[], 11).await.unwrap();
    let mut expected = Ledger::new(&plan);
    assert_eq!(journal.ledger(&plan).await.unwrap(), expected);
    let records = [
        Record::Step(0, Event::Began { attempt: 1 }),
        Record::Step(0, Event::Done),
        Record::Step(1, Event::Began { attempt: 1 }),
        Record::Step(1, Event::Began { attempt: 2 }),
        Record::Baked { nonce: "first".to_owned(), verdict: None },
        Record::Baked { nonce: "second".to_owned(), verdict: None },
        Record::AbortAsked,
        Record::Step(1, Event::UndoBegan),
        Record::Step(1, Event::Undone),
    ];
    let mut last = 0;
    for record in &records {
        let sequence = journal.record(&plan.deployment, record, 12).await.unwrap();
        assert!(sequence > last, "sequence numbers rise");
        last = sequence;
        expected = expected.after(record).unwrap();
        assert_eq!(journal.ledger(&plan).await.unwrap(), expected);
    }
    assert_eq!(expected.nonce.as_deref(), Some("second"));
    end(journal, name, 1, Outcome::Aborted).await;
    assert_eq!(journal.ledger(&plan).await.unwrap(), expected, "the end changes no step");
}

/// Times of the first attempt and of the last outcome; the first failure of each step.
pub async fn steps_remember_when_and_why(journal: &dyn Journal) {
    let name = "steps";
    begun(journal, name, 1).await;
    let plan = plan(name, 1, 20_120);
    journal.planned(&plan, &[], 11).await.unwrap();
    let why = Failure::new(Blame::Release, "see it listen").evidence("exit code 3");
    let events = [
        (20, Event::Began { attempt: 1 }),
        (21, Event::Began { attempt: 2 }),
        (22, Event::Failed(why.clone())),
        (23, Event::UndoBegan),
        (24, Event::UndoFailed(Failure::new(Blame::Platform, "stop it"))),
    ];
    let mut seen = vec![];
    for (at_ms, event) in events {
        journal.record(&plan.deployment, &Record::Step(1, event), at_ms).await.unwrap();
        let record = journal.deployment(&plan.deployment).await.unwrap().unwrap();
        assert_eq!(record.stage, Stage::Running);
        assert_eq!(record.failure, record.steps[1].failure, "the first failure so far");
        assert_eq!(record.steps[0].status, Status::Pending);
        assert_eq!(record.steps[0].started_at_ms, None);
        let step = &record.steps[1];
        assert_eq!(step.started_at_ms, Some(20));
        assert_eq!(step.subject, format!("{}", instance(name, 1, 20_120).id));
        seen.push((step.status, step.ended_at_ms, step.failure.clone()));
    }
    let expected = [
        (Status::Running { attempt: 1 }, None, None),
        (Status::Running { attempt: 2 }, None, None),
        (Status::Failed, Some(22), Some(why.clone())),
        (Status::Undoing, None, Some(why.clone())),
        (Status::Stuck, Some(24), Some(why)),
    ];
    assert_eq!(seen, expected);
    end(journal, name, 1, Outcome::NeedsAttention).await;
}

/// A refused call leaves the journal as it was.
pub async fn what_does_not_fit_writes_nothing(journal: &dyn Journal) {
    let name = "misfit";
    let plan = plan(name, 1, 20_130);
    let began = Record::Step(0, Event::Began { attempt: 1 });
    let one = &id(name, 1);
    assert!(journal.planned(&plan, &[], 1).await.is_err(), "no such deployment");
    assert!(journal.record(one, &began, 1).await.is_err());
    assert!(journal.finish(one, Outcome::Aborted, None, None, 1).await.is_err());
    assert!(journal.reopen(one, false, 1).await.is_err());
    assert_eq!(journal.deployment(one).await.unwrap(), None);

    begun(journal, name, 1).await;
    assert!(journal.record(one, &began, 1).await.is_err(), "a step without a plan");
    journal.record(one, &Record::AbortAsked, 1).await.unwrap();
    journal.planned(&plan, &[], 2).await.unwrap();
    assert!(journal.planned(&plan, &[], 3).await.is_err(), "a second plan");
    assert!(journal.reopen(one, false, 3).await.is_err(), "it has not ended");
    end(journal, name, 1, Outcome::RolledBack).await;
    let before = journal.deployment(one).await.unwrap();
    assert!(journal.record(one, &began, 4).await.is_err());
    assert!(journal.record(one, &Record::AbortAsked, 4).await.is_err());
    assert!(journal.finish(one, Outcome::Deployed, None, None, 4).await.is_err());
    assert!(journal.reopen(one, false, 4).await.is_err(), "it needs no attention");
    assert_eq!(journal.deployment(one).await.unwrap(), before);
    assert!(journal.ledger(&plan).await.unwrap().abort_asked);
}

/// Its environment is free for a deployment that observes the world anew and takes over.
pub async fn needing_attention_keeps_no_lock_and_is_superseded(journal: &dyn Journal) {
    let name = "attention";
    begun(journal, name, 1).await;
    end(journal, name, 1, Outcome::NeedsAttention).await;
    let reported =
        |all: &[model::deployment::DeploymentRecord]| all.iter().any(|it| it.id == id(name, 1));
    assert!(reported(&journal.unfinished().await.unwrap()));
    begun(journal, name, 2).await;
    assert!(!reported(&journal.unfinished().await.unwrap()));
    assert!(journal.reopen(&id(name, 1), false, 40).await.is_err(), "another took over");
    end(journal, name, 2, Outcome::Deployed).await;
    assert!(journal.reopen(&id(name, 1), false, 50).await.is_err(), "for good");
    assert!(!reported(&journal.unfinished().await.unwrap()));
}

/// By `resume` or `abort`: with its plan, its steps and the lock.
pub async fn needing_attention_is_taken_up_again(journal: &dyn Journal) {
    let name = "taken-up";
    begun(journal, name, 1).await;
    let plan = plan(name, 1, 20_140);
    journal.planned(&plan, &[], 11).await.unwrap();
    let began = Record::Step(0, Event::Began { attempt: 1 });
    journal.record(&plan.deployment, &began, 12).await.unwrap();
    for (at_ms, abort) in [(20, false), (30, true)] {
        end(journal, name, 1, Outcome::NeedsAttention).await;
        journal.reopen(&plan.deployment, abort, at_ms).await.unwrap();
        let record = journal.deployment(&plan.deployment).await.unwrap().unwrap();
        assert_eq!((record.stage, record.ended_at_ms), (Stage::Running, None));
        assert_eq!(record.plan.as_ref(), Some(&plan));
        let ledger = journal.ledger(&plan).await.unwrap();
        assert_eq!(ledger.statuses[0], Status::Running { attempt: 1 });
        assert_eq!(ledger.abort_asked, abort);
        let other = journal.begin(&request(name, 2), 40).await.unwrap();
        assert!(matches!(other, Begun::Busy(_)), "it has the lock again: {other:?}");
    }
    end(journal, name, 1, Outcome::Deployed).await;
}

/// By the order in which they were taken on, never by the clock.
pub async fn history_is_newest_first_and_bounded(journal: &dyn Journal) {
    let name = "history";
    for (number, at_ms) in [(1, 500), (2, 100), (3, 300)] {
        let begun = journal.begin(&request(name, number), at_ms).await.unwrap();
        assert!(matches!(begun, Begun::Taken { .. }));
        end(journal, name, number, Outcome::Deployed).await;
    }
    let of = |limit| async move {
        let history = journal.history(&environment(name), limit).await.unwrap();
        history.into_iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(of(9).await, [id(name, 3), id(name, 2), id(name, 1)]);
    assert_eq!(of(2).await, [id(name, 3), id(name, 2)]);
    assert_eq!(journal.history(&environment("nowhere"), 9).await.unwrap(), vec![]);
}

/// Above what the router had on disk, and above all that was ever given out.
pub async fn generations_are_given_out_once(journal: &dyn Journal) {
    let (here, there) = (environment("generations"), environment("elsewhere"));
    let reserve = |environment, above, count| async move {
        journal.reserve_generations(environment, Generation(above), count).await.unwrap().0
    };
    assert_eq!(reserve(&here, 0, 3).await, 1);
    assert_eq!(reserve(&here, 0, 1).await, 4);
    assert_eq!(reserve(&here, 90, 2).await, 91);
    assert_eq!(reserve(&here, 5, 1).await, 93);
    assert_eq!(reserve(&there, 0, 1).await, 1, "each environment has its own");
    let above = Generation(u64::MAX - 1);
    assert!(journal.reserve_generations(&here, above, 9).await.is_err(), "none is left");
    assert_eq!(reserve(&here, 0, 1).await, 94);
}

/// With the plan, until their instances are ended and no generation names them.
pub async fn ports_stay_leased_until_they_are_freed(journal: &dyn Journal) {
    let name = "ports";
    begun(journal, name, 1).await;
    journal.planned(&plan(name, 1, 20_150), &[], 11).await.unwrap();
    assert!(journal.ports_leased().await.unwrap().contains(&20_150));
    end(journal, name, 1, Outcome::Aborted).await;
    assert!(journal.ports_leased().await.unwrap().contains(&20_150), "the end frees no port");

    let thief = "thief";
    begun(journal, thief, 1).await;
    assert!(journal.planned(&plan(thief, 1, 20_150), &[], 12).await.is_err(), "it is leased");
    let record = journal.deployment(&id(thief, 1)).await.unwrap().unwrap();
    assert_eq!((record.stage, record.plan), (Stage::Planning, None), "nothing was written");

    let holder = instance(name, 1, 20_150).id;
    journal.free_ports(std::slice::from_ref(&holder)).await.unwrap();
    assert!(!journal.ports_leased().await.unwrap().contains(&20_150));
    journal.free_ports(&[holder]).await.unwrap();
    journal.planned(&plan(thief, 1, 20_150), &[], 13).await.unwrap();
    end(journal, thief, 1, Outcome::Aborted).await;
}

/// Where the configuration fixes it, the next instance has the port of the last.
pub async fn a_fixed_port_passes_from_instance_to_instance(journal: &dyn Journal) {
    let name = "fixed";
    for number in [1, 2] {
        begun(journal, name, number).await;
        journal.planned(&plan(name, number, 8_100), &[], 11).await.unwrap();
        end(journal, name, number, Outcome::Deployed).await;
    }
    journal.free_ports(&[instance(name, 1, 8_100).id]).await.unwrap();
    assert!(journal.ports_leased().await.unwrap().contains(&8_100), "the second holds it");
    journal.free_ports(&[instance(name, 2, 8_100).id]).await.unwrap();
    assert!(!journal.ports_leased().await.unwrap().contains(&8_100));
}

/// Setting it again counts as a change: the release came back.
pub async fn the_standing_that_changed_last_is_first(journal: &dyn Journal) {
    let here = environment("standings");
    let set = |release: &'static str, standing, at_ms| {
        let here = here.clone();
        async move {
            let (id, version) = (ReleaseId(release.to_owned()), format!("v-{release}"));
            journal.set_standing(&here, &id, &version, standing, at_ms).await.unwrap();
        }
    };
    assert_eq!(journal.standings(&here).await.unwrap(), vec![]);
    set("a", Standing::Staged, 900).await;
    set("b", Standing::Accepted, 100).await;
    set("a", Standing::Accepted, 200).await;
    set("b", Standing::Refused, 50).await;
    let is =
        |release: &str, standing| (ReleaseId(release.to_owned()), format!("v-{release}"), standing);
    let (refused, accepted) = (is("b", Standing::Refused), is("a", Standing::Accepted));
    let all = journal.standings(&here).await.unwrap();
    assert_eq!(all, [refused.clone(), accepted.clone()]);
    set("a", Standing::Accepted, 10).await;
    assert_eq!(journal.standings(&here).await.unwrap(), [accepted, refused]);
}

/// The reaper and a warm rollback never both have an instance.
pub async fn retired_instances_are_claimed_once(journal: &dyn Journal) {
    let name = "retired";
    let [one, two, three] = [1, 2, 3].map(|it| instance(name, it, 20_160 + it));
    journal.retire(&one, 1000).await.unwrap();
    journal.retire(&two, 2000).await.unwrap();
    journal.retire(&two, 2500).await.unwrap();
    let ours = || async {
        let all = journal.retired().await.unwrap();
        all.into_iter().filter(|it| it.0.environment == environment(name)).collect::<Vec<_>>()
    };
    assert_eq!(ours().await, [(one.clone(), 1000), (two.clone(), 2500)]);
    let wanted = [two.id.clone(), three.id, one.id.clone()];
    let claimed = journal.claim(&wanted[..2]).await.unwrap();
    assert_eq!(claimed, std::slice::from_ref(&two.id));
    assert_eq!(journal.claim(&wanted[..2]).await.unwrap(), vec![]);
    assert_eq!(ours().await, [(one.clone(), 1000)]);
    journal.buried(&one.id).await.unwrap();
    journal.buried(&one.id).await.unwrap();
    assert_eq!(ours().await, []);
}

async fn begun(journal: &dyn Journal, name: &str, number: u16) -> u64 {
    match journal.begin(&request(name, number), 10).await.unwrap() {
        Begun::Taken { sequence } => sequence,
        other => panic!("the lock of {name} is not free: {other:?}"),
    }
}

async fn end(journal: &dyn Journal, name: &str, number: u16, outcome: Outcome) {
    journal.finish(&id(name, number), outcome, None, None, 15).await.unwrap();
}
