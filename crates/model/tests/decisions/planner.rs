//! What is planned of what is, and what is wanted.

use crate::build::{
    after, deploy, deployment, desired, name, nothing, planned, refused, release, roll_back,
    service, serving, spec, words, worker,
};
use model::{
    deployment::Overrides,
    failure::Blame,
    id::Generation,
    instance::Slot,
    plan::{Kind, Plan, Step, WayBack},
    planner::{Observed, Wanted, plan},
    release::Standing,
    routes::Routes,
    schedule::{Overlap, Schedule},
    service::{Millis, Probe, ServiceSpec},
};

fn staged(plan: &Plan) -> Vec<&Routes> {
    let staged = plan.steps.iter().find_map(|it| match it {
        Step::StageRoutes { staged } => Some(staged),
        _ => None,
    });
    staged.unwrap().iter().map(|it| &it.routes).collect()
}

fn confirmed(plan: &Plan) -> &Routes {
    match &plan.steps[plan.commit - 1] {
        Step::Confirm { by, .. } => by,
        other => panic!("the commit is a confirmation, not {other:?}"),
    }
}

fn started(plan: &Plan) -> Vec<&model::instance::Instance> {
    let start = |it: &'_ Step| matches!(it, Step::Start { .. });
    let all = plan.steps.iter().filter(|it| start(it));
    all.map(|it| match it {
        Step::Start { instance } => instance,
        _ => unreachable!("filtered above"),
    })
    .collect()
}

#[test]
fn the_first_deployment_announces_a_generation_to_fall_back_to() {
    let plan = planned(&nothing(), &deploy(1, &spec(vec![service("web"), worker("mail")])));
    assert_eq!(plan.kind, Kind::Initial);
    assert_eq!((plan.from.clone(), plan.to.clone().unwrap().version), (None, "v1".into()));
    assert_eq!(
        words(&plan.steps),
        [
            "stage",
            "routes",
            "announce",
            "start web1 v1",
            "start web2 v1",
            "health web1 v1",
            "health web2 v1",
            "start mail1 v1",
            "health mail1 v1",
            "switch",
            "verify",
            "bake",
            "confirm",
            "keep",
            "link",
            "clean up",
            "manifest",
        ]
    );
    let routes = staged(&plan);
    let numbers: Vec<u64> = routes.iter().map(|it| it.generation.0).collect();
    assert_eq!(numbers, [1, 2, 4], "announced, trial, back; the confirming one is 3");
    assert!(routes[0].instances().is_empty() && routes[2].instances().is_empty());
    // Announced, so that another environment of the same host keeps its paths.
    assert_eq!((routes[0].paths.len(), routes[0].paths[0].path.as_str()), (1, "/"));
    assert_eq!(routes[0].hosts, ["shop.example"]);
    assert_eq!(confirmed(&plan).generation, Generation(3));
    assert_eq!(confirmed(&plan).paths[0].instances.len(), 2);
    let Step::Switch { from, to, back, .. } = plan.steps[9] else { panic!() };
    assert_eq!((from, to, back), (Generation(1), Generation(2), Generation(4)));
}

