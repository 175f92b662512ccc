//! The proxy: compares, renames and swaps under one lock, and alone decides a probation.

use crate::cast::{Ask, Disk, Flaw, Generation, Life, Move, Proxy, State, Then, What};

type Moves = Vec<(Move, State)>;

/// What a proxy that starts, or reads its files anew, puts in force.
pub fn load(flaw: Option<Flaw>, s: &State, disk: Disk) -> Generation {
    let round = s.tried_in(disk.route);
    let named = round.is_some_and(|it| disk.fell_back == Some(s.trial(it)));
    let marked = named || flaw == Some(Flaw::MarkerNamesNobody) && disk.fell_back.is_some();
    match round {
        Some(round) if marked && flaw != Some(Flaw::LoadIgnoresMarker) => {
            s.from[usize::from(round.0)]
        }
        Some(round) if disk.route == s.confirm(round) && flaw == Some(Flaw::NonceCheckedOnLoad) => {
            s.trial(round)
        }
        _ => disk.route,
    }
}

pub fn moves(flaw: Option<Flaw>, s: &State) -> Moves {
    let Some(proxy) = s.proxy else {
        let force = load(flaw, s, s.disk);
        let loaded = s.with(|it| {
            it.proxy = Some(Proxy { force, then: None, unmarked: None });
            if let Some(round) = it.disk.fell_back.and_then(|left| it.tried_in(left)) {
                it.ghost.fell[usize::from(round.0)] = true;
            }
        });
        return vec![(Move::ProxyLoads, loaded)];
    };
    let mut all = vec![];
    if let Some(then) = proxy.then {
        all.push((Move::ProxyEnds(then), s.with(|it| end(it, then))));
    }
    let free = proxy.then.is_none();
    if free && s.is_trial(proxy.force) {
        all.extend(probation(flaw, s, proxy.force));
    }
    if let Some(left) = proxy.unmarked.filter(|_| free && !s.disk.full) {
        all.push((Move::ProxyMarksLate, s.with(|it| mark_late(it, left))));
    }
    if free || flaw == Some(Flaw::FallBackWithoutCompare) {
        let own = s.daemon.and_then(|it| it.ask);
        all.extend(own.map(|ask| {
            let read = s.with(|it| {
                it.daemon.iter_mut().for_each(|it| it.ask = None);
                take(flaw, it, ask, true);
            });
            (Move::ProxyReads(ask), read)
        }));
        all.extend(s.stale.iter().map(|&ask| {
            let read = s.with(|it| {
                it.stale.remove(&ask);
                take(flaw, it, ask, false);
            });
            (Move::ProxyReads(ask), read)
        }));
    }
    all
}

/// How the candidate of the trial in force is, and what it would return to.
fn sides(s: &State, trial: Generation) -> (usize, Life, Life) {
    let round = s.tried_in(trial).map_or(0, |it| usize::from(it.0));
    (round, s.lives[round + 1], s.lives[s.olds[round]])
}

fn probation(flaw: Option<Flaw>, s: &State, trial: Generation) -> Moves {
    let mut all = vec![];
    if !s.expired {
        all.push((Move::ProbationExpires, s.with(|it| it.expired = true)));
    }
    let (_, new, old) = sides(s, trial);
    let dead = new != Life::Up;
    // A live candidate is not left for a dead fallback; the daemon starts that one first.
    let fit = old.is_fit() || flaw == Some(Flaw::FallsToTheDead);
    // Nor is it left where a restart would forget that it was.
    let marks = !s.disk.full || flaw == Some(Flaw::LeavesWithoutMarker);
    if dead || (s.expired && fit && marks) {
        all.push((Move::ProxyBeginsFallBack, s.with(|it| fall_back(flaw, it, trial))));
    }
    all
}

