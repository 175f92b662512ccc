//! What was said by hand: a freeze, a lock.

use crate::{
    build::{deploy, request, spec, web},
    drive::world,
    state::World,
};
use model::{
    control::Mark,
    deployment::{Change, News, Stage},
    journal::Outcome,
};

fn mark(reason: &str) -> Option<Mark> {
    Some(Mark { by: "ann".into(), reason: reason.into(), since_ms: 0 })
}

#[test]
fn a_freeze_keeps_releases_away_and_lets_everybody_go_back() {
    let state = world(&[deploy(1, &spec(vec![web()])), deploy(2, &spec(vec![web()]))]);
    let world = World::of(state);
    world.state().marks.freeze = mark("holidays");
    assert_eq!(world.ask(&deploy(3, &spec(vec![web()]))), Outcome::Refused);
    let failure = world.state().deployments.last().unwrap().failure.clone().unwrap();
    assert!(failure.message.contains("frozen by ann since"), "{}", failure.message);
    assert!(failure.message.ends_with("holidays"), "{}", failure.message);
    // What brings no other release goes on.
    assert_eq!(world.ask(&request(4, Change::Restart)), Outcome::Deployed);
    assert_eq!(
        world.ask(&request(5, Change::Rollback { to: None, with_data: false })),
        Outcome::Deployed
    );

    let mut urgent = deploy(6, &spec(vec![web()]));
    urgent.overrides.freeze = Some("orders are lost".into());
    assert_eq!(world.ask(&urgent), Outcome::Deployed);
    let state = world.state();
    let record = state.deployments.last().unwrap();
    assert_eq!(record.stage, Stage::Ended(Outcome::Deployed));
    assert_eq!(record.overridden.len(), 1);
    let said = &record.overridden[0].failure.message;
    assert!(said.ends_with("holidays; overridden: orders are lost"), "{said}");
    let told = |it: &News| matches!(it, News::Found { overridden: true, .. });
    assert!(state.news.iter().any(told));
    // The manifest says so, too.
    let manifest = state.manifest.clone().unwrap();
    let said = manifest["current_deployment"]["overridden"][0].as_str().unwrap();
    assert!(said.contains("orders are lost"), "{manifest}");
    assert_eq!(manifest["current_deployment"]["overrides"]["freeze"], "orders are lost");
}

#[test]
fn a_lock_that_was_passed_is_recorded() {
    let world = World::of(world(&[deploy(1, &spec(vec![web()]))]));
    world.state().marks.lock = mark("stock-taking");
    let mut passing = deploy(2, &spec(vec![web()]));
    passing.overrides.break_lock = true;
    assert_eq!(world.ask(&passing), Outcome::Deployed);
    let state = world.state();
    let said = &state.deployments.last().unwrap().overridden[0].failure.message;
    assert!(said.contains("kept by ann") && said.ends_with("stock-taking"), "{said}");
}
