//! Health checks that never end, never end well, or end well now and then.

use super::{
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{app::App, stand::Layout};
use std::time::Duration;

/// The configured patience: readiness, then three tries of a second at most, half a second apart.
const START_S: f64 = 4.0;
const HEALTH: &str = "{ path: /api/health, interval: 500ms, timeout: 1s, tries: 3, successes: 2 }";
/// Beyond that patience for everything else that a deployment and its undo do.
const REST: Duration = Duration::from_secs(30);

const BREAKAGES: [&str; 5] =
    ["health_hang", "health_slow_body", "health_redirect_loop", "health_10mb", "health_flap"];

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    for app in context.apps(false) {
        for breakage in BREAKAGES {
            let name = format!("{} {breakage}", app.name());
            report.case(&name, |report| refused(report, app, breakage));
        }
    }
    report
}

pub(super) fn hang_port(context: &Context) -> Report {
    let mut report = Report::new(context);
    for app in context.apps(false) {
        for breakage in ["hang_port", "listen_wrong_port"] {
            let name = format!("{} {breakage}", app.name());
            report.case(&name, |report| refused(report, app, breakage));
        }
    }
    report
}

fn refused(report: &mut Report, app: App, breakage: &str) {
    let layout = Layout { app, start_timeout_s: START_S, health: HEALTH, ..quick() };
    let mut scene = Scene::new(layout);
    let ran = scene.deploy(breakage).ended();
    let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
    assert_eq!(outcome, "aborted");
    let bound = Duration::from_secs_f64(START_S) + Duration::from_secs(5) + REST;
    assert!(ran.took < bound, "it took {:?}", ran.took);
    report.note(format!("refused after {:.1} s", ran.took.as_secs_f64()));
}
