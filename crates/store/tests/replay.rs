//! What a watcher is told who comes late.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

#[path = "contract/fixture.rs"]
mod fixture;

use engine::port::journal::Journal;
use fixture::{environment, id, instance, plan, request};
use model::{
    deployment::{Finding, News, Stage, Traffic},
    failure::{Blame, Failure},
    id::ReleaseId,
    journal::{Event, Outcome, Record, Status},
    release::Standing,
};
use rusqlite::Connection;

#[tokio::test]
async fn a_late_watcher_is_told_all_in_order_and_each_line_once() {
    let root = tempfile::tempdir().unwrap();
    let store = store::open(root.path()).unwrap();
    store.begin(&request("other", 1), 1).await.unwrap();
    let plan = plan("watched", 1, 20_000);
    let (id, why) = (plan.deployment.clone(), Failure::new(Blame::Release, "see it ready"));
    let finding = Finding { failure: why.clone(), overridable: true };
    let traffic = Traffic { requests: 3, ..Traffic::default() };
    store.retire(&instance("watched", 7, 20_001), 99).await.unwrap();
    store.begin(&request("watched", 1), 10).await.unwrap();
    store.planned(&plan, std::slice::from_ref(&finding), 11).await.unwrap();
    store.record(&id, &Record::Step(1, Event::Began { attempt: 1 }), 12).await.unwrap();
    store.record(&id, &Record::Baked { nonce: "n".to_owned(), verdict: None }, 13).await.unwrap();
    store.record(&id, &Record::AbortAsked, 14).await.unwrap();
    store.record(&id, &Record::Step(1, Event::Failed(why.clone())), 15).await.unwrap();
    let outcome = Outcome::Aborted;
    store.finish(&id, outcome, Some(&why), Some(traffic.clone()), 16).await.unwrap();

    let step = |status, failure| News::Step {
        index: 1,
        word: "start".to_owned(),
        subject: instance("watched", 1, 20_000).id.0,
        status,
        failure,
    };
    let ended = News::Ended {
        outcome,
        failure: Some(why.clone()),
        traffic: Some(traffic),
        serving: plan.from.clone(),
        warm: vec![(instance("watched", 7, 20_001).id, 99)],
    };
    let accepted = News::Accepted { deployment: id.clone(), environment: environment("watched") };
    let expected = [
        (2, 10, accepted),
        (0, 11, News::Found { finding, overridden: true }),
        (3, 11, News::Planned { plan: Box::new(plan) }),
        (4, 12, step(Status::Running { attempt: 1 }, None)),
        (6, 14, News::Note { text: "it was asked to turn back".to_owned() }),
        (7, 15, step(Status::Failed, Some(why))),
        (8, 16, ended),
    ];
    let all = store.events_after(&id, 0).await.unwrap();
    assert_eq!(all, expected);
    assert_eq!(store.events_after(&id, 2).await.unwrap(), expected[1..]);
    for (at, (sequence, ..)) in expected.iter().enumerate().skip(2) {
        assert_eq!(store.events_after(&id, *sequence).await.unwrap(), expected[at + 1..]);
    }
    let reader = store::read_only(root.path()).unwrap();
    assert_eq!(reader.events_after(&id, 0).unwrap(), all);
    assert!(store.events_after(&fixture::id("nobody", 1), 0).await.is_err());
}

