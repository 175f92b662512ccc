//! Collecting problems while the tree is read: where we are, and what was wrong there.

use crate::{
    nearest::nearest,
    problem::{Problem, Severity},
    yaml::{Entry, Node, Value},
};
use std::{collections::HashMap, fmt, sync::Arc};

/// Problems kept of one reading: a file that is not ours at all must not fill the screen, or the
/// memory.
const PROBLEMS_MAX: usize = 1000;

/// Where something stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Counted from 1.
    pub(crate) line: u32,
    /// In characters, counted from 1.
    pub(crate) column: u32,
    /// In characters, to the end of its line at most.
    pub(crate) length: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value, where it stands and its path.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
    pub(crate) path: String,
}

impl<T> Placed<T> {
    /// Another value at the same place.
    pub(crate) fn with<U>(&self, value: U) -> Placed<U> {
        Placed { value, place: self.place, path: self.path.clone() }
    }
}

/// `projects` and `shop` make `projects.shop`.
pub(crate) fn child_path(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `smoke` and 0 make `smoke[0]`.
pub(crate) fn item_path(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The problems of one file.
pub(crate) struct Report {
    file: String,
    source: Arc<str>,
    problems: Vec<Problem>,
    /// Of them, those that are errors: warnings must not keep one of them out.
    errors: usize,
    /// Lines that may hold a secret.
    hidden: Vec<u32>,
}

/// A problem just reported, to which a suggestion may be added.
pub(crate) struct Reported<'r>(Option<&'r mut Problem>);

impl Reported<'_> {
    pub(crate) fn hint(self, text: impl Into<String>) {
        if let Some(problem) = self.0 {
            problem.suggestion = Some(text.into());
        }
    }
}

impl Report {
    pub(crate) fn new(file: &str, source: Arc<str>) -> Report {
        Report {
            file: file.to_owned(),
            source,
            problems: Vec::new(),
            errors: 0,
            hidden: Vec::new(),
        }
    }

    pub(crate) fn error(
        &mut self,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Reported<'_> {
        self.add(Severity::Error, place, path, message)
    }

    pub(crate) fn add(
        &mut self,
        severity: Severity,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Reported<'_> {
        if !self.has_room(severity) {
            return Reported(None);
        }
        self.problems.push(Problem {
            rule: None,
            file: self.file.clone(),
            line: place.line.max(1),
            column: place.column.max(1),
            length: place.length.max(1),
            path: path.into(),
            severity,
            message: message.into(),
            suggestion: None,
            excerpt: None,
        });
        Reported(self.problems.last_mut())
    }

    /// What a rule found.
    pub(crate) fn lint(
        &mut self,
        rule: &'static str,
        severity: Severity,
        place: Place,
        path: &str,
        message: impl Into<String>,
    ) -> Reported<'_> {
        let Reported(mut problem) = self.add(severity, place, path, message);
        if let Some(problem) = &mut problem {
            problem.rule = Some(rule);
        }
        Reported(problem)
    }

    /// A problem with a file that the configuration names.
    pub(crate) fn add_foreign(&mut self, problem: Problem) {
        if self.has_room(problem.severity) {
            self.problems.push(problem);
        }
    }

    /// Whether something is wrong so far.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Counts one more.
    fn has_room(&mut self, severity: Severity) -> bool {
        if severity != Severity::Error {
            return self.problems.len() - self.errors < PROBLEMS_MAX;
        }
        let room = self.errors < PROBLEMS_MAX;
        self.errors += usize::from(room);
        room
    }

    /// Shows nothing of the line: somebody may have written a secret where a reference belongs.
    pub(crate) fn hide(&mut self, place: Place) {
        self.hidden.push(place.line);
    }

    /// Whether more would be dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.errors >= PROBLEMS_MAX
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.problems.len()
    }

    /// All of them in order, each with its source line.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        excerpt(&mut self.problems, &self.file, &self.source, &self.hidden);
        crate::problem::sort(&mut self.problems);
        self.problems
    }

    /// All of them as they came, without source lines: for whoever puts many together.
    pub(crate) fn bare(self) -> Vec<Problem> {
        self.problems
    }
}

/// Gives each problem of the file its source line.
pub(crate) fn excerpt(problems: &mut [Problem], file: &str, source: &str, hidden: &[u32]) {
    if problems.is_empty() {
        return;
    }
    let lines = lines(source);
    for problem in problems.iter_mut().filter(|it| it.file == file) {
        if hidden.contains(&problem.line) {
            continue;
        }
        let index = (problem.line as usize).saturating_sub(1);
        problem.excerpt = lines.get(index).map(|it| (*it).to_owned());
    }
}

/// As YAML counts them: a carriage return alone ends a line too.
fn lines(text: &str) -> Vec<&str> {
    let by_newline = text.split('\n').map(|it| it.strip_suffix('\r').unwrap_or(it));
    by_newline.flat_map(|it| it.split('\r')).collect()
}

