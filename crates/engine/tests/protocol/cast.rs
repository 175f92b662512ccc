//! Who takes part in a traffic switch, and what each of them remembers for how long.

use std::collections::BTreeSet;

/// One rule broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A confirmation is taken whatever is in force and whoever baked it.
    ConfirmUnchecked,
    /// A proxy that starts does not look for the marker.
    LoadIgnoresMarker,
    /// The old is stopped when the confirming routes are in force, before the journal says so.
    StopBeforeDurable,
    /// A fall-back and an order are not under one lock.
    FallBackWithoutCompare,
    /// An undo puts the old number in force again.
    UndoRewritesOld,
    /// The marker is written after the swap.
    SwapBeforeMarker,
    /// An order is taken whose number is not above all there were.
    ExpectedAlone,
    /// The daemon renames the confirming file itself.
    DaemonRenames,
    /// A confirmation that is found at a start must be of that start.
    NonceCheckedOnLoad,
    /// An undo is done where the old is in force, whatever may be on its way.
    OldInForceIsUndone,
    /// Where attention is needed nothing is started, not even after a boot.
    AttentionRests,
    /// A live candidate is left for a dead fallback.
    FallsToTheDead,
    /// The marker says that something fell back, and not what.
    MarkerNamesNobody,
    /// The journal takes what a daemon writes that was replaced.
    JournalTakesOld,
    /// Where the marker cannot be written a live candidate is left all the same.
    LeavesWithoutMarker,
}

/// A number that an environment's routes once had, or may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u8);

/// Numbers that one deployment reserves.
pub const NUMBERS: u8 = 4;
/// Deployments, one after the other.
pub const ROUNDS: usize = 2;

/// One of the two deployments that may follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Round(pub u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// There is no instance: the routes say 503 with Retry-After, and mean it.
    Nobody,
    Up,
    /// By its own fault, or the machine's.
    Dead,
    /// By us.
    Stopped,
}

/// What survives everything but the disk itself.  Each field changes by one rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Disk {
    pub route: Generation,
    /// The marker: this one fell back.
    pub fell_back: Option<Generation>,
    /// Nothing can be written under `routes/`; the journal has its reserve.
    pub full: bool,
}

/// The last durable fact of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    Ready,
    SwitchBegan,
    Switched,
    ConfirmBegan,
    Confirmed,
    Unwinding,
    Unrouted,
    Deployed,
    RolledBack,
    Attention,
}

/// What a daemon asks of the proxy.  It may outlive the daemon, in the socket's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ask {
    pub what: What,
    pub round: Round,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    Switch,
    /// `same_start`: the bake began under the start of the proxy that is asked.
    Confirm {
        same_start: bool,
    },
    Back {
        expects: Generation,
    },
}

/// What a proxy has yet to do of an act it began; it holds its lock meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    Enforce(Generation),
    /// Leave this trial for its fallback; the marker is there.
    Return(Generation),
    Mark(Generation),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proxy {
    pub force: Generation,
    pub then: Option<Then>,
    /// It left this one in memory alone, since the disk took no marker.
    pub unmarked: Option<Generation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bake {
    Off,
    On { same_start: bool },
    Good,
}

/// What dies with the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Daemon {
    pub bake: Bake,
    pub ask: Option<Ask>,
    /// The disk did not take what was asked last.
    pub refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub round: Round,
    /// What was in force when each round began.
    pub from: [Generation; ROUNDS],
    pub disk: Disk,
    pub fact: Fact,
    /// The proxy start that the journal's last good bake names is the present one.
    pub baked_here: bool,
    pub abort: bool,
    pub expired: bool,
    pub proxy: Option<Proxy>,
    pub daemon: Option<Daemon>,
    /// Asks of daemons that died, not yet read by the proxy.
    pub stale: BTreeSet<Ask>,
    /// What a daemon was about that was replaced while it was stopped, and may wake up.
    pub zombie: Option<Fact>,
    /// Of the release that served at first, and of each round's candidate.
    pub lives: [Life; ROUNDS + 1],
    /// Whose instance each round goes back to.
    pub olds: [usize; ROUNDS],
    pub left: Budget,
    pub ghost: Ghost,
}

/// What may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub kills: u8,
    /// Of a candidate.
    pub deaths: u8,
    /// Of an old instance, which serves or is warm.
    pub old_deaths: u8,
    pub aborts: u8,
    pub failed_undos: u8,
    /// Times that the disk fills up.
    pub full_disks: u8,
    /// Daemons that are replaced while they are stopped, and wake up later.
    pub take_overs: u8,
    /// Deployments that follow.
    pub rounds: u8,
}