#[tokio::test]
async fn what_serves_after_an_end_without_a_plan_is_what_the_last_good_one_left() {
    let root = tempfile::tempdir().unwrap();
    let store = store::open(root.path()).unwrap();
    let served = async |number: u16, outcome| {
        let id = id("served", number);
        store.begin(&request("served", number), 1).await.unwrap();
        if matches!(outcome, Outcome::Deployed | Outcome::RolledBack) {
            store.planned(&plan("served", number, 20_000), &[], 2).await.unwrap();
        }
        store.finish(&id, outcome, None, None, 3).await.unwrap();
        match store.events_after(&id, 0).await.unwrap().pop() {
            Some((_, _, News::Ended { serving, .. })) => serving.map(|it| it.version),
            other => panic!("{other:?}"),
        }
    };
    let version = |text: &str| Some(text.to_owned());
    assert_eq!(served(1, Outcome::Refused).await, None);
    assert_eq!(served(2, Outcome::Deployed).await, version("1.0.2"));
    assert_eq!(served(3, Outcome::Refused).await, version("1.0.2"));
    assert_eq!(served(4, Outcome::RolledBack).await, version("1.0.3"));
    assert_eq!(served(5, Outcome::NeedsAttention).await, None);
    assert_eq!(served(6, Outcome::Refused).await, None, "nobody can say from here");
}

#[tokio::test]
async fn a_plan_of_other_words_is_told_as_such_and_spoils_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = store::open(root.path()).unwrap();
    let plan = plan("words", 1, 20_000);
    store.begin(&request("words", 1), 1).await.unwrap();
    store.planned(&plan, &[], 2).await.unwrap();
    store.record(&plan.deployment, &Record::AbortAsked, 3).await.unwrap();
    drop(store);
    let sql = "UPDATE deployment SET plan = json_set(plan, '$.steps[4].step', 'dance')";
    Connection::open(root.path().join("state.db")).unwrap().execute(sql, []).unwrap();

    let store = store::open(root.path()).unwrap();
    let record = store.unfinished().await.unwrap().pop().unwrap();
    assert_eq!((record.stage, record.plan), (Stage::Running, None));
    assert_eq!(record.to, plan.to);
    let failure = record.failure.unwrap();
    assert!(failure.message.contains("read the plan"), "{}", failure.message);
    assert_eq!(store.events_after(&plan.deployment, 0).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_thousand_deployments_are_remembered_and_no_more() {
    let root = tempfile::tempdir().unwrap();
    let store = store::open(root.path()).unwrap();
    for number in 1..=1010 {
        store.begin(&request("many", number), 1).await.unwrap();
        store.finish(&id("many", number), Outcome::Refused, None, None, 2).await.unwrap();
    }
    let history = store.history(&environment("many"), usize::MAX).await.unwrap();
    assert_eq!((history.len(), &history[0].id), (1000, &id("many", 1010)));
    assert_eq!(history.last().map(|it| &it.id), Some(&id("many", 11)));
    assert!(store.events_after(&id("many", 10), 0).await.is_err());
}

#[tokio::test]
async fn no_value_of_a_variable_reaches_the_disk() {
    let root = tempfile::tempdir().unwrap();
    let store = store::open(root.path()).unwrap();
    let mut request = request("secret", 1);
    request.change = serde_json::from_value(serde_json::json!({
        "change": "deploy",
        "spec": {
            "id": environment("secret"), "domains": ["*"], "version": "any", "keep_releases": 5,
            "disk_free_bytes": null, "listen": [], "services": [{
                "name": "web", "command": ["a"], "instances": 1, "routes": ["/"], "port": null,
                "readiness": "port", "health": null, "smoke": [], "strategy": "blue-green",
                "drain": 1, "stop_signal": "SIGTERM", "grace": 1, "start_timeout": 1, "bake": 1,
                "keep_warm": 1, "limits": {}, "user": null, "upstream_keepalive": true,
                "env": {"TOKEN": "hunter2-hunter2"}, "secret_env": ["TOKEN"],
            }],
        },
        "version": null,
        "source": {"kind": "kept", "version": "1"},
    }))
    .unwrap();
    store.begin(&request, 1).await.unwrap();
    let release = ReleaseId("r".to_owned());
    let standing = Standing::Accepted;
    store.set_standing(&environment("secret"), &release, "1", standing, 2).await.unwrap();
    for name in ["state.db", "state.db-wal"] {
        let bytes = std::fs::read(root.path().join(name)).unwrap();
        assert!(!bytes.windows(7).any(|it| it == b"hunter2"), "{name}");
    }
}
