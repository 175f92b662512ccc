//! The daemon dies at the k-th call of a system call that changes something.

use super::{
    going::{END_WAIT, Going},
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::kill_point::{KillPoint, Side, Tracer};
use std::{cell::RefCell, collections::BTreeMap};

/// What changes files, sends orders or starts processes.
const CALLS: &str = "openat,rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat,mkdir,\
    mkdirat,fsync,fdatasync,pwrite64,write,sendmsg,sendto,kill,pidfd_send_signal,clone,clone3,\
    vfork";
const BOUNDED_POINTS: usize = 8;
const FULL_POINTS: usize = 80;

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let mut counts = BTreeMap::new();
    report.case("counting", |report| {
        counts = count();
        report.note(format!("{counts:?}"));
    });
    if counts.is_empty() {
        return report;
    }
    let instants: Vec<(&str, u32, u32)> = counts
        .iter()
        .flat_map(|(call, count)| (1..=*count).map(move |turn| (call.as_str(), turn, *count)))
        .collect();
    report.instants = u32::try_from(instants.len()).unwrap_or(u32::MAX);
    match context.every {
        Some((from, to)) => {
            let chosen = (1..).zip(&instants).filter(|it| (from..=to).contains(&it.0));
            for (number, (call, turn, count)) in chosen {
                let name = format!("{number} of {}: {call} {turn} of {count}", instants.len());
                report.case(&name, |report| kill_at(report, call, *turn));
            }
        }
        None => sample(context, &counts, &mut report),
    }
    report
}

fn sample(context: &Context, counts: &BTreeMap<String, u32>, report: &mut Report) {
    let mut random = context.random();
    for _ in 0..context.pick(BOUNDED_POINTS, FULL_POINTS) {
        // Each kind of call is as likely as any other, however often it is made.
        let at = random.below(counts.len() as u64) as usize;
        let (call, count) = counts.iter().nth(at).expect("it is below the length");
        let turn = u32::try_from(random.below(u64::from(*count)) + 1).unwrap_or(1);
        report.case(&format!("{call} {turn} of {count}"), |report| kill_at(report, call, turn));
    }
}

/// How often the thread that makes it most makes each call in one deployment.
fn count() -> BTreeMap<String, u32> {
    let mut scene = Scene::new(quick());
    let daemon = scene.stand.pid_of("daemon").expect("a daemon runs");
    let tracer = Tracer::on(daemon, CALLS, None, None);
    let ran = scene.deploy("").ended();
    let seen = tracer.seen();
    drop(tracer);
    scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
    let mut by_thread: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for line in seen.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if call.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for ((_, call), count) in by_thread {
        let most = counts.entry(call.to_owned()).or_default();
        *most = count.max(*most);
    }
    counts
}

fn kill_at(report: &mut Report, call: &str, turn: u32) {
    let mut scene = Scene::new(quick());
    let daemon = scene.stand.pid_of("daemon").expect("a daemon runs");
    let fault = format!("{}:when={turn}", Side::Before.fault());
    let tracer = Tracer::on(daemon, call, None, Some(&fault));
    let going = RefCell::new(scene.deploy(""));
    let point = KillPoint { commit: turn, side: Side::Before };
    let reached = tracer.reached(point, END_WAIT, || going.borrow_mut().goes_on());
    drop(tracer);
    // How often a thread makes a call differs from run to run: the last ones may not be reached.
    // Then the deployment must simply have ended well.
    report.kill_points += u32::from(reached);
    let ran = Going::ended(going.into_inner());
    let outcome = scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
    assert!(reached || outcome == "deployed", "not reached, and {outcome}");
}
