//! Further questions: when they are asked, and what may be gone on without.

use crate::build::{deploy, nothing, planned, service, spec};
use model::{
    check::{Check, Identity, Measured, Performance, Question},
    deployment::Overrides,
    plan::{Plan, Step},
    service::{Millis, ServiceSpec},
};

fn check(question: Question, after: bool) -> Check {
    let timeout = Millis::seconds(5);
    Check { name: question.word().to_owned(), after, timeout, question }
}

fn performance() -> Performance {
    Performance {
        path: "/".into(),
        response: Millis(2000),
        memory_percent: 80,
        cpu_percent: 70,
        window: Millis::seconds(5),
    }
}

/// Per step: its word, its checks, and how many instances it is about.
fn asked(plan: &Plan) -> Vec<(&str, String, usize)> {
    let of = |step: &'_ Step| match step {
        Step::Check { instances, checks } => {
            let names: Vec<&str> = checks.list.iter().map(|it| it.name.as_str()).collect();
            Some((names.join(" "), instances.len()))
        }
        _ => None,
    };
    plan.steps
        .iter()
        .filter_map(|it| of(it).map(|(names, count)| (it.word(), names, count)))
        .collect()
}

#[test]
fn they_are_asked_before_the_switch_and_some_again_after_it() {
    let checked = ServiceSpec {
        checks: vec![
            check(Question::Tcp { address: None }, false),
            check(Question::Endpoints { paths: vec!["/".into(), "/a".into()] }, true),
            check(Question::Performance(performance()), false),
        ],
        ..service("web")
    };
    let plain = ServiceSpec { checks: vec![], ..checked.clone() };
    let mut wanted = deploy(1, &spec(vec![checked]));
    let plan = planned(&nothing(), &wanted);
    let all = "tcp endpoints performance".to_owned();
    let again = ("recheck", "endpoints".to_owned(), 2);
    assert_eq!(asked(&plan), [("check", all.clone(), 1), ("check", all, 1), again]);
    let at = |word: &str| plan.steps.iter().position(|it| it.word() == word).unwrap();
    assert!(at("health") < at("check") && at("check") < at("switch"));
    assert!(at("verify") < at("recheck") && at("recheck") < at("bake"));
    // The proxy has patience for two requests of 5 s more.
    let patience = |plan: &Plan| {
        let staged = plan.steps.iter().find_map(|it| match it {
            Step::StageRoutes { staged } => staged.iter().find_map(|it| it.probation),
            _ => None,
        });
        staged.unwrap().expires.0
    };
    let without = planned(&nothing(), &deploy(1, &spec(vec![plain])));
    assert_eq!(patience(&plan), patience(&without) + 10_000);
    // A plan of before there were checks, or without any, reads as ever.
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);

    wanted.overrides = Overrides { skip_health_check: true, ..Overrides::default() };
    let soft = ("check", "performance".to_owned(), 1);
    assert_eq!(
        asked(&planned(&nothing(), &wanted)),
        [soft.clone(), soft],
        "only soft ones are left"
    );
}

#[test]
fn a_service_of_before_there_were_checks_has_none() {
    let mut old = serde_json::to_value(service("web")).unwrap();
    old.as_object_mut().unwrap().remove("checks");
    assert_eq!(serde_json::from_value::<ServiceSpec>(old).unwrap().checks, []);
    let old = r#"{"method":"GET","path":"/","status":200,"contains":null,"json":{}}"#;
    let test: model::service::SmokeTest = serde_json::from_str(old).unwrap();
    assert_eq!(test, model::service::SmokeTest::get("/"));
}

#[test]
fn a_version_and_a_commit_agree_loosely_but_not_too_loosely() {
    use Identity::{Commit, Version};
    let table = [
        (Version, "1.2.0", "1.2.0", true),
        (Version, "v1.2.0\n", "1.2.0", true),
        (Version, "1.2.01", "1.2.0", false),
        (Version, "", "1.2.0", false),
        (Commit, "0123456789abcdef", "0123456", true),
        (Commit, "0123456", "0123456789abcdef", true),
        (Commit, "012345", "0123456789abcdef", false),
        (Commit, "1123456", "0123456789abcdef", false),
        (Commit, "", "0123456789abcdef", false),
    ];
    for (what, said, wanted, agrees) in table {
        assert_eq!(what.agrees(said, wanted), agrees, "{said} {wanted}");
    }
}

#[test]
fn what_is_beyond_its_bound_is_named() {
    let seen = |response_ms, memory_percent, cpu_percent| {
        let seen = Measured { response_ms, memory_percent, cpu_percent };
        performance().trouble(&seen).unwrap_or_default()
    };
    assert_eq!(seen(1999.0, 79.9, 69.9), "");
    assert_eq!(seen(2000.0, 0.0, 0.0), "it answers in 2000 ms, wanted: less than 2000");
    assert_eq!(seen(0.0, 80.0, 0.0), "it takes 80 % of its memory, wanted: less than 80 %");
    assert_eq!(seen(0.0, 0.0, 99.0), "it takes 99 % of its processor, wanted: less than 70 %");
    assert_eq!(seen(3000.0, 90.0, 90.0).matches("wanted").count(), 3);
}
