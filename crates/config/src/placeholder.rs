//! `{version}` and its like, which are filled when an instance is started.

use crate::{
    nearest::nearest,
    report::{Placed, Report, quoted_list},
};

/// What can be filled.
pub const PLACEHOLDERS: [&str; 5] = ["version", "commit", "port", "release", "environment"];

/// Reports each placeholder that nobody fills.  Only a lower-case word in braces is one: JSON and
/// templates of other tools are left alone.
pub(crate) fn check(text: &Placed<String>, report: &mut Report) {
    check_with(text, &[], report);
}

/// The same, where further words are filled too.
pub(crate) fn check_with(text: &Placed<String>, further: &[String], report: &mut Report) {
    let mut known = PLACEHOLDERS.to_vec();
    known.extend(further.iter().map(String::as_str));
    for name in names(&text.value) {
        if known.contains(&name) {
            continue;
        }
        let message = format!("unknown placeholder `{{{name}}}`");
        let reported = report.error(text.place, text.path.clone(), message);
        match nearest(name, &known) {
            Some(near) => reported.hint(format!("did you mean `{{{near}}}`?")),
            None => reported
                .hint(format!("known are {}, each in braces", quoted_list(&known, known.len()))),
        }
    }
}

/// The lower-case words that stand in braces.
fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        rest = &rest[open + 1..];
        let length = rest.bytes().take_while(|it| it.is_ascii_lowercase() || *it == b'_').count();
        if length > 0 && rest[length..].starts_with('}') {
            found.push(&rest[..length]);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_words_in_braces_only() {
        assert_eq!(names("v{version}-{comit}"), ["version", "comit"]);
        assert!(names("{\"a\": {}} {A} ${HOME} { version } {1}").is_empty());
        assert_eq!(names("{{port}}"), ["port"]);
    }
}
