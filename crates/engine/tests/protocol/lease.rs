//! A warm instance between the reaper, which may end it, and a rollback, which wants it to serve.
//!
//! Two controllers take part: one that may have been stopped between the reaper's look and its act,
//! and the one that replaced it.

use std::collections::{HashMap, VecDeque};

/// One rule of the lease broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// The reaper does not look again after it got its turn.
    LooksOnce,
    /// Reaper and rollback of one controller do not take turns.
    NoTurns,
    /// A claim does not tell the instance's supervisor of the claiming controller.
    NoFence,
    /// The rollback does not ask the instance after it claimed it.
    NoProbe,
    /// What was claimed in vain is not given back.
    ForgetsToReturn,
}

/// The reaper of one controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reaper {
    Idle,
    /// It saw a retired instance whose time had come.
    Saw,
    /// In its turn it saw that it is retired still, and that nothing names it.
    Sure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rollback {
    Wanted,
    Locked,
    Claimed,
    Fenced,
    Probed,
    Switched,
    Unwinding,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    retired: bool,
    up: bool,
    /// The highest epoch that the instance's supervisor heard of.
    heard: u8,
    /// Whose life it is.
    epoch: u8,
    /// Of the controller that was replaced, and of the present one.
    reapers: [Reaper; 2],
    rollback: Rollback,
    /// Routes lead to it.
    routed: bool,
    aborts: u8,
    /// The present controller has its turn taken by the reaper.
    reaping: bool,
}

const START: State = State {
    retired: true,
    up: true,
    heard: 0,
    epoch: 0,
    reapers: [Reaper::Idle; 2],
    rollback: Rollback::Wanted,
    routed: false,
    aborts: 1,
    reaping: false,
};

type Moves = Vec<(&'static str, State)>;

fn moves(flaw: Option<Flaw>, s: State) -> Moves {
    let mut all = reaps(flaw, s);
    all.extend(rolls_back(flaw, s));
    if s.epoch == 0 {
        // The present controller is stopped, and another takes its place; it may wake up.
        let reapers = [s.reapers[1], Reaper::Idle];
        all.push(("replaced", State { epoch: 1, reapers, reaping: false, ..s }));
    }
    all
}

fn reaps(flaw: Option<Flaw>, s: State) -> Moves {
    let mut all = vec![];
    let has = |it| flaw == Some(it);
    for at in [0, 1] {
        // A controller that was never there does not reap.
        if at == 0 && s.epoch == 0 {
            continue;
        }
        let present = at == 1;
        let set = |it: Reaper| {
            let mut reapers = s.reapers;
            reapers[at] = it;
            State { reapers, ..s }
        };
        match s.reapers[at] {
            Reaper::Idle if s.retired && present => all.push(("reaper sees", set(Reaper::Saw))),
            Reaper::Idle => {}
            Reaper::Saw => {
                let busy = !matches!(s.rollback, Rollback::Wanted | Rollback::Ended);
                let locked = busy && !has(Flaw::NoTurns);
                let stands = (s.retired && !s.routed && !locked) || has(Flaw::LooksOnce);
                let next = if stands { Reaper::Sure } else { Reaper::Idle };
                let reaping = if present { stands } else { s.reaping };
                all.push(("reaper looks", State { reaping, ..set(next) }));
            }
            Reaper::Sure => {
                let epoch = if present { s.epoch } else { 0 };
                let mut stopped = set(Reaper::Idle);
                if present {
                    stopped.reaping = false;
                }
                // The supervisor refuses who is not the last it heard of.
                if epoch >= s.heard {
                    (stopped.up, stopped.heard) = (false, epoch);
                    // The journal refuses who was replaced.
                    stopped.retired &= !(present || s.epoch == 0);
                }
                all.push(("reaper stops", stopped));
            }
        }
    }
    all
}

fn rolls_back(flaw: Option<Flaw>, s: State) -> Moves {
    let has = |it| flaw == Some(it);
    let to = |rollback| State { rollback, ..s };
    match s.rollback {
        // It waits for the reaper's turn to end.
        Rollback::Wanted if s.reaping && !has(Flaw::NoTurns) => vec![],
        Rollback::Wanted if !s.retired => vec![],
        Rollback::Wanted => vec![("lock", to(Rollback::Locked))],
        Rollback::Locked if !s.retired => vec![("lost", to(Rollback::Ended))],
        Rollback::Locked => {
            vec![("claim", State { retired: false, ..to(Rollback::Claimed) })]
        }
        Rollback::Claimed if has(Flaw::NoFence) => vec![("go on", to(Rollback::Fenced))],
        Rollback::Claimed => {
            vec![("fence", State { heard: s.heard.max(s.epoch), ..to(Rollback::Fenced) })]
        }
        Rollback::Fenced if s.up || has(Flaw::NoProbe) => {
            let mut all = vec![("probe", to(Rollback::Probed))];
            if s.aborts > 0 {
                all.push(("abort", State { aborts: 0, ..to(Rollback::Unwinding) }));
            }
            all
        }
        Rollback::Fenced => vec![("probe", to(Rollback::Unwinding))],
        Rollback::Probed => vec![("switch", State { routed: true, ..to(Rollback::Switched) })],
        Rollback::Switched => vec![("confirm", to(Rollback::Ended))],
        Rollback::Unwinding if has(Flaw::ForgetsToReturn) => {
            vec![("end", to(Rollback::Ended))]
        }
        Rollback::Unwinding => {
            vec![("give back", State { retired: true, ..to(Rollback::Ended) })]
        }
        Rollback::Ended => vec![],
    }
}

/// Routes never lead to what was stopped, and nothing that nobody uses runs for ever.
fn broken(s: State, over: bool) -> Option<&'static str> {
    if s.routed && !s.up {
        return Some("routes lead to what was stopped");
    }
    (over && s.up && !s.routed && !s.retired).then_some("it runs for ever")
}

fn walk(flaw: Option<Flaw>) -> Result<usize, (&'static str, Vec<&'static str>)> {
    let mut from: HashMap<State, Option<(State, &'static str)>> = HashMap::from([(START, None)]);
    let mut open = VecDeque::from([START]);
    while let Some(s) = open.pop_front() {
        let next = moves(flaw, s);
        let over = s.rollback == Rollback::Ended;
        if let Some(rule) = broken(s, over) {
            let mut trace = vec![];
            let mut here = s;
            while let Some((before, step)) = from[&here] {
                trace.push(step);
                here = before;
            }
            trace.reverse();
            return Err((rule, trace));
        }
        for (step, to) in next {
            from.entry(to).or_insert_with(|| {
                open.push_back(to);
                Some((s, step))
            });
        }
    }
    Ok(from.len())
}

#[test]
fn a_claimed_instance_is_not_reaped_and_a_reaped_one_not_served() {
    let states = walk(None).unwrap_or_else(|(rule, trace)| panic!("{rule}: {trace:?}"));
    println!("lease: {states} states");
    assert!(states > 50);
}

#[test]
fn each_part_of_the_lease_is_needed() {
    for flaw in
        [Flaw::LooksOnce, Flaw::NoTurns, Flaw::NoFence, Flaw::NoProbe, Flaw::ForgetsToReturn]
    {
        let (rule, trace) = walk(Some(flaw)).expect_err("a broken rule must be seen");
        println!("{flaw:?}: {rule} after {trace:?}");
    }
}
