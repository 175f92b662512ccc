//! What is done unasked: reaping, keeping alive, going back from what crashes.

use crate::{
    build::{deploy, request, spec, web, worker},
    drive::{once, world},
    state::{Fault, World},
};
use model::{
    deployment::{Change, Request},
    journal::Outcome,
};

const KEPT_WARM_MS: u64 = 600_000;

fn two() -> World {
    let plain = spec(vec![web(), worker()]);
    World::of(world(&[deploy(1, &plain), deploy(2, &plain)]))
}

fn count(world: &World) -> (usize, usize) {
    let state = world.state();
    (state.running.len(), state.retired.len())
}

fn routed(world: &World) -> model::instance::Instance {
    let state = world.state();
    state.routes.as_ref().unwrap().instances()[0].clone()
}

fn reap(world: &World) {
    let engine = world.engine();
    once(engine.reap()).expect("nobody dies").expect("all can be asked");
}

fn keep_alive(world: &World) -> Vec<Request> {
    let engine = world.engine();
    once(engine.keep_alive()).expect("nobody dies").expect("all can be asked")
}

#[test]
fn a_warm_instance_is_ended_when_its_time_has_come() {
    let world = two();
    assert_eq!(count(&world), (3, 1));
    reap(&world);
    assert_eq!(world.state().running.len(), 3, "not yet");
    world.state().now_ms += KEPT_WARM_MS + 1000;
    reap(&world);
    assert_eq!(count(&world), (2, 0));
    assert_eq!(world.state().leased.len(), 1, "its port is free");
    world.state().assert_serving();
}

#[test]
fn what_was_claimed_is_left_alone() {
    let world = two();
    world.state().now_ms += KEPT_WARM_MS + 1000;
    assert_eq!(
        world.ask(&request(3, Change::Rollback { to: None, with_data: false })),
        Outcome::Deployed
    );
    reap(&world);
    world.state().assert_serving();
    let state = world.state();
    assert_eq!(state.routes.as_ref().unwrap().instances()[0].version, "v1");
}

#[test]
fn nothing_is_reaped_while_a_deployment_is_on_its_way() {
    let world = two();
    world.state().now_ms += KEPT_WARM_MS + 1000;
    // It dies when it has claimed what is warm.
    let before = world.state().clone();
    for at in 1..100 {
        let world = World::of(before.clone());
        world.state().faults = vec![(at, Fault::Crash)];
        let back = request(3, Change::Rollback { to: None, with_data: false });
        let engine = world.engine();
        let old = routed(&world).id;
        world.state().old = [old].into();
        let died = once(async {
            engine.begin(&back).await?;
            engine.run(&back).await
        });
        if died.is_none() {
            let running = world.state().running.len();
            let ended = !matches!(
                world.state().deployments.last().unwrap().stage,
                model::deployment::Stage::Planning | model::deployment::Stage::Running
            );
            reap(&world);
            assert!(ended || count(&world).0 == running, "reaped at {at}");
            world.state().faults.clear();
            world.ask(&back);
            reap(&world);
            world.state().assert_serving();
        }
    }
}

#[test]
fn what_serves_and_died_is_started_again() {
    let world = two();
    let serving = routed(&world).id;
    world.state().exit(&serving);
    world.state().dark = true;
    let running = world.state().running.clone();
    let worker = running.into_keys().find(|it| it.0.contains(".mail.")).unwrap();
    world.state().running.remove(&worker);
    assert_eq!(keep_alive(&world), vec![]);
    let state = world.state();
    assert!(state.running.contains_key(&serving) && state.running.contains_key(&worker));
    assert!(state.kept.contains(&serving) && state.kept.contains(&worker));
}

#[test]
fn what_was_stopped_stays_so_over_a_reboot() {
    let plain = spec(vec![web(), worker()]);
    let world = World::of(world(&[deploy(1, &plain), request(2, Change::Stop)]));
    let engine = world.engine();
    assert_eq!(once(engine.recover()).unwrap().unwrap(), vec![]);
    assert_eq!(keep_alive(&world), vec![]);
    assert!(world.state().running.is_empty());
}

#[test]
fn a_release_that_crashes_twice_after_its_commit_is_left() {
    let world = two();
    let serving = routed(&world).id;
    world.state().restarts.insert(serving.clone(), 1);
    assert_eq!(keep_alive(&world), vec![], "once may happen");
    world.state().restarts.insert(serving.clone(), 2);
    let asked = keep_alive(&world);
    assert_eq!(asked.len(), 1);
    assert!(asked[0].deployment.is_well_formed());
    assert!(asked[0].reason.as_ref().unwrap().contains("crashed"));
    assert_eq!(asked, keep_alive(&world), "under the same id each time");
    assert_eq!(world.ask(&asked[0]), Outcome::Deployed);
    let version = routed(&world).version;
    assert_eq!(version, "v1");
    let serving = routed(&world).id;
    world.state().restarts.insert(serving, 7);
    assert_eq!(keep_alive(&world), vec![], "it does not go back for ever");
}

#[test]
fn later_crashes_and_a_first_release_are_only_restarted() {
    let world = two();
    let serving = routed(&world).id;
    world.state().restarts.insert(serving, 5);
    world.state().now_ms += 61_000;
    assert_eq!(keep_alive(&world), vec![]);
    let first = World::of(crate::drive::world(&[deploy(1, &spec(vec![web()]))]));
    let serving = routed(&first).id;
    first.state().restarts.insert(serving, 5);
    assert_eq!(keep_alive(&first), vec![], "there is nothing to go back to");
}