/// What happened, remembered for the rules only; no actor reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// Traffic went back from the trial, by round.
    pub fell: [bool; ROUNDS],
    /// A proxy with the trial in force and a whole bake took the confirmation, by round.
    pub earned: [bool; ROUNDS],
    pub confirmed: bool,
    pub left_live_for_dead: bool,
}

/// One atomic act of one actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    KillDaemon,
    KillProxy,
    Reboot,
    CandidateDies,
    OldDies,
    AbortAsked,
    UndoFails,
    DiskFills,
    TakeOver,
    ZombieAsks(Ask),
    ZombieJournals(Fact),
    RoomIsMade,
    ProbationExpires,
    ProxyLoads,
    ProxyBeginsFallBack,
    ProxyEnds(Then),
    ProxyMarksLate,
    ProxyReads(Ask),
    DaemonStarts,
    DaemonAsks(Ask),
    DaemonRenamesConfirm,
    DaemonBakes,
    VerdictGood,
    VerdictBad,
    Journal(Fact),
    NextDeployment,
    Revive(usize),
    StopOld,
    StopNew,
}

impl Move {
    /// Whether it need not happen.
    pub fn is_fault(self) -> bool {
        use Move::{
            AbortAsked, CandidateDies, DiskFills, KillDaemon, KillProxy, NextDeployment, OldDies,
            Reboot, TakeOver, UndoFails, ZombieAsks, ZombieJournals,
        };
        matches!(
            self,
            KillDaemon
                | KillProxy
                | Reboot
                | CandidateDies
                | OldDies
                | AbortAsked
                | UndoFails
                | DiskFills
                | TakeOver
                | ZombieAsks(_)
                | ZombieJournals(_)
                | NextDeployment
        )
    }
}

impl Round {
    fn first(self) -> u8 {
        1 + self.0 * NUMBERS
    }
}

impl State {
    /// The candidate is up and healthy, and nothing has been switched.  Where nothing ever served,
    /// the announced generation is in force.
    pub fn start(left: Budget, first_deployment: bool) -> State {
        let old = if first_deployment { Life::Nobody } else { Life::Up };
        State {
            round: Round(0),
            from: [Generation(0); ROUNDS],
            disk: Disk { route: Generation(0), fell_back: None, full: false },
            fact: Fact::Ready,
            baked_here: false,
            abort: false,
            expired: false,
            proxy: Some(Proxy { force: Generation(0), then: None, unmarked: None }),
            daemon: Some(Daemon { bake: Bake::Off, ask: None, refused: false }),
            stale: BTreeSet::new(),
            zombie: None,
            lives: [old, Life::Up, Life::Stopped],
            olds: [0; ROUNDS],
            left,
            ghost: Ghost::default(),
        }
    }

    pub fn trial(&self, round: Round) -> Generation {
        Generation(round.first())
    }

    pub fn confirm(&self, round: Round) -> Generation {
        Generation(round.first() + 1)
    }

    pub fn back(&self, round: Round) -> Generation {
        Generation(round.first() + 2)
    }

    pub fn before(&self) -> Generation {
        self.from[usize::from(self.round.0)]
    }

    /// The round whose trial, or confirmation, a generation is.
    pub fn tried_in(&self, of: Generation) -> Option<Round> {
        [Round(0), Round(1)].into_iter().find(|&it| of == self.trial(it) || of == self.confirm(it))
    }

    pub fn is_trial(&self, of: Generation) -> bool {
        of == self.trial(Round(0)) || of == self.trial(Round(1))
    }

    /// The instance that a generation leads to.
    pub fn whose(&self, of: Generation) -> usize {
        if let Some(round) = self.tried_in(of) {
            return usize::from(round.0) + 1;
        }
        [Round(0), Round(1)]
            .into_iter()
            .find(|&it| of == self.back(it))
            .map_or(0, |it| self.olds[usize::from(it.0)])
    }

    pub fn target(&self, of: Generation) -> Life {
        self.lives[self.whose(of)]
    }

    pub fn candidate(&self) -> usize {
        usize::from(self.round.0) + 1
    }

    pub fn old(&self) -> usize {
        self.olds[usize::from(self.round.0)]
    }

    pub fn new_life(&self) -> Life {
        self.lives[self.candidate()]
    }

    pub fn old_life(&self) -> Life {
        self.lives[self.old()]
    }

    pub fn with(&self, change: impl FnOnce(&mut State)) -> State {
        let mut next = self.clone();
        change(&mut next);
        next
    }
}

impl Life {
    /// Whether routes may lead there.
    pub fn is_fit(self) -> bool {
        matches!(self, Life::Up | Life::Nobody)
    }
}
