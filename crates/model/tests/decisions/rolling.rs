//! Instances that are replaced batch by batch.

use crate::build::{after, deploy, nothing, planned, roll_back, service, serving, spec, words};
use model::{
    id::Generation,
    plan::{Plan, Share, StagedRoutes, Step, WayBack},
    service::{EnvironmentSpec, Millis, Rolling, ServiceSpec, Strategy},
};

fn rolled(text: &str, instances: u16, batch: u16) -> ServiceSpec {
    let rolling = Rolling { batch };
    ServiceSpec { strategy: Strategy::Rolling, instances, rolling, ..service(text) }
}

fn staged(plan: &Plan) -> &[StagedRoutes] {
    let staged = plan.steps.iter().find_map(|it| match it {
        Step::StageRoutes { staged } => Some(staged),
        _ => None,
    });
    staged.expect("every plan stages routes")
}

/// `web1 v2, web2 v1`
fn led_to(staged: &StagedRoutes) -> String {
    let name =
        |it: &&model::instance::Instance| format!("{}{} {}", it.service, it.number, it.version);
    let all: Vec<String> = staged.routes.instances().iter().map(name).collect();
    all.join(", ")
}

fn shares(plan: &Plan) -> Vec<Option<Share>> {
    let share = |it: &Step| match it {
        Step::Switch { share, .. } => Some(*share),
        _ => None,
    };
    plan.steps.iter().filter_map(share).collect()
}

#[test]
fn each_batch_starts_is_fit_and_takes_over_from_as_many() {
    let spec = spec(vec![rolled("web", 3, 1)]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    let batch = |number: u16| {
        vec![
            format!("start web{number} v2"),
            format!("health web{number} v2"),
            "switch".into(),
            "verify".into(),
            "bake".into(),
        ]
    };
    let mut wanted = vec!["stage".to_owned(), "routes".to_owned()];
    wanted.extend((1..=3).flat_map(batch));
    wanted.push("confirm".into());
    assert_eq!(words(&plan.steps[..plan.commit]), wanted);
    let staged = staged(&plan);
    let led: Vec<String> = staged.iter().map(led_to).collect();
    assert_eq!(
        led,
        [
            "web1 v2, web2 v1, web3 v1",
            "web1 v2, web2 v2, web3 v1",
            "web1 v2, web2 v2, web3 v2",
            "web1 v1, web2 v1, web3 v1",
        ]
    );
    let of: Vec<u64> = staged.iter().map(|it| it.routes.generation.0).collect();
    assert_eq!(of, [11, 12, 13, 15], "the confirming one is staged when it confirms");
    assert_eq!(plan.generations(), 5);
    let share = |batch, new| Some(Share { batch, batches: 3, new, all: 3, percent: None });
    assert_eq!(shares(&plan), [share(1, 1), share(2, 2), share(3, 3)]);
}

#[test]
fn from_any_batch_it_goes_back_to_all_of_the_old_which_runs_until_the_commit() {
    let spec = spec(vec![rolled("web", 4, 2)]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    assert_eq!(plan.way_back(), WayBack::Warm);
    let fallbacks: Vec<Generation> =
        staged(&plan).iter().filter_map(|it| it.probation).map(|it| it.fallback).collect();
    assert_eq!(fallbacks, [Generation(3), Generation(3)]);
    let switches: Vec<(u64, u64, u64)> = plan
        .steps
        .iter()
        .filter_map(|it| match it {
            Step::Switch { from, to, back, .. } => Some((from.0, to.0, back.0)),
            _ => None,
        })
        .collect();
    assert_eq!(switches, [(3, 11, 14), (11, 12, 14)]);
}

#[test]
fn a_batchs_probation_lasts_while_the_next_one_starts() {
    let spec = spec(vec![rolled("web", 2, 1)]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    let expires: Vec<Millis> =
        staged(&plan).iter().filter_map(|it| it.probation).map(|it| it.expires).collect();
    let start = spec.services[0].start_timeout;
    assert!(expires[0].0 >= expires[1].0 + start.0, "{expires:?}");
}

#[test]
fn the_last_batch_may_be_smaller_and_a_large_service_has_larger_ones() {
    let sized = |instances, batch| {
        let spec = spec(vec![rolled("web", instances, batch)]);
        let mut before = serving_many(&spec);
        before.ports_free = (21_000..22_000).collect();
        let plan = planned(&before, &deploy(2, &spec));
        let news: Vec<u16> = shares(&plan).into_iter().flatten().map(|it| it.new).collect();
        news
    };
    assert_eq!(sized(5, 2), [2, 4, 5]);
    assert_eq!(sized(3, 3), Vec::<u16>::new(), "one batch is one switch");
    assert_eq!(sized(100, 1).len(), 20);
}

fn serving_many(spec: &EnvironmentSpec) -> model::planner::Observed {
    let mut before = nothing();
    before.ports_free = (20_000..21_000).collect();
    after(&before, &deploy(1, spec))
}

#[test]
fn more_or_fewer_instances_than_before_roll_too() {
    let (small, large) = (spec(vec![rolled("web", 1, 1)]), spec(vec![rolled("web", 3, 1)]));
    let grown = planned(&serving(&small), &deploy(2, &large));
    let led: Vec<String> = staged(&grown).iter().map(led_to).collect();
    assert_eq!(led[..3], ["web1 v2", "web1 v2, web2 v2", "web1 v2, web2 v2, web3 v2"]);
    let shrunk = planned(&serving(&large), &deploy(2, &small));
    assert_eq!(shares(&shrunk), [None]);
}

#[test]
fn what_is_replaced_at_once_comes_with_the_first_batch() {
    let api = ServiceSpec { routes: vec!["/api".into()], ..service("api") };
    let spec = spec(vec![rolled("web", 2, 1), api]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    let led: Vec<String> = staged(&plan).iter().map(led_to).collect();
    assert_eq!(led[0], "web1 v2, web2 v1, api1 v2, api2 v2");
    assert_eq!(led[1], "web1 v2, web2 v2, api1 v2, api2 v2");
}

#[test]
fn the_first_deployment_has_nothing_to_roll_over() {
    let spec = spec(vec![rolled("web", 4, 1)]);
    assert_eq!(shares(&planned(&nothing(), &deploy(1, &spec))), [None]);
}

#[test]
fn the_old_is_warm_after_it_and_serves_again_at_once() {
    let spec = spec(vec![rolled("web", 2, 1)]);
    let second = after(&serving(&spec), &deploy(2, &spec));
    assert_eq!(second.warm.len(), 2);
    let first = second.releases[1].release.clone();
    let plan = planned(&second, &roll_back(3, &first));
    assert!(plan.steps.iter().any(|it| matches!(it, Step::Claim { .. })));
    assert_eq!(shares(&plan), [None]);
}
