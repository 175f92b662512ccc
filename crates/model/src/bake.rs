//! Whether a release on probation may stay: the verdict on what it was seen to do.
//!
//! Errors are judged by whoever sends the traffic, after each request and also without us.  Here is
//! what is judged at the end of a watch: whether there was traffic enough to say anything, and
//! whether the new release answers later than the old.

mod latency;

use crate::service::Millis;
pub use latency::{Slower, slower};
use serde::{Deserialize, Serialize};

/// Fewer requests than this say nothing: a release that fails one in twenty would have shown it
/// among them with a probability of 95 % (0.95^59 < 0.05).
pub const REQUESTS_MIN: u64 = 60;
/// Fewer samples than this on either side, and latency is not judged.
pub const SAMPLES_MIN: u64 = 50;
/// So long a watch goes on at most, beyond its time, where it waits to be decided.
pub const HOLD_MAX: Millis = Millis::seconds(30 * 60);

/// What is judged, and what becomes of a release of which too little was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BakeRule {
    /// Too little was seen.
    pub on_undecided: OnUndecided,
    /// The median may be later by less than this; none: latency is not judged.
    pub slower_by: Option<Millis>,
}

/// What becomes of a release of which too little was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUndecided {
    /// It stays, and that it is undecided is said.
    Confirm,
    /// It is watched until it is decided, by traffic or by somebody; [`HOLD_MAX`] at most.
    Hold,
    /// It goes.
    Rollback,
}

impl Default for BakeRule {
    fn default() -> BakeRule {
        BakeRule { on_undecided: OnUndecided::Confirm, slower_by: Some(Millis(20)) }
    }
}

impl BakeRule {
    /// As in a plan that says nothing of it.
    pub fn is_default(&self) -> bool {
        *self == BakeRule::default()
    }

    /// The stricter of both, in each point.
    #[must_use]
    pub fn and(self, other: BakeRule) -> BakeRule {
        let floors = self.slower_by.into_iter().chain(other.slower_by);
        BakeRule {
            on_undecided: self.on_undecided.max(other.on_undecided),
            slower_by: floors.min(),
        }
    }
}

/// Times to the first word of an answer: how many took at most so many microseconds, and more than
/// the entry before says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(pub Vec<(u64, u64)>);

impl Times {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|it| it.1).sum()
    }

    /// In microseconds, as exactly as the entries are; none where there are no times.
    pub fn median_us(&self) -> Option<u64> {
        let half = self.count().div_ceil(2);
        let mut seen = 0;
        let mut entries = self.0.iter();
        let middle = entries.find(|it| {
            seen += it.1;
            it.1 > 0 && seen >= half
        });
        middle.map(|it| it.0)
    }

    /// What came since; `earlier` is of the same series.
    #[must_use]
    pub fn since(&self, earlier: &Times) -> Times {
        let before = |at: u64| earlier.0.iter().find(|it| it.0 == at).map_or(0, |it| it.1);
        let left = self.0.iter().map(|it| (it.0, it.1.saturating_sub(before(it.0))));
        Times(left.filter(|it| it.1 > 0).collect())
    }
}

/// What was seen while the release was on probation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Requests that the new release answered, or did not.
    pub requests: u64,
    /// Of these: 5xx or no answer.
    pub failures: u64,
    /// Of its answers.
    pub new: Times,
    /// Of the old release's answers, at the same time if it had enough of them, else lately.
    pub old: Times,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Good,
    /// Too little was seen to say so.
    Undecided,
    /// It answers later than the old one.
    Slower(Slower),
}

/// Judges what was seen.  To be asked once a watch: each asking has its own chance of being wrong.
pub fn judge(rule: &BakeRule, seen: &Evidence) -> Verdict {
    let floor_us = rule.slower_by.map(|it| it.0.saturating_mul(1000));
    if let Some(slower) = floor_us.and_then(|it| slower(&seen.new, &seen.old, it)) {
        return Verdict::Slower(slower);
    }
    match seen.requests {
        REQUESTS_MIN.. => Verdict::Good,
        _ => Verdict::Undecided,
    }
}

/// The word before the numbers of a watch that saw too little.
pub const UNDECIDED: &str = "undecided";

/// The verdict with its numbers: `undecided: 12 requests, 0 failed`.
pub fn told(verdict: &Verdict, rule: &BakeRule, seen: &Evidence) -> String {
    let plural = if seen.requests == 1 { "" } else { "s" };
    let counts = format!("{} request{plural}, {} failed", seen.requests, seen.failures);
    match verdict {
        Verdict::Undecided => format!("{UNDECIDED}: {counts}"),
        Verdict::Good => format!("good: {counts}, {}", medians(rule, seen)),
        Verdict::Slower(it) => format!(
            "slower: the median is {}, it was {} ({} against {} answers; by chance in less than \
             1 of 10 000)",
            shown(it.new_us),
            shown(it.old_us),
            seen.new.count(),
            seen.old.count()
        ),
    }
}

fn medians(rule: &BakeRule, seen: &Evidence) -> String {
    let Some(new) = seen.new.median_us().map(shown) else { return "no answer timed".to_owned() };
    if rule.slower_by.is_none() {
        return format!("median {new}, not judged");
    }
    match seen.old.median_us().filter(|_| seen.old.count() >= SAMPLES_MIN) {
        Some(old) => format!("median {new}, it was {}", shown(old)),
        None => format!("median {new}, nothing to compare it with"),
    }
}

fn shown(us: u64) -> String {
    match us {
        0..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", us / 1000),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}
