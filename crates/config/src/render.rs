//! Problems as they are shown: to a person, to a program, to GitHub.

use crate::problem::{Problem, Severity};
use std::fmt::Write;

/// Characters of a source line that are shown.
const EXCERPT_CHARACTERS_MAX: usize = 120;

/// Characters that are kept to the left of the place in a line that is cut.
const EXCERPT_CHARACTERS_BEFORE: usize = 60;

/// For a person: place and message, the source line with a mark under it, what to try.
pub fn human(problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in problems {
        let Problem { file, line, column, .. } = problem;
        let kind = match problem.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
            Severity::Note => "note: ",
        };
        // Writing to a string does not fail.
        let rule = problem.rule.map(|it| format!(" [{it}]")).unwrap_or_default();
        let message = visible(&problem.message);
        let _ = writeln!(out, "{file}:{line}:{column}: {kind}{message}{rule}");
        let margin = " ".repeat(line.to_string().len() + 2);
        if let Some(excerpt) = &problem.excerpt {
            let (shown, mark) = marked(excerpt, problem);
            let _ = writeln!(out, "  {line} | {shown}");
            let _ = writeln!(out, "{margin} | {mark}");
        }
        if let Some(suggestion) = &problem.suggestion {
            let _ = writeln!(out, "{margin} = {}", visible(suggestion));
        }
    }
    out
}

/// For a program: an array of objects, `[]` if there are none.
pub fn json(problems: &[Problem]) -> String {
    // Numbers, words and texts only: there is nothing that JSON could not hold.
    serde_json::to_string_pretty(problems).unwrap_or_else(|_| "[]".to_owned())
}

/// For GitHub: one workflow command a line, which it shows beside the source.
pub fn github(problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in problems {
        let kind = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let suggestion = problem.suggestion.as_ref().map(|it| format!(" ({it})"));
        let message = format!("{}{}", problem.message, suggestion.unwrap_or_default());
        let _ = writeln!(
            out,
            "::{kind} file={},line={},col={}::{}",
            escaped(&problem.file).replace(':', "%3A").replace(',', "%2C"),
            problem.line,
            problem.column,
            escaped(&message)
        );
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The line, cut if it is long, and a line that marks the place below it.
fn marked(excerpt: &str, problem: &Problem) -> (String, String) {
    let characters: Vec<char> = excerpt.trim_end().chars().collect();
    let at = (problem.column as usize - 1).min(characters.len());
    let from = if characters.len() > EXCERPT_CHARACTERS_MAX {
        at.saturating_sub(EXCERPT_CHARACTERS_BEFORE)
    } else {
        0
    };
    let to = characters.len().min(from + EXCERPT_CHARACTERS_MAX);
    let window: String = characters[from..to].iter().collect();
    let lead = if from > 0 { "…" } else { "" };
    let tail = if to < characters.len() { "…" } else { "" };
    let blank = |it: &char| if *it == '\t' { '\t' } else { ' ' };
    let mut mark: String = lead.chars().map(|_| ' ').collect();
    mark.extend(characters[from..at].iter().map(blank));
    let room = to.saturating_sub(at).max(1);
    mark.push_str(&"^".repeat((problem.length as usize).clamp(1, room)));
    (format!("{lead}{}{tail}", visible(&window)), mark)
}

/// Control characters must not reach a terminal; each becomes one character, so marks still fit.
fn visible(text: &str) -> String {
    text.chars().map(|it| if it.is_control() && it != '\t' { '\u{fffd}' } else { it }).collect()
}
