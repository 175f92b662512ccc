//! The generations of one plan.

use crate::id::Generation;

/// Which number is what; each is used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Leads nowhere; set where none was in force.
    pub(super) announced: Option<Generation>,
    /// In force when the plan begins, or announced.
    pub(super) before: Generation,
    /// To the old, held; set where requests are held.
    pub(super) held: Option<Generation>,
    /// One for each batch.
    pub(super) trials: Vec<Generation>,
    pub(super) confirm: Generation,
    /// To the old, held; set where requests are held.
    pub(super) back_held: Option<Generation>,
    /// To the old, for good.
    pub(super) back: Generation,
}

impl Numbers {
    /// `batches` is at least 1.
    pub(super) fn new(
        in_force: Option<Generation>,
        first: Generation,
        holds: bool,
        batches: usize,
    ) -> Numbers {
        let mut next = first.0;
        let mut take = || {
            next += 1;
            Generation(next - 1)
        };
        let announced = in_force.is_none().then(&mut take);
        let held = holds.then(&mut take);
        let trials = (0..batches).map(|_| take()).collect();
        let confirm = take();
        let back_held = holds.then(&mut take);
        let back = take();
        let before = in_force.or(announced).unwrap_or_default();
        Numbers { announced, before, held, trials, confirm, back_held, back }
    }

    /// In force when the first switch is asked for; what the proxy falls back to from any.
    pub(super) fn switched_from(&self) -> Generation {
        self.held.unwrap_or(self.before)
    }

    /// What an undo of a switch installs.
    pub(super) fn switched_back(&self) -> Generation {
        self.back_held.unwrap_or(self.back)
    }

    /// All whose staged files are of no use once the confirming one is in force.
    pub(super) fn useless_at_last(&self) -> Vec<Generation> {
        let before = [self.announced, self.held].into_iter().flatten();
        let after = [self.back_held, Some(self.back)].into_iter().flatten();
        before.chain(self.trials.iter().copied()).chain(after).collect()
    }
}
