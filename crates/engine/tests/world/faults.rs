//! Every change, with every fault at every call it makes on the world, and with pairs of them.

use crate::{
    scenes::{Scene, scenes},
    state::{Fault, World},
    whole::{assert_whole, mend},
};
use model::{journal::Outcome, plan::WayBack};
use std::collections::BTreeMap;

const FAULTS: [Fault; 11] = [
    Fault::Before,
    Fault::After,
    Fault::Crash,
    Fault::CrashBefore,
    Fault::Abort,
    Fault::AbortCrash,
    Fault::FallBack,
    Fault::FallBackCrash,
    Fault::CandidatesDie,
    Fault::RouterRestarts,
    Fault::Reboot,
];
/// Of each scene; the pairs are drawn evenly from all there are.
const PAIRS: usize = 1000;

fn run(scene: &Scene, faults: &[(usize, Fault)]) -> (World, Outcome) {
    let mut state = scene.state.clone();
    state.faults = faults.to_vec();
    let world = World::of(state);
    let outcome = world.ask(&scene.request);
    (world, outcome)
}

fn calls(scene: &Scene) -> usize {
    let (world, outcome) = run(scene, &[]);
    assert_eq!(outcome, Outcome::Deployed, "{}", scene.name);
    assert_whole(&world, &scene.state, &scene.request, outcome);
    let state = world.state();
    assert_eq!(state.held, scene.way_back == WayBack::Cold, "{}", scene.name);
    state.calls
}

/// Says which run it was, if it ends badly.
struct Teller<'a>(&'a str, Vec<(usize, Fault)>);

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("in `{}` with {:?}", self.0, self.1);
        }
    }
}

fn check(scene: &Scene, faults: &[(usize, Fault)]) -> Outcome {
    let teller = Teller(scene.name, faults.to_vec());
    let (world, outcome) = run(scene, faults);
    assert_whole(&world, &scene.state, &scene.request, outcome);
    if outcome == Outcome::NeedsAttention {
        mend(&world, &scene.state, &scene.request.deployment, &scene.request);
    }
    drop(teller);
    outcome
}

#[test]
fn every_fault_at_every_call_ends_whole() {
    for scene in scenes() {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let calls = calls(&scene);
        for at in 1..=calls {
            for fault in FAULTS {
                let outcome = check(&scene, &[(at, fault)]);
                *seen.entry(format!("{outcome:?}")).or_default() += 1;
            }
        }
        println!("{}: {calls} calls, ends {seen:?}", scene.name);
        assert!(seen.contains_key("Aborted"), "{}", scene.name);
    }
}

#[test]
fn pairs_of_faults_end_whole() {
    for scene in scenes() {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let calls = calls(&scene);
        let all = calls * 2 * calls * FAULTS.len() * FAULTS.len();
        // A stride that shares no factor with the number of pairs meets each place in turn.
        let stride = (all / PAIRS).max(1) | 1;
        for pair in (0..all).step_by(stride) {
            let (one, rest) = (FAULTS[pair % FAULTS.len()], pair / FAULTS.len());
            let (two, rest) = (FAULTS[rest % FAULTS.len()], rest / FAULTS.len());
            let (first, later) = (rest % calls + 1, rest / calls + 1);
            let outcome = check(&scene, &[(first, one), (first + later, two)]);
            *seen.entry(format!("{outcome:?}")).or_default() += 1;
        }
        println!("{}: {} pairs, ends {seen:?}", scene.name, seen.values().sum::<usize>());
    }
}
