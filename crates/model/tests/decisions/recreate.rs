//! What cannot run beside its successor.

use crate::build::{after, deploy, planned, roll_back, service, serving, spec, words, worker};
use model::{
    id::Generation,
    plan::{Step, WayBack},
    service::{Millis, ServiceSpec, Strategy},
};

fn recreated(text: &str) -> ServiceSpec {
    ServiceSpec { strategy: Strategy::Recreate, instances: 1, port: Some(3000), ..service(text) }
}

#[test]
fn requests_are_held_while_the_old_stops_and_the_new_starts() {
    let spec = spec(vec![service("web"), recreated("api")]);
    let spec = {
        let mut spec = spec;
        spec.services[1].routes = vec!["/api".into()];
        spec
    };
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    assert_eq!(plan.way_back(), WayBack::Cold);
    assert_eq!(
        words(&plan.steps),
        [
            "stage",
            "routes",
            "start web1 v2",
            "start web2 v2",
            "health web1 v2",
            "health web2 v2",
            "hold",
            "drain",
            "stop api1 v1",
            "start api1 v2",
            "health api1 v2",
            "switch",
            "verify",
            "bake",
            "confirm",
            "keep",
            "link",
            "drain",
            "retire web1 v1",
            "retire web2 v1",
            "clean up",
            "manifest",
        ]
    );
    let Step::StageRoutes { staged } = &plan.steps[1] else { panic!() };
    let of: Vec<(u64, bool)> =
        staged.iter().map(|it| (it.routes.generation.0, it.routes.hold.is_some())).collect();
    assert_eq!(of, [(11, true), (12, false), (14, true), (15, false)]);
    assert_eq!(staged[1].probation.unwrap().fallback, Generation(11));
    let Step::Hold { from, held, back } = plan.steps[6] else { panic!() };
    assert_eq!((from, held, back), (Generation(3), Generation(11), Generation(15)));
    let Step::Switch { from, to, back, .. } = plan.steps[11] else { panic!() };
    assert_eq!((from, to, back), (Generation(11), Generation(12), Generation(14)));
    let Step::Drain { instances, deadline } = &plan.steps[7] else { panic!() };
    assert_eq!((instances.len(), *deadline), (1, Millis::seconds(10)));
}

#[test]
fn a_worker_that_gives_way_holds_no_request() {
    let alone = ServiceSpec { strategy: Strategy::Recreate, ..worker("mail") };
    let spec = spec(vec![service("web"), alone]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    assert_eq!(plan.way_back(), WayBack::Cold);
    assert!(!plan.steps.iter().any(|it| matches!(it, Step::Hold { .. })));
    let words = words(&plan.steps[..plan.commit]);
    let at = |word: &str| words.iter().position(|it| it == word).unwrap();
    assert!(at("health web2 v2") < at("stop mail1 v1"));
    assert!(at("stop mail1 v1") < at("start mail1 v2"));
    assert!(at("start mail1 v2") < at("switch"));
}

#[test]
fn the_first_deployment_of_it_has_nobody_to_hold_for() {
    let spec = spec(vec![recreated("web")]);
    let plan = planned(&crate::build::nothing(), &deploy(1, &spec));
    assert_eq!(plan.way_back(), WayBack::Warm);
}

#[test]
fn what_gave_way_is_never_warm() {
    let spec = spec(vec![recreated("web")]);
    let second = after(&serving(&spec), &deploy(2, &spec));
    assert!(second.warm.is_empty());
    let plan = planned(&second, &roll_back(3, &crate::build::release(1, &spec)));
    assert!(plan.steps.iter().any(|it| matches!(it, Step::Hold { .. })));
    assert!(!plan.steps.iter().any(|it| matches!(it, Step::Claim { .. })));
}
