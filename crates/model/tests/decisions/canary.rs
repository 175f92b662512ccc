//! Requests that move to the new release by shares.

use crate::build::{after, deploy, desired, planned, roll_back, service, serving, spec, words};
use model::{
    bake::{BakeRule, HOLD_MAX, OnUndecided},
    canary::Canary,
    id::Generation,
    plan::{Plan, Share, StagedRoutes, Step, WayBack},
    planner::Wanted,
    routes::PathRoute,
    service::{Millis, ServiceSpec, Strategy},
};

fn by_stages(text: &str, instances: u16, stages: &[u8]) -> ServiceSpec {
    let canary = Canary { stages: stages.to_vec(), each: Millis::seconds(60) };
    ServiceSpec { strategy: Strategy::Canary, instances, canary, ..service(text) }
}

fn staged(plan: &Plan) -> &[StagedRoutes] {
    let staged = plan.steps.iter().find_map(|it| match it {
        Step::StageRoutes { staged } => Some(staged),
        _ => None,
    });
    staged.expect("every plan stages routes")
}

/// `web1 v2 1, web1 v1 19`
fn shared_out(path: &PathRoute) -> String {
    let weight = |at: usize| path.weights.get(at).map_or(String::new(), |it| format!(" {it}"));
    let one = |(at, it): (usize, &model::instance::Instance)| {
        format!("{}{} {}{}", it.service, it.number, it.version, weight(at))
    };
    path.instances.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

fn shares(plan: &Plan) -> Vec<Option<Share>> {
    let share = |it: &Step| match it {
        Step::Switch { share, .. } => Some(*share),
        _ => None,
    };
    plan.steps.iter().filter_map(share).collect()
}

fn bakes(plan: &Plan) -> Vec<(u64, BakeRule)> {
    let bake = |it: &Step| match it {
        Step::Bake { for_at_least, rule, .. } => Some((for_at_least.0 / 1000, *rule)),
        _ => None,
    };
    plan.steps.iter().filter_map(bake).collect()
}

#[test]
fn all_of_the_new_starts_and_is_given_more_and_more_of_the_requests() {
    let spec = spec(vec![by_stages("web", 1, &[5, 25, 50])]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    let turn = ["switch", "verify", "bake"];
    let mut wanted = vec!["stage", "routes", "start web1 v2", "health web1 v2"];
    wanted.extend(turn.repeat(4));
    wanted.push("confirm");
    assert_eq!(words(&plan.steps[..plan.commit]), wanted);
    let led: Vec<String> = staged(&plan).iter().map(|it| shared_out(&it.routes.paths[0])).collect();
    assert_eq!(
        led,
        [
            "web1 v1 19, web1 v2 1",
            "web1 v1 3, web1 v2 1",
            "web1 v1 1, web1 v2 1",
            "web1 v2",
            "web1 v1",
        ]
    );
    let share = |batch, all, percent| {
        Some(Share { batch, batches: 4, new: 1, all, percent: Some(percent) })
    };
    assert_eq!(shares(&plan), [share(1, 2, 5), share(2, 2, 25), share(3, 2, 50), share(4, 1, 100)]);
    assert_eq!(plan.way_back(), WayBack::Warm);
    let fallbacks = staged(&plan).iter().filter_map(|it| it.probation).map(|it| it.fallback);
    assert_eq!(fallbacks.collect::<Vec<_>>(), [Generation(3); 4]);
    let own = spec.services[0].bake.0 / 1000;
    let times: Vec<u64> = bakes(&plan).iter().map(|it| it.0).collect();
    assert_eq!(times, [60, 60, 60, own]);
}

#[test]
fn a_share_is_of_requests_however_many_instances_there_are() {
    let (small, large) =
        (spec(vec![by_stages("web", 1, &[10])]), spec(vec![by_stages("web", 3, &[10])]));
    let grown = planned(&serving(&small), &deploy(2, &large));
    let path = &staged(&grown)[0].routes.paths[0];
    assert_eq!(shared_out(path), "web1 v1 27, web1 v2 1, web2 v2 1, web3 v2 1");
    let whole: u32 = path.weights.iter().map(|it| u32::from(*it)).sum();
    assert_eq!(whole, 30, "three of thirty are one in ten");
}

#[test]
fn what_has_no_stages_moves_with_the_first_and_workers_come_with_the_last() {
    let api = ServiceSpec { routes: vec!["/api".into()], instances: 1, ..service("api") };
    let jobs = ServiceSpec { routes: vec![], instances: 1, ..service("jobs") };
    let spec = spec(vec![by_stages("web", 1, &[20]), api, jobs]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    let first = &staged(&plan)[0].routes;
    let of: Vec<String> = first.paths.iter().map(shared_out).collect();
    assert_eq!(of, ["web1 v1 4, web1 v2 1", "api1 v2"]);
    let steps = words(&plan.steps[..plan.commit]);
    let at = |word: &str| steps.iter().position(|it| it == word).unwrap();
    assert!(at("start jobs1 v2") > at("switch"), "{steps:?}");
}

#[test]
fn going_back_starting_anew_and_the_first_deployment_need_no_stages() {
    let spec = spec(vec![by_stages("web", 1, &[5, 50])]);
    let first = planned(&crate::build::nothing(), &deploy(1, &spec));
    assert_eq!(shares(&first), [None]);
    let second = after(&serving(&spec), &deploy(2, &spec));
    let again = planned(&second, &desired(3, Wanted::Restart));
    assert_eq!(shares(&again), [None]);
    let earlier = second.releases[1].release.clone();
    assert_eq!(shares(&planned(&second, &roll_back(3, &earlier))), [None]);
    let mut cold = second;
    cold.warm.clear();
    assert_eq!(shares(&planned(&cold, &roll_back(3, &earlier))), [None]);
}

#[test]
fn a_watch_that_is_held_lasts_in_the_proxy_too() {
    let web = |on_undecided| {
        let verdict = BakeRule { on_undecided, ..BakeRule::default() };
        spec(vec![ServiceSpec { verdict, ..by_stages("web", 1, &[5]) }])
    };
    let expires = |on_undecided| {
        let spec = web(on_undecided);
        let plan = planned(&serving(&spec), &deploy(2, &spec));
        assert!(bakes(&plan).iter().all(|it| it.1.on_undecided == on_undecided));
        let all = staged(&plan).iter().filter_map(|it| it.probation).map(|it| it.expires.0);
        all.collect::<Vec<u64>>()
    };
    let (short, long) = (expires(OnUndecided::Confirm), expires(OnUndecided::Hold));
    let rest: Vec<u64> = long.iter().zip(&short).map(|(long, short)| long - short).collect();
    assert_eq!(rest, [HOLD_MAX.0; 2]);
}
