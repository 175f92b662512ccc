//! A deployment is aborted: at each of its steps, twice, and when it is too late.

use super::{
    going::Going,
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::stand::{Layout, Ran};

/// The steps of an update before the confirmation.
const BEFORE: [&str; 8] =
    ["stage", "routes", "start", "health", "smoke", "switch", "verify", "bake"];

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    for word in BEFORE {
        report.case(&format!("at {word}"), |report| {
            let mut scene = Scene::new(layout());
            let mut going = scene.deploy("");
            going.until(word, "running");
            let asked = abort(&scene, &going).ended();
            let ran = going.ended();
            ended(report, &mut scene, &ran, &asked);
        });
    }
    report.case("twice", |report| {
        let mut scene = Scene::new(layout());
        let mut going = scene.deploy("");
        going.until("bake", "running");
        let both = [abort(&scene, &going), abort(&scene, &going)];
        let [one, two] = both.map(Going::ended);
        assert_eq!((one.code, two.code), (Some(0), Some(0)), "{} {}", one.text(), two.text());
        let ran = going.ended();
        ended(report, &mut scene, &ran, &one);
        assert_eq!(scene.outcome(), "rolled_back");
    });
    for word in context.pick(vec!["drain"], vec!["keep", "link", "drain"]) {
        report.case(&format!("after confirm, at {word}"), |_| {
            let mut scene = Scene::new(Layout { drain_s: 6.0, ..quick() });
            let mut going = scene.deploy("");
            going.until(word, "running");
            let asked = abort(&scene, &going).ended();
            assert_ne!(asked.code, Some(0), "{}", asked.text());
            for part in ["committed", "rollback"] {
                assert!(asked.text().contains(part), "does not say {part}: {}", asked.text());
            }
            let ran = going.ended();
            assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
        });
    }
    report.case("by Ctrl-C", interrupted);
    report
}

fn layout() -> Layout {
    Layout { bake_s: 3.0, ..quick() }
}

/// An abort, which waits for the end of what it turns back.
fn abort(scene: &Scene, going: &Going) -> Going {
    let id = going.deployment().expect("it was accepted");
    Going::start(&scene.stand, &["abort", &id])
}

/// It turned back, or it was faster than the abort; then the abort says so.
fn ended(report: &mut Report, scene: &mut Scene, ran: &Ran, asked: &Ran) {
    let outcome = scene.check(FIRST, SECOND, Some(ran), Allowed::NONE);
    report.note(outcome.clone());
    if outcome == "deployed" {
        assert_ne!(asked.code, Some(0), "taken, and deployed all the same: {}", asked.text());
    } else {
        assert!(matches!(outcome.as_str(), "aborted" | "rolled_back"), "{outcome}");
    }
}

/// An interrupt of the command line, without a terminal to ask: it leaves, and the deployment
/// goes on or is turned back; the journal and the world agree in either case.
fn interrupted(report: &mut Report) {
    let mut scene = Scene::new(layout());
    let mut going = scene.deploy("");
    going.until("health", "running");
    let id = going.deployment().expect("it was accepted");
    going.signal(rustix::process::Signal::INT);
    let ran = going.ended();
    scene.remember(&ran);
    report.note(format!("left with {:?}", ran.code));
    let watched = scene.stand.cutover(&["attach", &id]);
    let outcome = scene.check(FIRST, SECOND, Some(&watched), Allowed::NONE);
    let fits = match ran.code {
        Some(130) => outcome == "deployed",
        Some(3) => outcome == "aborted",
        Some(4) => outcome == "rolled_back",
        _ => false,
    };
    assert!(fits, "left with {:?}, then {outcome}: {}", ran.code, ran.text());
}
