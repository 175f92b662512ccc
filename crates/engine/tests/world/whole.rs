//! Wholly new, wholly old, or a reason to look.

use crate::{
    backups::assert_data,
    migrations::assert_migrated,
    state::{State, World},
};
use model::{
    deployment::{Request, Stage},
    id::{DeploymentId, InstanceId},
    instance::Instance,
    journal::Outcome,
    plan::{Plan, Step},
};
use std::collections::BTreeSet;

type Ids = BTreeSet<InstanceId>;

/// Asserts that the request ended in a world that is whole.
pub fn assert_whole(world: &World, before: &State, request: &Request, outcome: Outcome) {
    let mut state = world.state();
    if outcome == Outcome::NeedsAttention {
        // Nothing more is touched; what is left of a probation ends by itself, and it serves still.
        state.fall_back();
        return state.assert_serving();
    }
    assert_data(&state, before, request, outcome);
    assert_migrated(&state, request, outcome);
    let plan = state.deployments.iter().find(|it| it.id == request.deployment);
    let plan = plan.and_then(|it| it.plan.clone());
    match &plan {
        None => assert!(outcome == Outcome::Refused || planless(&state, request)),
        Some(plan) => assert!(outcome != Outcome::Refused || plan.backup().is_some()),
    }
    match outcome {
        Outcome::Deployed => assert_new(&state, &plan.expect("it was planned"), true),
        Outcome::DeployedUntidy => assert_new(&state, &plan.expect("it was planned"), false),
        _ => assert_old(&state, before),
    }
    assert!(state.fallback.is_none(), "a deployment that ended left a probation");
    assert!(state.routes.as_ref().is_none_or(|it| it.hold.is_none()), "it holds requests still");
    // A stop that failed after the commit leaves one that may be told again.
    let untidy = outcome == Outcome::DeployedUntidy;
    assert!(state.quiet.is_empty() || untidy, "left quiet: {:?}", state.quiet);
    state.assert_serving();
}

/// Ended before the plan was made.
fn planless(state: &State, request: &Request) -> bool {
    let mut all = state.deployments.iter();
    all.any(|it| {
        it.id == request.deployment
            && it.plan.is_none()
            && it.stage == Stage::Ended(Outcome::Aborted)
    })
}

fn assert_new(state: &State, plan: &Plan, tidy: bool) {
    let kept = plan.steps.iter().find_map(|it| match it {
        Step::Keep { instances } => Some(instances.iter().cloned().collect::<Ids>()),
        _ => None,
    });
    let kept = kept.expect("every plan says who is kept");
    let Some(Step::Confirm { by, .. }) = plan.steps.get(plan.commit - 1) else {
        panic!("every commit is a confirmation")
    };
    assert_eq!(state.routes.as_ref(), Some(by), "the confirmed routes are in force");
    let running = ids(state.running.values());
    assert!(running.is_superset(&kept), "something that is kept does not run");
    if !tidy {
        return;
    }
    let warm = ids(state.retired.iter().map(|it| &it.0));
    let beside: Ids = running.difference(&kept).cloned().collect();
    assert!(beside.is_subset(&warm), "{beside:?} run, and nobody will end them");
    assert_eq!(state.kept, kept, "restarted are just those that shall run");
    if let Some(to) = &plan.to {
        assert_eq!(state.links.0.as_ref(), Some(&to.version));
    }
    assert!(state.staged.is_empty(), "left staged: {:?}", state.staged.keys());
    let leased: Ids = state.leased.keys().cloned().collect();
    let used: Ids = running.union(&warm).cloned().collect();
    assert!(leased.is_subset(&used), "ports of what is gone are leased: {leased:?}");
}

fn assert_old(state: &State, before: &State) {
    let routed = |it: &State| ids(it.routes.iter().flat_map(|it| it.instances()));
    assert_eq!(routed(state), routed(before), "the old routes serve");
    let young = ids(state.running.values());
    let old = ids(before.running.values());
    let warm = ids(before.retired.iter().map(|it| &it.0));
    let beside: Ids = young.difference(&old).cloned().collect();
    assert_eq!(beside, Ids::new(), "left running");
    let gone: Ids = old.difference(&young).cloned().collect();
    assert!(gone.is_subset(&warm), "{gone:?} were lost");
    assert!(state.staged.is_empty(), "left staged: {:?}", state.staged.keys());
    assert_eq!(state.links, before.links);
    let leased: Ids = state.leased.keys().cloned().collect();
    assert!(leased.is_subset(&old), "ports of what is gone are leased: {leased:?}");
}

pub fn ids<'a>(instances: impl Iterator<Item = &'a Instance>) -> Ids {
    instances.map(|it| it.id.clone()).collect()
}

/// After a reason to look: an operator has it gone on with, and it ends whole.
pub fn mend(world: &World, before: &State, id: &DeploymentId, request: &Request) {
    world.state().faults.clear();
    let outcome = world.mend(id, true);
    assert_ne!(outcome, Outcome::NeedsAttention);
    assert_whole(world, before, request, outcome);
}
