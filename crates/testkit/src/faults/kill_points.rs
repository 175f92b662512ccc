//! The daemon dies before and after every commit of a deployment's journal.

use super::{
    going::{END_WAIT, Going},
    report::{Context, Report, Size},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::{
    kill_point::{KillPoint, Side, Tracer},
    stand::{Layout, Stand},
};
use std::{cell::RefCell, collections::BTreeSet};

/// Points of the bounded size; those around the switch and the confirmation are always among them.
const BOUNDED_POINTS: usize = 24;

const SIDES: [Side; 3] = [Side::Unwritten, Side::Before, Side::After];

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let mut baseline = None;
    report.case("counting", |report| {
        let counted = count();
        report.note(format!("{} commits", counted.commits));
        baseline = Some(counted);
    });
    let Some(baseline) = baseline else { return report };
    for point in chosen(context, &baseline) {
        let name = format!("commit {} of {} {:?}", point.commit, baseline.commits, point.side);
        let mut point = point;
        if point.side == Side::Unwritten {
            let Some(write) = baseline.writes.get(point.commit as usize - 1) else { continue };
            point.commit = *write;
        }
        report.case(&name, |report| kill_at(report, point));
    }
    report
}

struct Baseline {
    commits: u32,
    /// By commit, its first write.
    writes: Vec<u32>,
    /// Where the switch and the confirmation begin and end, as numbers of commits.
    turns: BTreeSet<u32>,
}

fn layout() -> Layout {
    Layout { bake_s: 0.3, drain_s: 0.5, ..quick() }
}

fn daemon(stand: &Stand) -> u32 {
    stand.pid_of("daemon").expect("a daemon runs after a deployment")
}

fn count() -> Baseline {
    let mut scene = Scene::new(layout());
    let tracer = Tracer::counting(daemon(&scene.stand), &scene.stand.root);
    let mut going = scene.deploy("");
    let mut turns = BTreeSet::new();
    while going.goes_on() {
        let before = tracer.commits();
        let around = ["switch", "confirm"].iter().any(|it| {
            going.saw(it, "running") && !(going.saw("keep", "running") || going.saw("link", "done"))
        });
        if around {
            turns.extend([before, before + 1]);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let ran = going.ended();
    let (commits, writes) = (tracer.commits(), tracer.first_writes());
    drop(tracer);
    assert_eq!(scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE), "deployed");
    assert!(commits > 20, "only {commits} commits were seen: the tracer sees too little");
    turns.retain(|it| (1..=commits).contains(it));
    Baseline { commits, writes, turns }
}

fn chosen(context: &Context, baseline: &Baseline) -> Vec<KillPoint> {
    let sides = |commit| SIDES.map(|side| KillPoint { commit, side });
    let all: Vec<KillPoint> = (1..=baseline.commits).flat_map(sides).collect();
    if context.size == Size::Full {
        return all;
    }
    let turns = all.iter().filter(|it| baseline.turns.contains(&it.commit));
    let mut chosen: Vec<KillPoint> = turns.copied().take(BOUNDED_POINTS / 2).collect();
    let left = BOUNDED_POINTS - chosen.len();
    for at in 0..left {
        let even = all[at * all.len() / left];
        // Each side in turn, so that all are met.
        let point = KillPoint { side: SIDES[at % SIDES.len()], ..even };
        if !chosen.contains(&point) {
            chosen.push(point);
        }
    }
    chosen.sort_by_key(|it| (it.commit, it.side));
    chosen
}

fn kill_at(report: &mut Report, point: KillPoint) {
    let mut scene = Scene::new(layout());
    let tracer = Tracer::killing(daemon(&scene.stand), &scene.stand.root, point);
    let going = RefCell::new(scene.deploy(""));
    let reached = tracer.reached(point, END_WAIT, || going.borrow_mut().goes_on());
    drop(tracer);
    assert!(reached, "the point was not reached: {}", going.borrow().text());
    report.kill_points += 1;
    let ran = Going::ended(going.into_inner());
    let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
    report.note(outcome);
}
