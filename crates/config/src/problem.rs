//! What is wrong with a configuration, and where.

use serde::Serialize;

/// How much a [`Problem`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is applied while it stands.
    Error,
    /// It works, but not as well as it could: something makes zero downtime impossible.
    Warning,
    /// Worth knowing: a variable is set in two places.
    Note,
}

/// One thing that is wrong, at one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Problem {
    /// As it was given to the reader; env files are named as the configuration names them.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// Characters that are marked; at least 1.
    #[serde(skip)]
    pub length: u32,
    /// Keys from the root: `projects.shop.services.web.command`; empty where there are none.
    pub path: String,
    /// How much it matters.
    pub severity: Severity,
    /// The [`rule`](crate::lint::RULES) that found it, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub suggestion: Option<String>,
    /// The source line, to show; never one of an env file, whose values are secret.
    #[serde(skip)]
    pub excerpt: Option<String>,
}

impl Problem {
    /// Whether nothing may be applied while it stands.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Whether any of them forbids going on.
pub fn any_error(problems: &[Problem]) -> bool {
    problems.iter().any(Problem::is_error)
}

/// Orders by file, then position, and drops repetitions: one place may be met once for each
/// environment that it counts in.
pub(crate) fn sort(problems: &mut Vec<Problem>) {
    problems.sort_by(|one, other| {
        let key = |it: &Problem| (it.line, it.column, it.severity);
        one.file
            .cmp(&other.file)
            .then_with(|| key(one).cmp(&key(other)))
            .then_with(|| one.message.cmp(&other.message))
    });
    problems.dedup_by(|later, earlier| {
        (&later.file, later.line, later.column, &later.message)
            == (&earlier.file, earlier.line, earlier.column, &earlier.message)
    });
}
