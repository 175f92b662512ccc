//! The daemon dies at the k-th call of a system call that changes something.

use super::{
    going::{END_WAIT, Going},
    report::{Context, Report},
    scene::{Allowed, FIRST, SECOND, Scene, quick},
};
use crate::kill_point::{KillPoint, Side, Tracer};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// What changes files, sends orders or starts processes.
const CALLS: &str = "openat,rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat,mkdir,\
    mkdirat,fsync,fdatasync,pwrite64,write,sendmsg,sendto,kill,pidfd_send_signal,clone,clone3,\
    vfork";
/// Opens a file that was not there; other opens change nothing, so that a death before one is a
/// death before the next call that does.
const CREATES: &str = "O_CREAT";
const BOUNDED_POINTS: usize = 8;
const FULL_POINTS: usize = 80;

/// Of each call, which of a thread's turns change something.
type Turns = BTreeMap<String, BTreeSet<u32>>;

pub(super) fn run(context: &Context) -> Report {
    let mut report = Report::new(context);
    let mut turns = Turns::new();
    report.case("counting", |report| {
        turns = changing();
        let counts: BTreeMap<&String, usize> = turns.iter().map(|it| (it.0, it.1.len())).collect();
        report.note(format!("{counts:?}"));
    });
    let instants: Vec<(&str, u32)> = turns
        .iter()
        .flat_map(|(call, turns)| turns.iter().map(|it| (call.as_str(), *it)))
        .collect();
    report.instants = u32::try_from(instants.len()).unwrap_or(u32::MAX);
    match context.every {
        Some((from, to)) => {
            let chosen = (1..).zip(&instants).filter(|it| (from..=to).contains(&it.0));
            for (number, (call, turn)) in chosen {
                let name = format!("{number} of {}: {call} {turn}", instants.len());
                report.case(&name, |report| kill_at(report, call, *turn));
            }
        }
        None => sample(context, &turns, &mut report),
    }
    report
}

fn sample(context: &Context, turns: &Turns, report: &mut Report) {
    if turns.is_empty() {
        return;
    }
    let mut random = context.random();
    for _ in 0..context.pick(BOUNDED_POINTS, FULL_POINTS) {
        // Each kind of call is as likely as any other, however often it is made.
        let at = random.below(turns.len() as u64) as usize;
        let (call, turns) = turns.iter().nth(at).expect("it is below the length");
        let at = random.below(turns.len() as u64) as usize;
        let turn = *turns.iter().nth(at).expect("it is below the length");
        report.case(&format!("{call} {turn}"), |report| kill_at(report, call, turn));
    }
}

/// The turns at which any thread changes something in one deployment.
fn changing() -> Turns {
    let mut scene = Scene::new(quick());
    let daemon = scene.stand.pid_of("daemon").expect("a daemon runs");
    let tracer = Tracer::on(daemon, CALLS, None, None);
    let ran = scene.deploy("").ended();
    let seen = tracer.seen();
    drop(tracer);
    scene.check(FIRST, SECOND, Some(&ran), Allowed::NONE);
    turns_of(&seen)
}

/// What a tracer's lines say of them: each is a thread's number, and its call.
fn turns_of(seen: &str) -> Turns {
    let mut made: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut turns = Turns::new();
    for line in seen.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, words)) = rest.trim_start().split_once('(') else { continue };
        if call.is_empty() || !call.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') {
            continue;
        }
        let turn = made.entry((thread, call)).or_default();
        *turn += 1;
        if call != "openat" || words.contains(CREATES) {
            turns.entry(call.to_owned()).or_default().insert(*turn);
        }
    }
    turns
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_counted_by_thread_and_opens_count_that_create() {
        let seen = "12 openat(AT_FDCWD, \"/proc/1\", O_RDONLY) = 5\n\
                    12 openat(AT_FDCWD, \"a\", O_WRONLY|O_CREAT, 0666) = 6\n\
                    13  write(6, \"a\", 1 <unfinished ...>\n\
                    12 write(6, \"b\", 1) = 1\n\
                    13 <... write resumed>) = 1\n\
                    13 write(6, \"c\", 1) = 1\n\
                    12 +++ exited with 0 +++\n";
        let turns = turns_of(seen);
        let expected: Turns =
            [("openat".to_owned(), [2].into()), ("write".to_owned(), [1, 2].into())].into();
        assert_eq!(turns, expected);
    }
}
