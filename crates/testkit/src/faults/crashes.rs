//! Applications that die under traffic: in the bake, and when they are confirmed.

use super::{
    data_plane::gap,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{stand::Layout, time::eventually};
use std::time::Duration;

/// For two deaths, and the deployment that goes back.
const ROLLBACK_WAIT: Duration = Duration::from_secs(60);
/// Back on the old within a second of the death is what is wanted, and told; this decides, since a
/// machine that is busy with other things may stall anything.
const BACK_MS: f64 = 5_000.0;

/// Both instances die, one after the other: what went through the second may have been sent again
/// by a client that had it fail in the first.
const BOTH_IN_FLIGHT: Allowed =
    Allowed { requests: 2 * Allowed::IN_FLIGHT.requests, streams: 2 * Allowed::IN_FLIGHT.streams };

pub(super) fn in_bake(context: &Context) -> Report {
    let mut report = Report::new(context);
    let cases = context.pick(vec![(1.0, 4.0)], vec![(1.0, 4.0), (5.0, 10.0), (20.0, 30.0)]);
    for app in context.apps(false) {
        for (after_s, bake_s) in &cases {
            report.case(&format!("{} after {after_s} s", app.name()), |report| {
                let layout = Layout { app, bake_s: *bake_s, ..quick() };
                let mut scene = Scene::new(layout);
                let breakage = format!("crash_after_switch={}", after_s * 1000.0);
                let ran = scene.deploy(&breakage).ended();
                scene.remember(&ran);
                scene.settled();
                assert_eq!(scene.outcome(), "rolled_back", "{}", ran.text());
                assert_eq!(ran.code, Some(4));
                scene.serves(FIRST);
                let summary = scene.finish(BOTH_IN_FLIGHT).expect("a load runs");
                assert!(summary.longest_gap_ms <= BACK_MS, "{}", gap(&summary));
                report.note(format!("{} failed, {}", summary.failed, gap(&summary)));
            });
        }
    }
    report
}

pub(super) fn after_confirm(context: &Context) -> Report {
    let mut report = Report::new(context);
    for app in context.apps(false) {
        report.case(app.name(), |report| {
            let layout = Layout { app, bake_s: 0.5, ..quick() };
            let mut scene = Scene::new(layout);
            let ran = scene.deploy("crash_after_switch=3000").ended();
            scene.remember(&ran);
            assert_eq!(ran.code, Some(0), "{}", ran.text());
            eventually("it is rolled back by itself", ROLLBACK_WAIT, || {
                let latest = scene.latest();
                let back = latest["kind"] == "rollback" && latest["stage"]["ended"] == "deployed";
                back.then_some(())
            });
            scene.settled();
            scene.serves(FIRST);
            let latest = scene.latest();
            assert_eq!(latest["to"]["version"], FIRST);
            assert!(latest["reason"].is_string(), "it does not say why: {latest}");
            // While the only release dies there is nothing to serve with, twice.
            let summary = scene.finish(Allowed::ANY).expect("a load runs");
            report.note(format!("{} of {} failed", summary.failed, summary.requests));
            assert_ne!(scene.stand.serving(), [SECOND]);
        });
    }
    report
}
