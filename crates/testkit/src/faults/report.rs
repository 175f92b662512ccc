//! What a row is told, and what it tells.

use super::random::Random;
use crate::app::App;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// How much of a row is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What a change is checked with: minutes on two cores.
    Bounded,
    /// All of it.
    Full,
}

/// What a row is told.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Of all that is chosen at random.
    pub seed: u64,
    /// How much is run.
    pub size: Size,
    /// Of a row that can be swept: every instant from the first of these numbers to the second,
    /// instead of a choice.  They count from 1.
    pub every: Option<(u32, u32)>,
    /// Hears of each run that came to its end.
    pub tell: fn(&str),
}

impl Context {
    /// The apps that a misbehaviour is shown with.  `wide`: also in the bounded size all of them.
    pub(crate) fn apps(&self, wide: bool) -> Vec<App> {
        match self.size == Size::Full || wide {
            true => App::ALL.to_vec(),
            false => vec![App::Rust],
        }
    }

    /// One of two values, by size.
    pub(crate) fn pick<T>(&self, bounded: T, full: T) -> T {
        match self.size {
            Size::Bounded => bounded,
            Size::Full => full,
        }
    }

    pub(crate) fn random(&self) -> Random {
        Random::new(self.seed)
    }
}

/// What came of a row.
#[derive(Clone, Debug)]
pub struct Report {
    /// Runs that came to their end, well or not.
    pub runs: u32,
    /// Instants at which a process was killed, and was seen to have died there.
    pub kill_points: u32,
    /// Of the random choices.
    pub seed: u64,
    /// Why it failed, run by run; empty: it did not.
    pub failures: Vec<String>,
    /// Measured on the way.
    pub notes: Vec<String>,
    /// How many instants there are, where all of them can be swept.
    pub instants: u32,
    /// For all runs.
    pub took: Duration,
    tell: fn(&str),
}

impl Report {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            runs: 0,
            kill_points: 0,
            seed: context.seed,
            failures: Vec::new(),
            notes: Vec::new(),
            instants: 0,
            took: Duration::ZERO,
            tell: context.tell,
        }
    }

    /// Whether it ran, and nothing failed.
    pub fn ok(&self) -> bool {
        self.failures.is_empty() && self.runs > 0
    }

    /// `ok`, or what failed first.
    pub fn result(&self) -> String {
        match self.failures.first() {
            None if self.runs == 0 => "failed: nothing was run".to_owned(),
            None => "ok".to_owned(),
            Some(first) => format!("{} failed: {first}", self.failures.len()),
        }
    }

    /// One run.  A panic in it fails the run, and the row goes on; true: it ended well.
    pub(crate) fn case(&mut self, name: &str, run: impl FnOnce(&mut Self)) -> bool {
        self.runs += 1;
        let failures = self.failures.len();
        let points = self.notes.len();
        self.guarded(run);
        if let Some(failure) = self.failures.get_mut(failures) {
            *failure = format!("{name}: {}", bounded(failure));
            (self.tell)(&format!("FAILED {failure}"));
            return false;
        }
        let notes = self.notes[points..].join("; ");
        (self.tell)(&format!("ok {name} {notes}"));
        true
    }

    pub(crate) fn guarded(&mut self, run: impl FnOnce(&mut Self)) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| run(self))) {
            self.failures.push(text(payload.as_ref()));
        }
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn take(&mut self, other: Self) {
        self.runs += other.runs;
        self.kill_points += other.kill_points;
        self.instants += other.instants;
        self.failures.extend(other.failures);
        self.notes.extend(other.notes);
    }
}

/// One line, so that a table can hold it; the whole is in what is kept of the run.
fn bounded(text: &str) -> String {
    const CHARACTERS_MAX: usize = 700;
    text.chars().take(CHARACTERS_MAX).collect::<String>().replace('\n', " / ")
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked without words").to_owned()
}
