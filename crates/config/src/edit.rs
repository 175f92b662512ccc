//! Changes to the text of a configuration that leave everything else of it as it is: comments,
//! order, indentation, line ends.
//!
//! A change is made to lines, then the result is read again and held against what was there: what
//! was not asked to change must have stayed.

use crate::{
    Document,
    problem::Problem,
    report::Report,
    yaml::{self, Entry, Node, Value},
};
use model::name::Name;
use std::sync::Arc;

/// Why a configuration was not changed; each goes on from "… cutover.yml: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is wrong as it is.
    #[error("it has problems already")]
    Wrong(Vec<Problem>),
    /// It would be wrong afterwards.
    #[error("it would have problems then")]
    WouldBeWrong(Vec<Problem>),
    /// There is a project of that name.
    #[error("there is a project `{0}` already")]
    Taken(Name),
    /// There is none of that name.
    #[error("there is no project `{0}`")]
    Missing(Name),
    /// Nothing would be left.
    #[error("`{0}` is its only project")]
    Last(Name),
    /// It is written in braces, where lines are no entries.
    #[error("`projects` is written in braces, which only a person can edit well")]
    Braces,
    /// An anchor within it is repeated elsewhere, or it is merged of others.
    #[error("other parts of the file depend on `{0}`")]
    Depended(Name),
}

/// Adds a project: lines that are indented by two, as `init` writes them.
///
/// # Errors
/// As [`EditError`] says; nothing is changed then.
pub fn add(file: &str, text: &str, name: &Name, lines: &str) -> Result<String, EditError> {
    let before = projects(file, text)?;
    if before.iter().any(|it| *it.key == *name.as_str()) {
        return Err(EditError::Taken(name.clone()));
    }
    let spans = spans(text, &before)?;
    let (at, indent) = spans.last().map(|it| (it.end, it.indent)).ok_or(EditError::Braces)?;
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let mut out: String = all[..at].concat();
    if !out.ends_with('\n') {
        out.push_str(end);
    }
    let deeper = " ".repeat(indent);
    for line in lines.lines() {
        let line = line.strip_prefix("  ").unwrap_or(line);
        out.push_str(&format!("{deeper}{line}{end}"));
    }
    out.push_str(&all[at..].concat());
    let kept: Vec<&Entry> = before.iter().collect();
    verified(file, out, &kept, Some(name)).map_err(|it| it.unwrap_or(EditError::Braces))
}

/// Takes a project out, with the comment above it.
///
/// # Errors
/// As [`EditError`] says; nothing is changed then.
pub fn remove(file: &str, text: &str, name: &Name) -> Result<String, EditError> {
    let before = projects(file, text)?;
    let found = before.iter().position(|it| *it.key == *name.as_str());
    let index = found.ok_or_else(|| EditError::Missing(name.clone()))?;
    if before.len() == 1 {
        return Err(EditError::Last(name.clone()));
    }
    let span = spans(text, &before)?.swap_remove(index);
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let out = [&all[..span.begin], &all[span.end..]].concat().concat();
    let kept: Vec<&Entry> = before.iter().filter(|it| *it.key != *name.as_str()).collect();
    verified(file, out, &kept, None)
        .map_err(|it| it.unwrap_or_else(|| EditError::Depended(name.clone())))
}

/// The result, if it has what was there before and what was added, and no problem is new.  An error
/// of none: what was there has changed.
fn verified(
    file: &str,
    out: String,
    kept: &[&Entry],
    added: Option<&Name>,
) -> Result<String, Option<EditError>> {
    let after = match projects(file, &out) {
        Ok(after) => after,
        // To add something leads to problems of what is added.
        Err(EditError::Wrong(problems)) if added.is_some() => {
            return Err(Some(EditError::WouldBeWrong(problems)));
        }
        Err(_) => return Err(None),
    };
    let mut all = after.iter();
    let stayed = kept.iter().all(|it| all.next().is_some_and(|one| same_entry(it, one)));
    let rest: Vec<&str> = all.map(|it| &*it.key).collect();
    let wanted: Vec<&str> = added.iter().map(|it| it.as_str()).collect();
    if stayed && rest == wanted { Ok(out) } else { Err(None) }
}

/// The entries of `projects` of a configuration without errors.
fn projects(file: &str, text: &str) -> Result<Vec<Entry>, EditError> {
    let (_, problems) = Document::read(file, text);
    if crate::any_error(&problems) {
        return Err(EditError::Wrong(problems));
    }
    let mut report = Report::new(file, Arc::from(text));
    let tree = yaml::parse(text, &mut report);
    let Some(Node { value: Value::Mapping(root), .. }) = tree else {
        return Err(EditError::Wrong(report.finish()));
    };
    match root.into_iter().find(|it| &*it.key == "projects").map(|it| it.value.value) {
        Some(Value::Mapping(entries)) => Ok(entries),
        _ => Err(EditError::Braces),
    }
}

/// The lines of one project: from the comment above it to the next thing that is not its own.
struct Span {
    /// Counted from 0.
    begin: usize,
    /// The first line after it.
    end: usize,
    indent: usize,
}

fn spans(text: &str, projects: &[Entry]) -> Result<Vec<Span>, EditError> {
    let lines: Vec<&str> = text.lines().collect();
    let mut spans = Vec::new();
    for project in projects {
        let first = (project.place.line as usize).saturating_sub(1);
        let indent = (project.place.column as usize).saturating_sub(1);
        let line = lines.get(first).copied().unwrap_or_default();
        let blank = line.chars().take(indent).all(|it| it == ' ');
        // A key that is brought in by `<<` stands within another value.
        if indent == 0 || !blank {
            return Err(EditError::Braces);
        }
        let own = |line: &&str| line.trim().is_empty() || depth(line) > indent;
        let count = lines[first + 1..].iter().take_while(|it| own(it)).count();
        // Blank lines at the end are what divides it from the next.
        let blanks =
            lines[first + 1..][..count].iter().rev().take_while(|it| it.trim().is_empty()).count();
        let end = first + 1 + count - blanks;
        let comment = |line: &&&str| line.trim_start().starts_with('#') && depth(line) == indent;
        let above = lines[..first].iter().rev().take_while(comment).count();
        spans.push(Span { begin: first - above, end, indent });
    }
    Ok(spans)
}

fn depth(line: &str) -> usize {
    line.bytes().take_while(|it| *it == b' ').count()
}

fn same_entry(one: &Entry, other: &Entry) -> bool {
    one.key == other.key && same(&one.value, &other.value)
}

/// But for where it stands.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Mapping(one), Value::Mapping(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same_entry(a, b))
        }
        (Value::Sequence(one), Value::Sequence(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        (one, other) => one == other,
    }
}
