//! What must hold in every state, and at every end.

use crate::{
    cast::{Fact, Flaw, Life, Round, State},
    proxy::load,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A generation that fell back never serves again; dead, it may be found by a restart once
    /// more.
    FellBackServesAgain,
    OldStoppedBeforeCommit,
    ConfirmedWentBack,
    RoutesToStopped,
    /// Confirmed though no proxy with the trial in force took it after a whole bake.
    UnearnedConfirm,
    LeftLiveForDead,
    EndsNeitherOldNorNew,
    DiskAndProxyDisagree,
    NeverEnds,
}

/// The rules that hold in every state.
pub fn broken(flaw: Option<Flaw>, s: &State) -> Option<Rule> {
    let force = s.proxy.map(|it| it.force);
    let serves = force.unwrap_or_else(|| load(flaw, s, s.disk));
    let committed = matches!(s.fact, Fact::Confirmed | Fact::Deployed);
    for round in [Round(0), Round(1)] {
        let at = usize::from(round.0);
        let tried = force.is_some_and(|it| s.tried_in(it) == Some(round));
        let confirmed = force == Some(s.confirm(round));
        if s.ghost.fell[at] && tried && (confirmed || s.lives[at + 1] == Life::Up) {
            return Some(Rule::FellBackServesAgain);
        }
        if confirmed && !s.ghost.earned[at] {
            return Some(Rule::UnearnedConfirm);
        }
    }
    let new_serves = committed && serves == s.confirm(s.round);
    if s.old_life() == Life::Stopped && !new_serves {
        return Some(Rule::OldStoppedBeforeCommit);
    }
    if s.ghost.confirmed && !new_serves {
        return Some(Rule::ConfirmedWentBack);
    }
    if s.ghost.left_live_for_dead {
        return Some(Rule::LeftLiveForDead);
    }
    (force.map(|it| s.target(it)) == Some(Life::Stopped)).then_some(Rule::RoutesToStopped)
}

/// The rules of a state in which nobody has anything left to do.
pub fn ended(flaw: Option<Flaw>, s: &State) -> Option<Rule> {
    let Some(proxy) = s.proxy else { return Some(Rule::NeverEnds) };
    if proxy.force != load(flaw, s, s.disk) {
        return Some(Rule::DiskAndProxyDisagree);
    }
    let serving = s.target(proxy.force).is_fit();
    let whole = match s.fact {
        Fact::Deployed => {
            let gone = matches!(s.old_life(), Life::Stopped | Life::Nobody);
            proxy.force == s.confirm(s.round) && gone
        }
        Fact::RolledBack => s.whose(proxy.force) == s.old() && s.new_life() == Life::Stopped,
        // Its status is read from proxy and disk, which agree; so it is the truth.
        Fact::Attention => !s.is_trial(proxy.force),
        _ => false,
    };
    (!(serving && whole)).then_some(Rule::EndsNeitherOldNorNew)
}