#[test]
fn an_update_stops_nothing_before_the_commit_and_keeps_the_old_warm() {
    let spec = spec(vec![service("web"), worker("mail")]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    assert_eq!((plan.kind, plan.way_back()), (Kind::Update, WayBack::Warm));
    assert_eq!(
        words(&plan.steps[plan.commit..]),
        [
            "keep",
            "link",
            "drain",
            "retire web1 v1",
            "retire web2 v1",
            "stop mail1 v1",
            "clean up",
            "manifest",
        ]
    );
    let Some(Step::Link { current, previous }) = plan.steps.get(plan.commit + 1) else { panic!() };
    assert_eq!((current.as_deref(), previous.as_deref()), (Some("v2"), Some("v1")));
    let Some(Step::Drain { instances, deadline }) = plan.steps.get(plan.commit + 2) else {
        panic!()
    };
    assert_eq!((instances.len(), *deadline), (2, Millis::seconds(30)));
}

#[test]
fn slots_alternate_and_ids_say_whose_they_are() {
    let spec = spec(vec![service("web")]);
    let first = planned(&nothing(), &deploy(1, &spec));
    let second = planned(&serving(&spec), &deploy(2, &spec));
    assert_eq!(started(&first)[0].slot, Slot::Blue);
    assert_eq!(started(&second)[0].slot, Slot::Green);
    let suffix = deployment(2).0[18..].to_lowercase();
    assert_eq!(started(&second)[1].id.0, format!("shop.production.web.2.{suffix}"));
    let ports: Vec<Option<u16>> = started(&second).iter().map(|it| it.port).collect();
    assert_eq!(ports, [Some(20_002), Some(20_003)], "the old have the first two");
}

#[test]
fn the_older_warm_release_is_stopped_by_the_next_deployment() {
    let spec = spec(vec![service("web")]);
    let second = after(&serving(&spec), &deploy(2, &spec));
    assert_eq!(second.warm.len(), 2);
    let plan = planned(&second, &deploy(3, &spec));
    assert_eq!(
        words(&plan.steps[plan.commit..]),
        [
            "keep",
            "link",
            "drain",
            "retire web1 v2",
            "retire web2 v2",
            "stop web1 v1",
            "stop web2 v1",
            "clean up",
            "manifest",
        ]
    );
}

#[test]
fn a_warm_rollback_starts_nothing_and_bakes_nothing() {
    let spec = spec(vec![service("web")]);
    let second = after(&serving(&spec), &deploy(2, &spec));
    let plan = planned(&second, &roll_back(3, &release(1, &spec)));
    assert_eq!(plan.kind, Kind::Rollback);
    assert_eq!(
        words(&plan.steps),
        [
            "routes",
            "claim",
            "health web1 v1",
            "health web2 v1",
            "switch",
            "bake",
            "confirm",
            "keep",
            "link",
            "drain",
            "stop web1 v2",
            "stop web2 v2",
            "clean up",
            "manifest",
        ]
    );
    let Step::Await { check, .. } = &plan.steps[2] else { panic!() };
    assert_eq!(check.health.as_ref().map(|it| (it.successes, it.tries)), Some((1, 1)));
    let Step::Bake { for_at_least, .. } = &plan.steps[5] else { panic!() };
    assert_eq!(*for_at_least, Millis(0));
    let Step::StageRoutes { staged } = &plan.steps[0] else { panic!() };
    assert_eq!(staged[0].probation.unwrap().expires, Millis::seconds(20));
}

#[test]
fn a_rollback_whose_worker_was_stopped_starts_it_and_watches_it() {
    let spec = spec(vec![service("web"), worker("mail")]);
    let second = after(&serving(&spec), &deploy(2, &spec));
    let plan = planned(&second, &roll_back(3, &release(1, &spec)));
    let expected = ["routes", "claim", "health web1 v1", "health web2 v1", "start mail1 v1"];
    assert_eq!(words(&plan.steps)[..5], expected);
    assert!(plan.steps.iter().any(|it| matches!(
        it, Step::Bake { for_at_least, instances, .. }
            if *for_at_least == Millis::seconds(10) && instances.len() == 3
    )));
}

#[test]
fn a_cold_rollback_is_checked_like_any_release() {
    let spec = spec(vec![service("web")]);
    let mut second = after(&serving(&spec), &deploy(2, &spec));
    second.warm.clear();
    let plan = planned(&second, &roll_back(3, &release(1, &spec)));
    assert_eq!(
        words(&plan.steps[..plan.commit]),
        [
            "routes",
            "start web1 v1",
            "start web2 v1",
            "health web1 v1",
            "health web2 v1",
            "switch",
            "verify",
            "bake",
            "confirm",
        ]
    );
}

#[test]
fn a_rollback_leaves_no_link_to_what_was_no_good() {
    let spec = spec(vec![service("web")]);
    let third = after(&after(&serving(&spec), &deploy(2, &spec)), &deploy(3, &spec));
    let plan = planned(&third, &roll_back(4, &release(2, &spec)));
    let previous = plan.steps.iter().find_map(|it| match it {
        Step::Link { previous, .. } => Some(previous.clone()),
        _ => None,
    });
    assert_eq!(previous, Some(Some("v1".into())));
    // Forward again: what is left for it was good.
    let second = after(&third, &roll_back(4, &release(1, &spec)));
    let plan = planned(&second, &roll_back(5, &release(2, &spec)));
    let linked = plan.steps.iter().any(|it| match it {
        Step::Link { current, previous } => {
            (current.as_deref(), previous.as_deref()) == (Some("v2"), Some("v1"))
        }
        _ => false,
    });
    assert!(linked, "{:?}", words(&plan.steps));
}

#[test]
fn a_stop_switches_to_nothing_first_and_a_start_brings_as_many_back() {
    let spec = spec(vec![service("web"), worker("mail")]);
    let scale = |count| desired(2, Wanted::Scale { instances: [(name("web"), count)].into() });
    let three = after(&serving(&spec), &scale(3));
    let stop = planned(&three, &desired(3, Wanted::Stop));
    assert_eq!(
        words(&stop.steps),
        [
            "routes",
            "switch",
            "bake",
            "confirm",
            "keep",
            "drain",
            "stop web1 v1",
            "stop web2 v1",
            "stop mail1 v1",
            "stop web3 v1",
            "clean up",
            "manifest",
        ]
    );
    assert!(confirmed(&stop).instances().is_empty());
    assert_eq!(confirmed(&stop).paths[0].path, "/");
    assert_eq!(confirmed(&stop).hosts, ["shop.example"]);
    let stopped = after(&three, &desired(3, Wanted::Stop));
    let start = planned(&stopped, &desired(4, Wanted::Start));
    assert_eq!(started(&start).len(), 4);
    assert_eq!((start.kind, start.from.clone()), (Kind::Start, None));
    assert!(refused(&stopped, &desired(4, Wanted::Stop)).message.contains("no instance"));
    assert!(refused(&stopped, &desired(4, Wanted::Restart)).hints[0].contains("start"));
    assert!(refused(&three, &desired(4, Wanted::Start)).hints[0].contains("restart"));
}

#[test]
fn a_scale_touches_only_the_difference() {
    let spec = spec(vec![service("web"), worker("mail")]);
    let scale = |count| desired(2, Wanted::Scale { instances: [(name("web"), count)].into() });
    let up = planned(&serving(&spec), &scale(3));
    assert_eq!(
        words(&up.steps),
        [
            "routes",
            "start web3 v1",
            "health web3 v1",
            "switch",
            "verify",
            "bake",
            "confirm",
            "keep",
            "clean up",
            "manifest",
        ]
    );
    assert_eq!(started(&up)[0].slot, Slot::Blue, "beside the others of its release");
    assert_eq!(confirmed(&up).paths[0].instances.len(), 3);
    let Step::Keep { instances } = &up.steps[up.commit] else { panic!() };
    assert_eq!(instances.len(), 4, "the worker is kept, too");
    let down = planned(&serving(&spec), &scale(1));
    assert_eq!(
        words(&down.steps[down.commit..]),
        ["keep", "drain", "stop web2 v1", "clean up", "manifest",]
    );
    let wrong = |service: &str, count| {
        let wanted = Wanted::Scale { instances: [(name(service), count)].into() };
        refused(&serving(&spec), &desired(2, wanted))
    };
    assert!(wrong("webb", 1).hints[0].contains("web, mail"));
    assert!(wrong("web", 0).hints[0].contains("stop"));
    assert_eq!(wrong("web", 5000).blame, Blame::Request);
}

#[test]
fn a_restart_replaces_all_and_keeps_none_warm() {
    let spec = spec(vec![service("web")]);
    let plan = planned(&serving(&spec), &desired(2, Wanted::Restart));
    assert_eq!(plan.from, plan.to);
    assert_eq!(
        words(&plan.steps[plan.commit..]),
        ["keep", "drain", "stop web1 v1", "stop web2 v1", "clean up", "manifest",]
    );
    assert!(started(&plan).iter().all(|it| it.slot == Slot::Green));
}

#[test]
fn a_fixed_port_cannot_serve_beside_itself() {
    let fixed = ServiceSpec { port: Some(3000), instances: 1, ..service("web") };
    let spec = spec(vec![fixed.clone()]);
    let failure = refused(&serving(&spec), &deploy(2, &spec));
    assert_eq!(failure.blame, Blame::Request);
    assert!(failure.message.contains("3000"), "{failure:?}");
    assert!(failure.hints.iter().any(|it| it.contains("recreate")), "{failure:?}");
    let two = crate::build::spec(vec![ServiceSpec { instances: 2, ..fixed }]);
    assert!(refused(&nothing(), &deploy(1, &two)).message.contains("another instance"));
}

#[test]
fn what_is_left_out_is_left_out() {
    let tested = ServiceSpec { smoke: vec![model::service::SmokeTest::get("/")], ..service("web") };
    let spec = spec(vec![tested]);
    let mut wanted = deploy(1, &spec);
    let smokes = |plan: &Plan| plan.steps.iter().filter(|it| it.word() == "smoke").count();
    let healths = |plan: &Plan| {
        let asked = |it: &&Step| matches!(it, Step::Await { check, .. } if check.health.is_some());
        plan.steps.iter().filter(asked).count()
    };
    let plan = planned(&nothing(), &wanted);
    assert_eq!((smokes(&plan), healths(&plan)), (2, 2));
    wanted.overrides =
        Overrides { skip_smoke: true, skip_health_check: true, ..Overrides::default() };
    let plan = planned(&nothing(), &wanted);
    assert_eq!((smokes(&plan), healths(&plan)), (0, 0));
}

#[test]
fn public_questions_are_asked_where_the_routes_lead() {
    let api = ServiceSpec {
        routes: vec!["/api".into()],
        health: Some(model::service::HealthSpec {
            probe: Probe::Http { path: "/api/health".into(), status: 200 },
            ..service("x").health.unwrap()
        }),
        ..service("api")
    };
    let plan = planned(&nothing(), &deploy(1, &spec(vec![service("web"), api])));
    let asked = plan.steps.iter().find_map(|it| match it {
        Step::Verify { requests, .. } => Some(requests),
        _ => None,
    });
    let paths: Vec<&str> = asked.unwrap().iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["/health", "/api/health"]);
}

