//! What works without being asked: when it starts, when it falls quiet, when it ends.

use crate::build::{after, deploy, desired, planned, service, serving, spec, words, worker};
use model::{
    describe,
    plan::{Step, WayBack},
    planner::Wanted,
    role::QuietSignal,
    service::ServiceSpec,
};

fn quiet(text: &str) -> ServiceSpec {
    ServiceSpec { quiet_signal: Some(QuietSignal::SigTstp), instances: 2, ..worker(text) }
}

#[test]
fn new_workers_start_last_and_old_ones_fall_quiet_just_before_the_switch() {
    let spec = spec(vec![quiet("mail"), service("web")]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    assert_eq!(plan.way_back(), WayBack::Warm);
    assert_eq!(
        words(&plan.steps),
        [
            "stage",
            "routes",
            "start web1 v2",
            "start web2 v2",
            "health web1 v2",
            "health web2 v2",
            "start mail1 v2",
            "start mail2 v2",
            "health mail1 v2",
            "health mail2 v2",
            "quiet",
            "switch",
            "verify",
            "bake",
            "confirm",
            "keep",
            "link",
            "drain",
            "retire web1 v1",
            "retire web2 v1",
            "stop mail1 v1",
            "stop mail2 v1",
            "clean up",
            "manifest",
        ]
    );
    let quieted = &plan.steps[10];
    let Step::Quiet { instances, signal, .. } = quieted else { panic!() };
    assert!(instances.iter().all(|it| it.version == "v1"));
    assert_eq!((instances.len(), *signal), (2, QuietSignal::SigTstp));
    assert_eq!(describe::sentence(quieted), "Tell mail.1, mail.2 to take no new job.");
}

#[test]
fn each_service_falls_quiet_by_its_own_signal() {
    let hup = ServiceSpec { quiet_signal: Some(QuietSignal::SigHup), ..worker("index") };
    let spec = spec(vec![service("web"), quiet("mail"), hup, worker("deaf")]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    let told: Vec<(String, usize, QuietSignal)> = plan
        .steps
        .iter()
        .filter_map(|it| match it {
            Step::Quiet { instances, signal, .. } => {
                Some((instances[0].service.to_string(), instances.len(), *signal))
            }
            _ => None,
        })
        .collect();
    let wanted = [("mail", 2, QuietSignal::SigTstp), ("index", 1, QuietSignal::SigHup)];
    assert_eq!(told, wanted.map(|(name, count, signal)| (name.to_owned(), count, signal)));
}

#[test]
fn only_the_workers_that_leave_fall_quiet() {
    let spec = spec(vec![service("web"), quiet("mail")]);
    let first = serving(&spec);
    let fewer = Wanted::Scale { instances: [("mail".parse().unwrap(), 1)].into() };
    let plan = planned(&first, &desired(2, fewer));
    let quieted = plan.steps.iter().find_map(|it| match it {
        Step::Quiet { instances, .. } => Some(instances.clone()),
        _ => None,
    });
    assert_eq!(quieted.unwrap().iter().map(|it| it.number).collect::<Vec<_>>(), [2]);
    let none = planned(&crate::build::nothing(), &deploy(1, &spec));
    assert!(!words(&none.steps).contains(&"quiet".to_owned()), "nothing is old yet");
}

#[test]
fn a_rollback_tells_the_present_workers_and_starts_the_former() {
    let spec = spec(vec![service("web"), quiet("mail")]);
    let second = after(&serving(&spec), &deploy(2, &spec));
    let back = crate::build::roll_back(3, &crate::build::release(1, &spec));
    let words = words(&planned(&second, &back).steps);
    let at = |word: &str| words.iter().position(|it| it == word).unwrap();
    assert!(at("health web2 v1") < at("start mail1 v1"));
    assert!(at("health mail2 v1") < at("quiet"));
    assert_eq!(at("quiet") + 1, at("switch"));
    assert!(at("confirm") < at("stop mail1 v2"));
}
