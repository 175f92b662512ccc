//! A failed undo stops the unwinding, and has three ways out.

use crate::{
    build::{deploy, deployment, spec, web},
    drive::world,
    state::{Fault, State, World},
    whole::assert_whole,
};
use model::{deployment::Stage, journal::Outcome};

/// The bake fails, and so does the undo of the switch.
fn stuck() -> (World, State) {
    let plain = spec(vec![web()]);
    let before = world(&[deploy(1, &plain)]);
    for first in 1..80 {
        for second in first + 1..80 {
            let mut state = before.clone();
            state.faults = vec![(first, Fault::Before), (second, Fault::Before)];
            let world = World::of(state);
            if world.ask(&deploy(2, &plain)) == Outcome::NeedsAttention {
                world.state().faults.clear();
                return (world, before);
            }
        }
    }
    panic!("no pair of failures gets stuck")
}

#[test]
fn it_serves_and_holds_no_lock_and_the_reason_is_kept() {
    let (world, _) = stuck();
    let record = world.state().deployments.last().cloned().unwrap();
    assert_eq!(record.stage, Stage::Ended(Outcome::NeedsAttention));
    assert!(record.failure.is_some());
    world.state().fall_back();
    world.state().assert_serving();
}

#[test]
fn resuming_and_aborting_go_on_unwinding() {
    for abort in [false, true] {
        let (world, before) = stuck();
        let outcome = world.mend(&deployment(2), abort);
        assert!(matches!(outcome, Outcome::RolledBack | Outcome::Aborted), "{outcome:?}");
        assert_whole(&world, &before, &deploy(2, &spec(vec![web()])), outcome);
    }
}

#[test]
fn a_new_deployment_takes_what_it_sees_as_its_start() {
    let (world, _) = stuck();
    let third = deploy(3, &spec(vec![web()]));
    let before = world.state().clone();
    if before.fallback.is_some() {
        assert_eq!(world.ask(&deploy(4, &spec(vec![web()]))), Outcome::Refused);
    }
    world.state().fall_back();
    let before = world.state().clone();
    let outcome = world.ask(&third);
    assert_eq!(outcome, Outcome::Deployed, "{:?}", world.state().deployments.last());
    assert_whole(&world, &before, &third, outcome);
}
