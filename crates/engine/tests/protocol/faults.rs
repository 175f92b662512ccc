//! What nobody does on purpose.

use crate::cast::{Ask, Bake, Daemon, Fact, Flaw, Life, Move, State, What};

type Moves = Vec<(Move, State)>;

pub fn faults(flaw: Option<Flaw>, s: &State) -> Moves {
    let mut all = vec![];
    let mut fault = |left: bool, step: Move, change: fn(&mut State)| {
        if left {
            all.push((step, s.with(change)));
        }
    };
    let left = s.left;
    fault(left.kills > 0 && s.daemon.is_some(), Move::KillDaemon, |it| {
        it.left.kills -= 1;
        kill_daemon(it);
    });
    fault(left.kills > 0 && s.proxy.is_some(), Move::KillProxy, |it| {
        it.left.kills -= 1;
        kill_proxy(it);
    });
    fault(left.kills > 0, Move::Reboot, |it| {
        it.left.kills -= 1;
        reboot(it);
    });
    fault(left.deaths > 0 && s.new_life() == Life::Up, Move::CandidateDies, |it| {
        it.left.deaths -= 1;
        it.lives[it.candidate()] = Life::Dead;
    });
    fault(left.old_deaths > 0 && s.old_life() == Life::Up, Move::OldDies, |it| {
        it.left.old_deaths -= 1;
        it.lives[it.old()] = Life::Dead;
    });
    fault(left.aborts > 0, Move::AbortAsked, |it| {
        it.left.aborts -= 1;
        it.abort = true;
    });
    fault(left.full_disks > 0 && !s.disk.full, Move::DiskFills, |it| {
        it.left.full_disks -= 1;
        it.disk.full = true;
    });
    fault(left.take_overs > 0 && s.daemon.is_some(), Move::TakeOver, |it| {
        it.left.take_overs -= 1;
        it.zombie = Some(it.fact);
        kill_daemon(it);
    });
    if s.disk.full {
        all.push((Move::RoomIsMade, s.with(|it| it.disk.full = false)));
    }
    all.extend(wakes(flaw, s));
    all.extend(follows(s));
    all
}

/// A daemon that was replaced wakes up in the midst of what it was about.  It may look at what is
/// in force now, ask once, and journal once.
fn wakes(flaw: Option<Flaw>, s: &State) -> Moves {
    let (Some(fact), Some(proxy)) = (s.zombie, s.proxy) else { return vec![] };
    let ask = |what| Ask { what, round: s.round };
    let what = match fact {
        Fact::SwitchBegan => Some(What::Switch),
        Fact::ConfirmBegan => Some(What::Confirm { same_start: s.baked_here }),
        Fact::Unwinding => Some(What::Back { expects: proxy.force }),
        _ => None,
    };
    let mut all = vec![];
    all.extend(what.map(ask).map(|ask| {
        let asked = s.with(|it| {
            it.stale.insert(ask);
        });
        (Move::ZombieAsks(ask), asked.with(|it| it.zombie = None))
    }));
    let journals = match fact {
        Fact::ConfirmBegan if proxy.force == s.confirm(s.round) => Some(Fact::Confirmed),
        _ => None,
    };
    if let Some(fact) = journals.filter(|_| flaw == Some(Flaw::JournalTakesOld)) {
        let written = s.with(|it| {
            it.fact = fact;
            it.zombie = None;
            it.ghost.confirmed = true;
        });
        all.push((Move::ZombieJournals(fact), written));
    }
    all
}

/// Somebody asks for another deployment.  It is refused while what serves is on probation.
fn follows(s: &State) -> Moves {
    let ended = matches!(s.fact, Fact::Deployed | Fact::RolledBack | Fact::Attention);
    let (Some(proxy), Some(daemon)) = (s.proxy, s.daemon) else { return vec![] };
    let free = proxy.then.is_none() && daemon.ask.is_none() && !s.is_trial(proxy.force);
    if !ended || !free || s.left.rounds == 0 || !s.target(proxy.force).is_fit() {
        return vec![];
    }
    let next = s.with(|it| {
        it.left.rounds -= 1;
        let whose = it.whose(proxy.force);
        it.round.0 += 1;
        let at = usize::from(it.round.0);
        it.from[at] = proxy.force;
        it.olds[at] = whose;
        it.lives[at + 1] = Life::Up;
        it.fact = Fact::Ready;
        it.daemon = Some(Daemon { bake: Bake::Off, ask: None, refused: false });
        (it.baked_here, it.abort, it.expired) = (false, false, false);
        it.zombie = None;
        it.ghost.confirmed = false;
    });
    vec![(Move::NextDeployment, next)]
}

fn kill_daemon(s: &mut State) {
    let ask = s.daemon.take().and_then(|it| it.ask);
    s.stale.extend(ask);
}

fn kill_proxy(s: &mut State) {
    s.proxy = None;
    s.stale.clear();
    s.baked_here = false;
    if let Some(daemon) = &mut s.daemon {
        daemon.ask = None;
        if let Bake::On { same_start } = &mut daemon.bake {
            *same_start = false;
        }
    }
}

/// All volatile state goes; a changed boot id ends every wait.
fn reboot(s: &mut State) {
    kill_daemon(s);
    kill_proxy(s);
    s.zombie = None;
    s.expired |= s.is_trial(s.disk.route);
    for life in &mut s.lives {
        if *life == Life::Up {
            *life = Life::Dead;
        }
    }
}
