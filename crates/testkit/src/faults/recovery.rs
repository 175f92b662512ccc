//! The daemon dies again and again while it recovers.

use super::{
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    stand::{alive, kill},
    time::eventually,
};
use rustix::process::Signal;
use std::{thread, time::Duration};

const LIVES: u64 = 20;
/// A life is ended at some instant within this.
const LIFE_MS: u64 = 250;
const DEATH_WAIT: Duration = Duration::from_secs(5);

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let mut random = context.random();
    for word in context.pick(vec!["health"], vec!["stage", "health", "switch", "bake", "drain"]) {
        report.case(&format!("from {word}"), |report| {
            let mut scene = Scene::new(quick());
            let mut going = scene.deploy("");
            going.until(word, "running");
            going.kill();
            let first = epoch(&scene).expect("the daemon runs");
            let mut last = first;
            for _ in 0..LIVES {
                scene.stand.cutover(&["daemon", "start"]).expect(0);
                let now = epoch(&scene).unwrap_or(last);
                assert!(now >= last, "the epoch fell from {last} to {now}");
                last = now;
                thread::sleep(Duration::from_millis(random.below(LIFE_MS)));
                let Some(daemon) = scene.stand.pid_of("daemon") else { continue };
                kill(daemon, Signal::KILL);
                eventually("the daemon is dead", DEATH_WAIT, || (!alive(daemon)).then_some(()));
                report.kill_points += 1;
            }
            let outcome = scene.check(FIRST, SECOND, None, Allowed::NONE);
            let risen = epoch(&scene).expect("the daemon runs") - first;
            assert!(risen >= LIVES, "{LIVES} lives later the epoch is {risen} higher");
            report.note(format!("{outcome}, epoch +{risen}"));
        });
    }
    report
}

fn epoch(scene: &Scene) -> Option<u64> {
    scene.stand.status()["controller"]["epoch"].as_u64()
}