/// A node, and how it was come by.
#[derive(Clone, Debug)]
pub(crate) struct Field<'t> {
    pub(crate) path: String,
    /// Of the key, or of the node in a list.
    pub(crate) place: Place,
    pub(crate) node: &'t Node,
}

impl<'t> Field<'t> {
    pub(crate) fn root(node: &'t Node) -> Field<'t> {
        Field { path: String::new(), place: node.place, node }
    }

    fn of(entry: &'t Entry, parent: &str) -> Field<'t> {
        Field { path: child_path(parent, &entry.key), place: entry.place, node: &entry.value }
    }

    /// The last part of the path, to name it in messages.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    pub(crate) fn placed<T>(&self, value: T) -> Placed<T> {
        Placed { value, place: self.node.place, path: self.path.clone() }
    }

    /// Reports at the value.
    pub(crate) fn error<'r>(
        &self,
        report: &'r mut Report,
        message: impl Into<String>,
    ) -> Reported<'r> {
        report.error(self.node.place, self.path.clone(), message)
    }

    /// Reports that something else was wanted; `wanted` goes on from "must be".
    pub(crate) fn wrong<'r>(&self, report: &'r mut Report, wanted: &str) -> Reported<'r> {
        let name = self.name();
        let what = if name.is_empty() { "the file".to_owned() } else { format!("`{name}`") };
        if self.node.value == Value::Null {
            let message = format!("{what} has no value: it must be {wanted}");
            return report.error(self.place, self.path.clone(), message);
        }
        let found = match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar { text, .. } if text.chars().count() <= 60 => format!("`{text}`"),
            Value::Scalar { .. } => "a long text".to_owned(),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        };
        self.error(report, format!("{what} must be {wanted}, not {found}"))
    }

    /// The items of a list, or the one value that stands for a list of one.
    pub(crate) fn items(&self) -> Vec<Field<'t>> {
        match &self.node.value {
            Value::Sequence(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| Field {
                    path: item_path(&self.path, index),
                    place: node.place,
                    node,
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// The entries of a mapping, extensions left out; none and a problem if it is something else.
    pub(crate) fn entries(&self, report: &mut Report, wanted: &str) -> Vec<(Arc<str>, Field<'t>)> {
        let Value::Mapping(entries) = &self.node.value else {
            self.wrong(report, wanted);
            return Vec::new();
        };
        let named = entries.iter().filter(|it| !is_extension(&it.key));
        named.map(|it| (it.key.clone(), Field::of(it, &self.path))).collect()
    }
}

/// Keys that are the user's own, for anchors and other tools.
pub(crate) fn is_extension(key: &str) -> bool {
    key.starts_with("x-")
}

/// A mapping with a fixed set of keys.
pub(crate) struct Table<'t> {
    fields: HashMap<Arc<str>, Field<'t>>,
    /// Keys that unknown ones were probably meant to be.
    meant: Vec<String>,
    /// Whether there were unknown ones at all.
    pub(crate) any_unknown: bool,
}

impl<'t> Table<'t> {
    /// Reports unknown keys.  `elsewhere` says of some of them where they belong.
    pub(crate) fn read(
        field: &Field<'t>,
        known: &[&str],
        elsewhere: &[(&str, &str)],
        report: &mut Report,
    ) -> Option<Table<'t>> {
        let Value::Mapping(_) = &field.node.value else {
            let wanted = format!("a mapping with keys such as {}", quoted_list(known, 3));
            field.wrong(report, &wanted);
            return None;
        };
        let mut fields = HashMap::new();
        let mut meant = Vec::new();
        let mut any_unknown = false;
        for (key, inner) in field.entries(report, "a mapping") {
            if known.contains(&&*key) {
                fields.insert(key, inner);
                continue;
            }
            any_unknown = true;
            if report.is_full() {
                continue;
            }
            let message = format!("unknown key `{key}`");
            let reported = report.error(inner.place, inner.path.clone(), message);
            if let Some((_, home)) = elsewhere.iter().find(|(name, _)| *name == &*key) {
                reported.hint(format!("`{key}` belongs {home}"));
            } else if let Some(near) = nearest(&key, known) {
                reported.hint(format!("did you mean `{near}`?"));
                meant.push(near.to_owned());
            } else {
                reported.hint(format!(
                    "known here: {}; a key of your own begins with `x-`",
                    quoted_list(known, known.len())
                ));
            }
        }
        Some(Table { fields, meant, any_unknown })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Field<'t>> {
        self.fields.get(key)
    }

    /// Whether the key is there, or one that was probably meant to be it.
    pub(crate) fn gives(&self, key: &str) -> bool {
        self.fields.contains_key(key) || self.meant.iter().any(|it| it == key)
    }
}

/// `a`, `b`, `c` …
pub(crate) fn quoted_list<T: AsRef<str>>(words: &[T], count_max: usize) -> String {
    let shown: Vec<String> =
        words.iter().take(count_max).map(|it| format!("`{}`", it.as_ref())).collect();
    shown.join(", ")
}