#[test]
fn nothing_is_planned_on_a_probation() {
    let spec = spec(vec![service("web")]);
    let mut observed = serving(&spec);
    observed.on_probation = true;
    assert!(refused(&observed, &deploy(2, &spec)).message.contains("probation"));
}

#[test]
fn too_few_free_ports_are_a_failure_of_the_host() {
    let mut observed = nothing();
    observed.ports_free.truncate(1);
    let failure = refused(&observed, &deploy(1, &spec(vec![service("web")])));
    assert_eq!(failure.blame, Blame::Platform);
}

#[test]
fn no_value_of_a_variable_is_in_a_plan() {
    let spec = spec(vec![service("web")]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    assert!(!serde_json::to_string(&plan).unwrap().contains("hunter2"));
}

#[test]
fn a_plan_survives_its_journal() {
    let spec = spec(vec![service("web"), worker("mail")]);
    let plan = planned(&serving(&spec), &deploy(2, &spec));
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

#[test]
fn what_nobody_needs_is_stopped_by_the_next_plan() {
    let spec = spec(vec![service("web")]);
    let mut observed = serving(&spec);
    let mut stray = observed.active[0].clone();
    stray.id.0.push('x');
    observed.left_over = vec![stray];
    let plan = planned(&observed, &deploy(2, &spec));
    let stops = plan.steps.iter().filter(|it| matches!(it, Step::Stop { .. })).count();
    assert_eq!(stops, 1);
    assert_eq!(plan.way_back(), WayBack::Warm);
}

#[test]
fn a_failed_first_deployment_leaves_nothing_to_announce_again() {
    let mut observed = nothing();
    observed.routes = Some(crate::build::empty(4));
    observed.first_generation = Generation(5);
    observed.releases =
        vec![crate::build::kept(&release(1, &spec(vec![service("web")])), Standing::Refused)];
    let mut frugal = spec(vec![service("web")]);
    frugal.keep_releases = 0;
    let plan = plan(&observed, &deploy(2, &frugal)).unwrap();
    assert_eq!(plan.kind, Kind::Initial);
    assert!(!plan.steps.iter().any(|it| matches!(it, Step::Announce { .. })));
    let removed = plan.steps.iter().find_map(|it| match it {
        Step::Prune { releases, .. } => Some(releases.clone()),
        _ => None,
    });
    assert_eq!(removed, Some(vec!["v1".to_owned()]), "the failed one goes");
}

#[test]
fn what_runs_only_by_the_clock_is_stopped_and_started_too() {
    let schedule = Schedule {
        pattern: "30 4 * * *".into(),
        timezone: "UTC".into(),
        overlap: Overlap::Skip,
        time_limit: Millis::seconds(60),
        catch_up: false,
    };
    let report = ServiceSpec { schedule: Some(schedule), ..worker("report") };
    let serving = serving(&spec(vec![report]));
    assert!(serving.active.is_empty() && serving.works());
    let plan = planned(&serving, &desired(2, Wanted::Stop));
    assert_eq!((plan.kind, plan.from.map(|it| it.version)), (Kind::Stop, Some("v1".into())));
    refused(&serving, &desired(2, Wanted::Start));
    let stopped = Observed { is_stopped: true, ..serving };
    refused(&stopped, &desired(3, Wanted::Stop));
    assert_eq!(planned(&stopped, &desired(3, Wanted::Start)).kind, Kind::Start);
}

#[test]
fn what_is_prepared_is_not_removed() {
    let mut one = spec(vec![service("web")]);
    one.keep_releases = 0;
    let third = after(&after(&serving(&one), &deploy(2, &one)), &deploy(3, &one));
    let removed = |observed: &Observed| {
        let plan = planned(observed, &deploy(4, &one));
        plan.steps.iter().find_map(|it| match it {
            Step::Prune { releases, .. } => Some(releases.clone()),
            _ => None,
        })
    };
    assert_eq!(removed(&third), Some(vec!["v1".into()]));
    let held = Observed { prepared: vec!["v1".into()], ..third };
    assert_eq!(removed(&held), Some(vec![]));
}
