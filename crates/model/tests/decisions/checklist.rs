//! What a deployment's record answers of the checklist.

use crate::build::{deploy, nothing, planned, service, spec};
use model::{
    checklist::{Answer, checklist},
    deployment::{DeploymentRecord, Overrides, Stage, StepRecord, Traffic},
    describe,
    failure::{Blame, Failure},
    journal::{Outcome, Status},
};

fn record(status: impl Fn(&str) -> Status) -> DeploymentRecord {
    let plan = planned(&nothing(), &deploy(1, &spec(vec![service("web")])));
    let steps = plan.steps.iter().map(|step| {
        let status = status(step.word());
        let why = || Failure::new(Blame::Release, "get a good answer");
        StepRecord {
            word: step.word().into(),
            subject: describe::subject(step),
            status,
            started_at_ms: Some(1),
            ended_at_ms: Some(2),
            failure: (status == Status::Failed).then(why),
            verdict: None,
        }
    });
    DeploymentRecord {
        id: plan.deployment.clone(),
        environment: plan.environment.clone(),
        kind: plan.kind,
        stage: Stage::Ended(Outcome::Deployed),
        from: None,
        to: plan.to.clone(),
        by: "ann".into(),
        reason: None,
        overrides: Overrides::default(),
        started_at_ms: 0,
        ended_at_ms: Some(3),
        failure: None,
        overridden: vec![],
        steps: steps.collect(),
        plan: Some(plan),
        traffic: Some(Traffic { requests: 12, ..Traffic::default() }),
    }
}

fn answers(record: &DeploymentRecord) -> Vec<(String, Answer)> {
    checklist(record).into_iter().map(|it| (it.point, it.answer)).collect()
}

fn of(record: &DeploymentRecord, point: &str) -> (Answer, String) {
    let found = checklist(record).into_iter().find(|it| it.point == point).unwrap();
    (found.answer, found.evidence)
}

#[test]
fn what_was_done_is_yes_and_what_is_not_configured_was_not_asked() {
    let record = record(|_| Status::Done);
    let no = answers(&record).into_iter().filter(|it| it.1 == Answer::No).count();
    assert_eq!(no, 0);
    for yes in ["new instances run", "routes lead to the new", "the manifest is written"] {
        assert_eq!(of(&record, yes).0, Answer::Yes, "{yes}");
    }
    let backup = of(&record, "a backup was made and verified");
    assert_eq!(backup, (Answer::NotAsked, "no backup is configured".into()));
    let (answer, evidence) = of(&record, "its figures are healthy");
    assert_eq!(answer, Answer::Yes);
    assert!(evidence.contains("12 requests, 0 failed"), "{evidence}");
    let mut few = record.clone();
    let bake = few.steps.iter_mut().find(|it| it.word == "bake").unwrap();
    bake.verdict = Some("undecided: 12 requests, 0 failed".into());
    let (answer, evidence) = of(&few, "its figures are healthy");
    assert_eq!(answer, Answer::NotAsked);
    assert!(evidence.contains("undecided: 12 requests"), "{evidence}");
    let quiet = DeploymentRecord { traffic: None, ..record };
    assert_eq!(of(&quiet, "its figures are healthy").0, Answer::NotAsked, "no traffic");
}

#[test]
fn what_failed_or_was_undone_is_no_and_what_was_not_come_to_was_not_asked() {
    let record = record(|word| match word {
        "start" => Status::Undone,
        "health" => Status::Failed,
        "stage" | "routes" => Status::Done,
        _ => Status::Pending,
    });
    assert_eq!(of(&record, "new instances run").0, Answer::No);
    let (answer, evidence) = of(&record, "they are ready and healthy");
    assert_eq!(answer, Answer::No);
    assert!(evidence.contains("get a good answer"), "{evidence}");
    assert_eq!(of(&record, "routes lead to the new").0, Answer::NotAsked);
}

#[test]
fn what_was_left_out_was_not_asked() {
    let mut record = record(|_| Status::Done);
    record.overrides.skip_health_check = true;
    let (answer, evidence) = of(&record, "they are ready and healthy");
    assert_eq!(answer, Answer::NotAsked);
    assert!(evidence.contains("--skip-health-check"), "{evidence}");
}
