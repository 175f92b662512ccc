//! What goes well, and what is said of it.

use crate::{
    build::{deploy, request, spec, web, worker},
    drive::{once, world},
    scenes::scenes,
    state::{State, World},
};
use model::{
    deployment::{Change, News},
    failure::{Blame, Failure},
    journal::{Outcome, Status},
    plan::Step,
    release::Standing,
    service::ServiceSpec,
};

fn last(world: &World) -> Option<model::failure::Failure> {
    let state = world.state();
    state.deployments.last().and_then(|it| it.failure.clone())
}

#[test]
fn every_change_is_told_as_it_happens() {
    for scene in scenes() {
        let world = World::of(scene.state.clone());
        assert_eq!(world.ask(&scene.request), Outcome::Deployed, "{}", scene.name);
        let news = world.state().news.clone();
        assert!(matches!(news.first(), Some(News::Accepted { .. })));
        assert!(matches!(
            news.last(),
            Some(News::Ended { outcome: Outcome::Deployed, failure: None, .. })
        ));
        let plan = news.iter().find_map(|it| match it {
            News::Planned { plan } => Some(plan.clone()),
            _ => None,
        });
        let plan = plan.expect("the plan is told");
        for (index, step) in plan.steps.iter().enumerate() {
            let statuses: Vec<Status> = news
                .iter()
                .filter_map(|it| match it {
                    News::Step { index: at, status, word, .. } if *at == index => {
                        assert_eq!(word, step.word());
                        Some(*status)
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(statuses, [Status::Running { attempt: 1 }, Status::Done]);
        }
    }
}

#[test]
fn looking_at_a_plan_changes_nothing() {
    let state = world(&[deploy(1, &spec(vec![web()]))]);
    let world = World::of(state.clone());
    let ports = world.ports(state.epoch);
    let engine = engine::deploy::Engine::new(ports);
    let planned = once(engine.plan_only(&deploy(2, &spec(vec![web()])))).unwrap().unwrap();
    assert_eq!(planned.findings, vec![]);
    assert_eq!(planned.current.map(|it| it.version), Some("1.0.1".into()));
    assert!(planned.brings.is_some() && planned.disk.is_some());
    let outlook = planned.outlook;
    assert_eq!(outlook.instances, vec![], "as many run afterwards");
    assert_eq!((outlook.routes.same, outlook.routes.added.len()), (1, 0), "{outlook:?}");
    assert_eq!((outlook.ports.taken.len(), outlook.ports.kept.len()), (2, 2), "{outlook:?}");
    let plan = planned.plan;
    assert!(plan.steps.iter().any(|it| matches!(it, Step::Switch { .. })));
    assert_eq!(world.state().calls, 0, "no call had an effect");
    assert_eq!(world.state().reserved, state.reserved);
}

#[test]
fn a_release_that_was_rolled_back_is_passed_over() {
    let plain = spec(vec![web(), worker()]);
    let back = |number| request(number, Change::Rollback { to: None });
    let three = [deploy(1, &plain), deploy(2, &plain), deploy(3, &plain)];
    let mut kept = spec(vec![web(), worker()]);
    kept.keep_releases = 5;
    let three = three.map(|mut it| {
        if let Change::Deploy { spec, .. } = &mut it.change {
            **spec = kept.clone();
        }
        it
    });
    let world = World::of(world(&three));
    let serving = |world: &World| {
        let state = world.state();
        state.routes.as_ref().unwrap().instances()[0].version.clone()
    };
    assert_eq!(world.ask(&back(4)), Outcome::Deployed, "{:?}", last(&world));
    assert_eq!(serving(&world), "v2");
    let standing = world.state().standings.iter().find(|it| it.1 == "v3").map(|it| it.2);
    assert_eq!(standing, Some(Standing::Refused));
    assert_eq!(world.ask(&back(5)), Outcome::Deployed, "{:?}", last(&world));
    assert_eq!(serving(&world), "v1", "a rollback of a rollback goes further back");
    assert_eq!(world.ask(&back(6)), Outcome::Refused, "there is nothing before the first");
    let forward = request(7, Change::Rollback { to: Some("v3".into()) });
    assert_eq!(world.ask(&forward), Outcome::Deployed, "{:?}", last(&world));
    assert_eq!(serving(&world), "v3");
    let standing = world.state().standings.iter().find(|it| it.1 == "v1").map(|it| it.2);
    assert_eq!(standing, Some(Standing::Accepted), "it was left for no fault of its own");
}

#[test]
fn content_that_is_gone_is_refused_before_anything_is_touched() {
    let plain = spec(vec![web()]);
    let world = World::of(world(&[deploy(1, &plain), deploy(2, &plain)]));
    world.state().placed.remove("v1");
    let running = world.state().running.clone();
    let back = request(3, Change::Rollback { to: Some("v1".into()) });
    assert_eq!(world.ask(&back), Outcome::Refused);
    assert_eq!(world.state().running, running);
}

#[test]
fn the_same_id_again_is_harmless_and_another_waits() {
    let plain = spec(vec![web()]);
    let world = World::of(world(&[deploy(1, &plain)]));
    let calls = world.state().running.len();
    assert_eq!(world.ask(&deploy(1, &plain)), Outcome::Deployed);
    assert_eq!(world.state().running.len(), calls);
}

#[test]
fn the_manifest_says_what_serves_after_whatever_happened() {
    let plain = spec(vec![web()]);
    let mut state = world(&[deploy(1, &plain)]);
    state.faults = (1..40).map(|at| (at, crate::state::Fault::CandidatesDie)).collect();
    let world = World::of(state);
    let outcome = world.ask(&deploy(2, &plain));
    assert_eq!(outcome, Outcome::Aborted);
    let manifest = world.state().manifest.clone().unwrap();
    assert_eq!(manifest["current_deployment"]["version"], "v1");
    assert_eq!(manifest["deployment_history"][0]["outcome"], "aborted");
    assert!(manifest["deployment_history"][0]["failure"].is_string());
}

#[test]
fn a_start_that_fails_for_a_passing_reason_is_tried_again() {
    let state = world(&[deploy(1, &spec(vec![web()]))]);
    let ran = |failures: &[Blame]| {
        let starts_fail = failures.iter().map(|it| Failure::new(*it, "start web")).collect();
        let world = World::of(State { starts_fail, ..state.clone() });
        let outcome = world.ask(&deploy(2, &spec(vec![web()])));
        let state = world.state();
        let tried = |it: &News| matches!(it, News::Note { text } if text.contains("again in 5 s"));
        let pauses = state.news.iter().filter(|it| tried(it)).count();
        (outcome, pauses, state.starts_fail.len())
    };
    assert_eq!(ran(&[Blame::Platform; 2]), (Outcome::Deployed, 2, 0));
    assert_eq!(ran(&[Blame::Platform; 4]), (Outcome::Aborted, 2, 1), "three tries");
    assert_eq!(ran(&[Blame::Release; 2]), (Outcome::Aborted, 0, 1), "a verdict");
}

#[test]
fn a_scaling_is_remembered_until_the_configuration_says_another_number() {
    let both = |instances| {
        let mail = ServiceSpec { instances: 1, ..worker() };
        spec(vec![ServiceSpec { instances, ..web() }, mail])
    };
    let scale = |service: &str, count| Change::Scale {
        instances: [(service.parse().unwrap(), count)].into(),
    };
    let world = World::of(world(&[deploy(1, &both(2))]));
    let count = |service: &str| {
        let state = world.state();
        let of = |it: &&model::instance::Instance| it.service.as_str() == service;
        let retired = |id| state.retired.iter().any(|it| it.0.id == id);
        let serving = state.running.values().filter(of).filter(|it| !retired(it.id.clone()));
        serving.count()
    };
    let asked = |request| assert_eq!(world.ask(&request), Outcome::Deployed);
    asked(request(2, scale("web", 4)));
    asked(request(3, scale("mail", 0)));
    asked(deploy(4, &both(2)));
    assert_eq!((count("web"), count("mail")), (4, 0), "another release, the same numbers");
    asked(request(5, Change::Stop));
    asked(deploy(6, &both(2)));
    assert_eq!((count("web"), count("mail")), (4, 0), "over a stop");
    asked(deploy(7, &both(3)));
    assert_eq!((count("web"), count("mail")), (3, 0), "the configuration says another");
    asked(deploy(8, &both(2)));
    assert_eq!(count("web"), 2, "forgotten");
}
