//! Health documents and streaks.

use crate::build::service;
use model::{
    health_document::{Health, HealthDocument},
    service::HealthSpec,
    verdict::{HealthWatch, Observation, Verdict},
};

fn read(body: &str) -> Option<HealthDocument> {
    HealthDocument::read(body.as_bytes())
}

#[test]
fn both_shapes_of_document_are_understood() {
    let list = read(
        r#"{"status":"healthy","timestamp":"2024-01-01T00:00:00Z",
            "uptime":3600,"version":"1.0.0",
            "deployment":{"slot":"blue"},
            "checks":[{"name":"database","status":"healthy"},
             {"name":"disk","status":"degraded"}]}"#,
    )
    .unwrap();
    assert_eq!((list.health.clone(), list.uptime_seconds), (Health::Healthy, Some(3600.0)));
    assert_eq!(list.checks.len(), 2);
    assert_eq!(list.against_switch(), None);
    let map = read(
        r#"{"status":"healthy","checks":{"http":"pass","api":"fail"},"metrics":{"responseTime":145},
            "version":"1.2.3","commit":"abc123","uptime":"123s"}"#,
    )
    .unwrap();
    assert_eq!(map.uptime_seconds, Some(123.0));
    assert_eq!((map.version.as_deref(), map.commit.as_deref()), (Some("1.2.3"), Some("abc123")));
    assert_eq!(map.checks[0].health, Health::Unhealthy, "in the order of the keys: api, http");
}

#[test]
fn only_healthy_may_be_switched_to() {
    for (body, reason) in [
        (r#"{"status":"OK"}"#, None),
        (r#"{"status":"ok","checks":7}"#, None),
        (r#"{"status":true}"#, None),
        (r#"{"status":"degraded","checks":{"db":{"status":"down"}}}"#, Some("degraded (db)")),
        (r#"{"status":"unhealthy"}"#, Some("unhealthy")),
        (r#"{"status":"purple"}"#, Some("`purple`")),
        (r#"{"status":""}"#, Some("``")),
    ] {
        let why = read(body).unwrap().against_switch();
        match reason {
            None => assert_eq!(why, None, "{body}"),
            Some(part) => {
                assert!(why.clone().is_some_and(|it| it.contains(part)), "{body}: {why:?}")
            }
        }
    }
}

#[test]
fn what_is_no_document_says_nothing() {
    for body in ["", "ok", "<html>", "[]", "{}", r#"{"status":200}"#, r#"{"status":null}"#, "\u{0}"]
    {
        assert_eq!(read(body), None, "{body}");
    }
    let deep = format!(r#"{{"status":"ok","x":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert_eq!(read(&deep), None, "nor is what cannot be read in bounds");
}

fn spec(successes: u32, tries: u32) -> HealthSpec {
    HealthSpec { successes, tries, ..service("web").health.unwrap() }
}

fn answered(status: u16) -> Observation {
    Observation::Answered { status, body: vec![] }
}

#[test]
fn passes_count_in_a_row_and_failures_in_all() {
    let seen = |statuses: &[u16]| {
        let mut watch = HealthWatch::default();
        let spec = spec(2, 3);
        let verdicts = statuses.iter().map(|it| watch.seen(&spec, 200, &answered(*it)));
        verdicts.last().unwrap()
    };
    assert_eq!(seen(&[200]), Verdict::Undecided);
    assert_eq!(seen(&[200, 200]), Verdict::Healthy);
    assert_eq!(seen(&[500, 200, 200]), Verdict::Healthy);
    // Flapping never passes twice in a row, and is given up.
    assert!(matches!(seen(&[200, 500, 200, 500, 200, 500]), Verdict::Unhealthy { .. }));
}

#[test]
fn each_observation_has_its_reason() {
    let last = |it: &Observation| HealthWatch::default().seen(&spec(1, 1), 200, it);
    let silent = Observation::Silent { why: "it refused".into() };
    assert_eq!(last(&Observation::Connected), Verdict::Healthy);
    assert_eq!(last(&Observation::Ended { code: Some(0) }), Verdict::Healthy);
    for (seen, part) in [
        (silent, "refused"),
        (Observation::Ended { code: Some(3) }, "3"),
        (Observation::Ended { code: None }, "signal"),
        (answered(302), "302 instead of 200"),
        (
            Observation::Answered { status: 503, body: br#"{"status":"unhealthy"}"#.to_vec() },
            "unhealthy",
        ),
        (
            Observation::Answered { status: 200, body: br#"{"status":"degraded"}"#.to_vec() },
            "degraded",
        ),
    ] {
        match last(&seen) {
            Verdict::Unhealthy { why } => assert!(why.contains(part), "{why}"),
            other => panic!("{seen:?}: {other:?}"),
        }
    }
}
