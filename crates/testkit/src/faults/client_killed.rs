//! Deaths around the asking: the daemon before it has taken the lock, the command line at any time.

use super::{
    going::{END_WAIT, Going},
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    kill_point::{KillPoint, Side, Tracer},
    stand::TARGET,
};
use std::cell::RefCell;

pub(super) fn lock(context: &Context) -> Report {
    let mut report = Report::new(context);
    report.case("before the first commit", |report| {
        let mut scene = Scene::new(quick());
        let point = KillPoint { commit: 1, side: Side::Unwritten };
        let daemon = scene.stand.pid_of("daemon").expect("a daemon runs");
        let tracer = Tracer::killing(daemon, &scene.stand.root, point);
        let going = RefCell::new(scene.deploy(""));
        assert!(tracer.reached(point, END_WAIT, || going.borrow_mut().goes_on()));
        drop(tracer);
        report.kill_points += 1;
        let ran = Going::ended(going.into_inner());
        scene.remember(&ran);
        // Either it asked again with the same id, or it says that nobody answers; then the same
        // words once more do it.
        let ran = match ran.code {
            Some(0) => ran,
            Some(7) => {
                let from = scene.stand.folder.path().join(format!("v{SECOND}"));
                let from = from.display().to_string();
                scene.stand.cutover(&["deploy", TARGET, SECOND, "--from", &from])
            }
            code => panic!("ended with {code:?}: {}", ran.text()),
        };
        let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
        assert_eq!(outcome, "deployed");
    });
    report
}

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    for word in context.pick(vec!["health"], vec!["stage", "health", "switch", "bake", "drain"]) {
        report.case(word, |report| {
            let mut scene = Scene::new(quick());
            let mut going = scene.deploy("");
            going.until(word, "running");
            let id = going.deployment().expect("it was accepted");
            going.kill();
            report.kill_points += 1;
            let ran = scene.stand.cutover(&["attach", &id]);
            assert!(ran.text().contains(SECOND), "{}", ran.text());
            let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
            assert_eq!(outcome, "deployed");
        });
    }
    report
}
