//! Whether a deployment left everything as it should be: point by point, from what the journal
//! says was done.

use crate::{
    bake::UNDECIDED,
    check::{Check, Question},
    deployment::{DeploymentRecord, StepRecord},
    journal::Status,
    plan::{Kind, Step},
};
use serde::{Deserialize, Serialize};

/// What the journal answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was asked, or done, and was well.
    Yes,
    /// It failed, or was undone.
    No,
    /// Nobody asked, or nobody came to it.
    NotAsked,
}

/// One point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// What should be.
    pub point: String,
    /// Whether it is.
    pub answer: Answer,
    /// By which steps that is known, or why it is not.
    pub evidence: String,
    /// Unix time in ms of the last of them.
    pub at_ms: Option<u64>,
}

/// Steps that are named in one evidence; of more only the number is told.
const NAMED_MAX: usize = 3;

/// All points, in the order in which people go through them; none of a stop.
pub fn checklist(record: &DeploymentRecord) -> Vec<Point> {
    if record.kind == Kind::Stop {
        return vec![];
    }
    let word =
        |words: &'static [&'static str]| move |it: &Done<'_>| words.contains(&it.0.word.as_str());
    let mut points = vec![
        point(record, "new instances run", "none was started", word(&["start"])),
        point(record, "they are ready and healthy", "none was awaited", word(&["health"])),
        point(record, "smoke tests pass", "no smoke test is configured", word(&["smoke"])),
        point(record, "checks pass", "no check is configured", word(&["check", "recheck"])),
        point(
            record,
            "migrations are applied",
            "no migration is configured",
            word(&["migrate", "migration"]),
        ),
        point(record, "routes lead to the new", "no traffic was moved", |it| {
            ["switch", "confirm"].contains(&it.0.word.as_str())
        }),
        point(
            record,
            "the public route answers by the new",
            "no route was asked",
            word(&["verify"]),
        ),
        point(record, "no errors in its logs", "no check of kind `log` is configured", asks_log),
        metrics(record),
        point(
            record,
            "a backup was made and verified",
            "no backup is configured",
            word(&["backup"]),
        ),
        point(record, "the manifest is written", "it was not part of it", word(&["manifest"])),
    ];
    let left_out = [
        (record.overrides.skip_smoke, "smoke tests pass", "left out by --skip-smoke"),
        (record.overrides.skip_migrate, "migrations are applied", "left out by --skip-migrate"),
        (
            record.overrides.skip_backup,
            "a backup was made and verified",
            "left out by --skip-backup",
        ),
        (
            record.overrides.skip_health_check,
            "they are ready and healthy",
            "left out by --skip-health-check: only readiness was awaited",
        ),
    ];
    for (_, name, why) in left_out.into_iter().filter(|it| it.0) {
        for point in points.iter_mut().filter(|it| it.point == name && it.answer != Answer::No) {
            point.answer = Answer::NotAsked;
            why.clone_into(&mut point.evidence);
        }
    }
    points
}

/// A step's record, and the step itself where the plan is known.
struct Done<'a>(&'a StepRecord, Option<&'a Step>);

fn asks_log(step: &Done<'_>) -> bool {
    let is_log = |it: &Check| matches!(it.question, Question::Log { .. });
    matches!(step.1, Some(Step::Check { checks, .. }) if checks.list.iter().any(is_log))
}

fn point(
    record: &DeploymentRecord,
    name: &str,
    absent: &str,
    wanted: impl Fn(&Done<'_>) -> bool,
) -> Point {
    let step = |at: usize| record.plan.as_ref().and_then(|it| it.steps.get(at));
    let all = record.steps.iter().enumerate().map(|(at, it)| Done(it, step(at)));
    let steps: Vec<&StepRecord> = all.filter(wanted).map(|it| it.0).collect();
    let (answer, evidence) = judged(&steps, absent);
    let at_ms = steps.iter().filter_map(|it| it.ended_at_ms).max();
    Point { point: name.to_owned(), answer, evidence, at_ms }
}

fn judged(steps: &[&StepRecord], absent: &str) -> (Answer, String) {
    if steps.is_empty() {
        return (Answer::NotAsked, absent.to_owned());
    }
    let of = |fits: fn(Status) -> bool| {
        steps.iter().filter(|it| fits(it.status)).copied().collect::<Vec<_>>()
    };
    let bad = steps.iter().find(|it| it.failure.is_some() && it.status != Status::Done);
    if let Some((step, failure)) = bad.and_then(|it| Some((it, it.failure.as_ref()?))) {
        return (Answer::No, format!("{}: failed to {}", title(step), failure.message));
    }
    let undone = of(|it| matches!(it, Status::Undone | Status::Undoing | Status::Stuck));
    if !undone.is_empty() {
        return (Answer::No, format!("{}, undone again", named(&undone)));
    }
    let open = of(|it| it != Status::Done);
    if !open.is_empty() {
        return (Answer::NotAsked, format!("{}: not come to", named(&open)));
    }
    (Answer::Yes, named(steps))
}

/// What the proxy counted while it was watched under traffic.
fn metrics(record: &DeploymentRecord) -> Point {
    let mut point =
        point(record, "its figures are healthy", "it was not watched", |it| it.0.word == "bake");
    if point.answer != Answer::Yes {
        return point;
    }
    let mut verdicts = record.steps.iter().filter_map(|it| it.verdict.as_deref());
    if let Some(verdict) = verdicts.find(|it| it.starts_with(UNDECIDED)) {
        point.answer = Answer::NotAsked;
        point.evidence = format!("{}: no instance ended; {verdict}", point.evidence);
        return point;
    }
    match &record.traffic {
        Some(traffic) if traffic.requests > 0 => {
            let (requests, failed) = (traffic.requests, traffic.failed);
            let p99 = traffic.p99_us / 1000;
            let counted = format!(
                "{}: {requests} requests, {failed} failed, p99 {p99} ms; no instance ended",
                point.evidence
            );
            point.evidence = counted;
        }
        _ => {
            point.answer = Answer::NotAsked;
            point.evidence =
                format!("{}: no instance ended, and no traffic was seen", point.evidence);
        }
    }
    point
}

fn title(step: &StepRecord) -> String {
    format!("{} {}", step.word, short(&step.subject)).trim_end().to_owned()
}

fn named(steps: &[&StepRecord]) -> String {
    if steps.len() > NAMED_MAX {
        let mut words: Vec<&str> = steps.iter().map(|it| it.word.as_str()).collect();
        words.dedup();
        return format!("{} steps: {}", steps.len(), words.join(", "));
    }
    steps.iter().map(|it| title(it)).collect::<Vec<_>>().join(", ")
}

/// `web.1` of `shop.production.web.1.5r2pdzd0`.
fn short(subject: &str) -> String {
    match subject.split('.').collect::<Vec<_>>()[..] {
        [_, _, service, number, token] if token.len() == 8 => format!("{service}.{number}"),
        _ => subject.to_owned(),
    }
}
