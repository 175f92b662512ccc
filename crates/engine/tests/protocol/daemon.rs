//! The daemon: going on and recovering are the same question, the journal's last fact against the
//! proxy.
//!
//! It looks and acts in one move, which is sound since what it relies on is stable: the way back in
//! force stays, a confirmation stays until this daemon's own way back, and each ask says what it
//! expects.

use crate::cast::{Ask, Bake, Daemon, Fact, Flaw, Generation, Life, Move, Proxy, State, What};

type Moves = Vec<(Move, State)>;

pub fn starts(s: &State) -> (Move, State) {
    let daemon = Daemon { bake: Bake::Off, ask: None, refused: false };
    (Move::DaemonStarts, s.with(|it| it.daemon = Some(daemon)))
}

pub fn moves(flaw: Option<Flaw>, s: &State, daemon: Daemon) -> Moves {
    let Some(Proxy { force, then: None, .. }) = s.proxy else { return vec![] };
    if daemon.ask.is_some() {
        return vec![];
    }
    // Rule zero: what the generation in force names is running; but a probation is the proxy's to
    // end.  After a boot this holds in every row, "needs attention" too.
    let rests = s.fact == Fact::Attention && flaw == Some(Flaw::AttentionRests);
    if s.target(force) == Life::Dead && !s.is_trial(force) && !rests {
        return vec![revive(s, s.whose(force))];
    }
    let on_trial = s.is_trial(force);
    if s.old_life() == Life::Dead && on_trial && flaw != Some(Flaw::FallsToTheDead) {
        return vec![revive(s, s.old())];
    }
    let (trial, confirm) = (s.trial(s.round), s.confirm(s.round));
    let give_up = s.abort || s.new_life() != Life::Up || daemon.refused;
    match s.fact {
        Fact::Ready if give_up => vec![journal(s, Fact::Unrouted)],
        Fact::Ready => vec![journal(s, Fact::SwitchBegan)],
        Fact::SwitchBegan if force == trial => vec![journal(s, Fact::Switched)],
        Fact::SwitchBegan if give_up || left(s, trial) => vec![journal(s, Fact::Unwinding)],
        // Something else is in force than was planned on.
        Fact::SwitchBegan if force != s.before() => vec![journal(s, Fact::Unwinding)],
        Fact::SwitchBegan => vec![ask(s, What::Switch)],
        Fact::ConfirmBegan if force == confirm => confirmed(flaw, s),
        Fact::Switched | Fact::ConfirmBegan if force == trial && !give_up => {
            bake(flaw, s, daemon.bake)
        }
        Fact::Switched | Fact::ConfirmBegan => vec![journal(s, Fact::Unwinding)],
        Fact::Confirmed if s.old_life() == Life::Up || s.old_life() == Life::Dead => {
            vec![stop_old(s)]
        }
        Fact::Confirmed => vec![journal(s, Fact::Deployed)],
        Fact::Unwinding => unwind(flaw, s, force, daemon.refused),
        Fact::Unrouted if s.new_life() != Life::Stopped => {
            vec![(Move::StopNew, s.with(|it| it.lives[it.candidate()] = Life::Stopped))]
        }
        Fact::Unrouted => vec![journal(s, Fact::RolledBack)],
        Fact::Deployed | Fact::RolledBack | Fact::Attention => vec![],
    }
}

/// The proxy says that it left the trial.
fn left(s: &State, trial: Generation) -> bool {
    s.disk.fell_back == Some(trial) || s.proxy.is_some_and(|it| it.unmarked == Some(trial))
}

fn confirmed(flaw: Option<Flaw>, s: &State) -> Moves {
    let mut all = vec![journal(s, Fact::Confirmed)];
    if flaw == Some(Flaw::StopBeforeDurable) && s.old_life() == Life::Up {
        all.push(stop_old(s));
    }
    all
}

/// Bakes while the trial is in force, until the proxy takes a confirmation.
fn bake(flaw: Option<Flaw>, s: &State, bake: Bake) -> Moves {
    let set = |to| s.with(|it| it.daemon.iter_mut().for_each(|it| it.bake = to));
    match bake {
        // The nonce of the bake is durable: a new daemon need not bake what was baked here.
        Bake::Off if s.fact == Fact::ConfirmBegan && s.baked_here => vec![ask_confirm(flaw, s)],
        Bake::Off => vec![(Move::DaemonBakes, set(Bake::On { same_start: true }))],
        Bake::On { same_start } => {
            let mut good = set(Bake::Good);
            good.fact = Fact::ConfirmBegan;
            good.baked_here = same_start;
            let bad = s.with(|it| it.fact = Fact::Unwinding);
            vec![(Move::VerdictGood, good), (Move::VerdictBad, bad)]
        }
        // It need not know that the proxy started anew since: the proxy will refuse.
        Bake::Good => vec![ask_confirm(flaw, s)],
    }
}

fn ask_confirm(flaw: Option<Flaw>, s: &State) -> (Move, State) {
    if flaw == Some(Flaw::DaemonRenames) && s.disk.route == s.trial(s.round) {
        let renamed = s.with(|it| it.disk.route = it.confirm(it.round));
        return (Move::DaemonRenamesConfirm, renamed);
    }
    let (step, mut asked) = ask(s, What::Confirm { same_start: s.baked_here });
    asked.daemon.iter_mut().for_each(|it| it.bake = Bake::Off);
    (step, asked)
}

/// The way back is a number of its own even where the old is in force: an ask of a dead daemon may
/// be on its way, and expects the old one.
fn unwind(flaw: Option<Flaw>, s: &State, force: Generation, refused: bool) -> Moves {
    let undone = match flaw {
        Some(Flaw::UndoRewritesOld) => force == s.before() && s.disk.route == s.before(),
        Some(Flaw::OldInForceIsUndone) => s.whose(force) == s.old() && !s.is_trial(force),
        _ => force == s.back(s.round),
    };
    if s.old_life() == Life::Dead || s.old_life() == Life::Stopped {
        return vec![revive(s, s.old())];
    }
    if undone {
        return vec![journal(s, Fact::Unrouted)];
    }
    if refused {
        return vec![journal(s, Fact::Attention)];
    }
    let mut all = vec![ask(s, What::Back { expects: force })];
    if s.left.failed_undos > 0 {
        let mut failed = s.with(|it| it.fact = Fact::Attention);
        failed.left.failed_undos -= 1;
        all.push((Move::UndoFails, failed));
    }
    all
}

fn ask(s: &State, what: What) -> (Move, State) {
    let ask = Ask { what, round: s.round };
    let asked = s.with(|it| {
        if let Some(daemon) = &mut it.daemon {
            (daemon.ask, daemon.refused) = (Some(ask), false);
        }
    });
    (Move::DaemonAsks(ask), asked)
}

fn journal(s: &State, fact: Fact) -> (Move, State) {
    let written = s.with(|it| {
        it.fact = fact;
        it.ghost.confirmed |= fact == Fact::Confirmed;
        it.daemon.iter_mut().for_each(|it| it.refused = false);
    });
    (Move::Journal(fact), written)
}

fn stop_old(s: &State) -> (Move, State) {
    (Move::StopOld, s.with(|it| it.lives[it.old()] = Life::Stopped))
}

fn revive(s: &State, whose: usize) -> (Move, State) {
    (Move::Revive(whose), s.with(|it| it.lives[whose] = Life::Up))
}
