//! Which releases are kept.

use crate::build::{kept, release, service, spec};
use model::{
    planner::Kept,
    release::Standing::{self, Accepted, Refused, Staged},
    retention::{Needed, prunable},
};
use proptest::prelude::*;

/// Newest first.
fn releases(standings: &[Standing]) -> Vec<Kept> {
    let spec = spec(vec![service("web")]);
    let count = u32::try_from(standings.len()).unwrap();
    let numbered = (1..=count).rev().zip(standings);
    numbered.map(|(number, standing)| kept(&release(number, &spec), *standing)).collect()
}

fn needed(versions: &[&str]) -> Needed {
    Needed { versions: versions.iter().map(|it| (*it).to_owned()).collect() }
}

#[test]
fn the_newest_accepted_stay_and_the_failed_go_first() {
    let all = releases(&[Accepted, Refused, Accepted, Staged, Accepted, Accepted]);
    assert_eq!(prunable(&all, 2, &needed(&["v6"])), ["v3", "v5", "v1"]);
    assert_eq!(prunable(&all, 4, &needed(&["v6"])), ["v3"]);
    assert_eq!(prunable(&all, 9, &needed(&["v6"])), Vec::<String>::new());
    assert_eq!(prunable(&all, 0, &needed(&["v6", "v5"])), ["v3", "v1", "v2", "v4"]);
}

#[test]
fn content_that_two_releases_share_goes_when_neither_is_kept() {
    let mut all = releases(&[Accepted, Refused]);
    all[1].release.version = "v2".into();
    assert_eq!(prunable(&all, 1, &Needed::default()), Vec::<String>::new());
    assert_eq!(prunable(&all, 0, &Needed::default()), ["v2"]);
}

fn standings() -> impl Strategy<Value = Vec<Standing>> {
    prop::collection::vec(prop::sample::select(vec![Accepted, Refused, Staged]), 0..12)
}

proptest! {
    #[test]
    fn nothing_needed_goes_and_no_more_than_asked_stay(
        standings in standings(),
        keep in 0_usize..8,
        picked in prop::collection::vec(1_u32..12, 0..3)
    ) {
        let all = releases(&standings);
        let versions: Vec<String> = picked.iter().map(|it| format!("v{it}")).collect();
        let gone = prunable(&all, keep, &Needed { versions: versions.clone() });
        prop_assert!(gone.iter().all(|it| !versions.contains(it)));
        let left: Vec<&Kept> =
            all.iter().filter(|it| !gone.contains(&it.release.version)).collect();
        let unneeded: Vec<&&Kept> =
            left.iter().filter(|it| !versions.contains(&it.release.version)).collect();
        prop_assert!(unneeded.len() <= keep);
        for it in all.iter().filter(|it| gone.contains(&it.release.version)) {
            prop_assert_eq!(unneeded.len(), keep, "nothing goes while there is room");
            // What goes is worse than all that stay: not accepted, or older.
            let worse = |left: &&&Kept| {
                let (one, other) = (it.standing == Accepted, left.standing == Accepted);
                (one, it.release.created_at_ms) < (other, left.release.created_at_ms)
            };
            prop_assert!(unneeded.iter().all(worse));
        }
    }
}
