//! What the history says of who shall run.

use crate::build::{after, deploy, deployment, desired, name, nothing, planned, service, spec};
use model::{
    deployment::{DeploymentRecord, Overrides, Stage, StepRecord},
    journal::{Outcome, Status},
    plan::Plan,
    planner::Wanted,
    roster::Roster,
};

pub fn record(number: u32, plan: Plan, stage: Stage, done: usize) -> DeploymentRecord {
    let step = |(at, it): (usize, &model::plan::Step)| StepRecord {
        word: it.word().into(),
        subject: String::new(),
        status: if at < done { Status::Done } else { Status::Pending },
        started_at_ms: Some(1000),
        ended_at_ms: Some(2000),
        failure: None,
        verdict: None,
    };
    DeploymentRecord {
        id: deployment(number),
        environment: plan.environment.clone(),
        kind: plan.kind,
        stage,
        from: plan.from.clone(),
        to: plan.to.clone(),
        by: "ada".into(),
        reason: None,
        overrides: Overrides::default(),
        started_at_ms: 1_700_000_000_000,
        ended_at_ms: Some(1_700_000_060_000),
        failure: None,
        overridden: vec![],
        steps: plan.steps.iter().enumerate().map(step).collect(),
        plan: Some(plan),
        traffic: None,
    }
}

#[test]
fn the_newest_commit_says_who_shall_run() {
    let spec = spec(vec![service("web"), crate::build::worker("mail")]);
    let ended = Stage::Ended(Outcome::Deployed);
    let first = planned(&nothing(), &deploy(1, &spec));
    let serving = after(&nothing(), &deploy(1, &spec));
    let scaled = desired(2, Wanted::Scale { instances: [(name("web"), 3)].into() });
    let second = planned(&serving, &scaled);
    let (first, second_steps) = (record(1, first, ended, 99), second.steps.len());
    let second_ended = record(2, second.clone(), ended, second_steps);
    let roster = Roster::new(&[second_ended, first.clone()]);
    assert_eq!(roster.kept.len(), 4);
    assert!(roster.kept.iter().all(|it| roster.instance(it).is_some()));
    assert_eq!(roster.current.unwrap().version, "v1");

    let unwound = record(2, second.clone(), Stage::Ended(Outcome::RolledBack), 0);
    assert_eq!(Roster::new(&[unwound, first.clone()]).kept.len(), 3);
    let commit = second.commit;
    let clearing_up = record(2, second, Stage::Running, commit);
    assert_eq!(Roster::new(&[clearing_up, first]).kept.len(), 4);
}

#[test]
fn a_stop_says_what_to_start_again() {
    let spec = spec(vec![service("web")]);
    let serving = after(&nothing(), &deploy(1, &spec));
    let stop = planned(&serving, &desired(2, Wanted::Stop));
    let record = record(2, stop, Stage::Ended(Outcome::Deployed), 99);
    let roster = Roster::new(&[record]);
    assert_eq!((roster.kept.len(), roster.stopped.len()), (0, 2));
    assert_eq!(roster.current.unwrap().version, "v1", "what a start starts");
}