/// The marker comes before the swap: a proxy killed between the two must not load the trial again.
fn fall_back(flaw: Option<Flaw>, s: &mut State, trial: Generation) {
    let (round, new, old) = sides(s, trial);
    let fallback = s.from[round];
    let live_for_dead = new == Life::Up && !old.is_fit();
    let Some(proxy) = &mut s.proxy else { return };
    if s.disk.full {
        // In memory alone, since all candidates are dead; what is in force next needs no marker.
        proxy.force = fallback;
        proxy.unmarked = Some(trial);
        s.ghost.fell[round] = true;
    } else if flaw == Some(Flaw::SwapBeforeMarker) {
        proxy.then = Some(Then::Mark(trial));
        proxy.force = fallback;
        s.ghost.fell[round] = true;
    } else {
        proxy.then = Some(Then::Return(trial));
        s.disk.fell_back = Some(trial);
        s.ghost.left_live_for_dead |= live_for_dead;
    }
}

fn mark_late(s: &mut State, left: Generation) {
    if s.disk.route == left {
        s.disk.fell_back = Some(left);
    }
    s.proxy.iter_mut().for_each(|it| it.unmarked = None);
}

/// The proxy compares, renames, and swaps, all under its lock; so what is on disk was accepted.
fn take(flaw: Option<Flaw>, s: &mut State, ask: Ask, own: bool) {
    let has = |it| flaw == Some(it);
    let Some(Proxy { force, then, .. }) = s.proxy else { return };
    let from = s.from[usize::from(ask.round.0)];
    let (to, allowed) = match ask.what {
        What::Switch => (s.trial(ask.round), force == from),
        What::Confirm { same_start } => {
            (s.confirm(ask.round), same_start && force == s.trial(ask.round))
        }
        What::Back { expects } if has(Flaw::UndoRewritesOld) => (from, force == expects),
        What::Back { expects } => (s.back(ask.round), force == expects),
    };
    // In force may come back, as the fallback does; what was on disk does not.
    let rises = to > s.disk.route
        || has(Flaw::ExpectedAlone)
        || has(Flaw::UndoRewritesOld) && to == from
        || has(Flaw::DaemonRenames) && to == s.confirm(ask.round);
    let (allowed, confirms) = (allowed && rises, to == s.confirm(ask.round));
    let unchecked = confirms && has(Flaw::ConfirmUnchecked);
    if !(allowed || unchecked) {
        // Who asked for a bake's confirmation bakes again; whose expectation was wrong looks again.
        let final_word = match ask.what {
            What::Switch => true,
            What::Confirm { .. } => false,
            What::Back { expects } => force == expects,
        };
        let told = s.daemon.iter_mut().filter(|_| own && final_word);
        told.for_each(|it| it.refused = true);
        return;
    }
    s.expired &= !s.is_trial(to);
    if s.disk.full {
        let told = s.daemon.iter_mut().filter(|_| own);
        told.for_each(|it| it.refused = true);
        return;
    }
    s.ghost.earned[usize::from(ask.round.0)] |= confirms && allowed;
    let renames = confirms && has(Flaw::DaemonRenames);
    if !renames {
        s.disk.route = to;
    }
    let Some(proxy) = &mut s.proxy else { return };
    proxy.unmarked = None;
    if renames || then.is_some() {
        proxy.force = to; // only where the lock is not held, by a flaw
    } else {
        proxy.then = Some(Then::Enforce(to));
    }
}

fn end(s: &mut State, then: Then) {
    let (round, fallback) = match then {
        Then::Return(trial) => {
            let round = sides(s, trial).0;
            (round, s.from[round])
        }
        _ => (0, Generation(0)),
    };
    let Some(proxy) = &mut s.proxy else { return };
    proxy.then = None;
    match then {
        Then::Enforce(to) => proxy.force = to,
        Then::Return(_) => {
            proxy.force = fallback;
            s.ghost.fell[round] = true;
        }
        Then::Mark(left) => s.disk.fell_back = Some(left),
    }
}
