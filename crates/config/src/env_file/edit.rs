//! Changing one variable of an env file, and not a letter of anything else.

use super::parse;
use crate::variables::{Reserved, is_variable_name, reserved};

/// Why a file was not changed; none of it repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// `1ST`, `A-B`.
    #[error("`{0}` is no name of a variable: letters, digits and `_`, not led by a digit")]
    NotAName(String),
    /// `CUTOVER_VERSION`.
    #[error("`{0}` is set for each instance and cannot be given")]
    Reserved(String),
    /// Binary.
    #[error("the value contains a NUL character")]
    Nul,
    /// The file has problems of its own.
    #[error("line {0} of the file is not understood: run `cutover check`")]
    NotUnderstood(u32),
    /// To be taken away, and not there.
    #[error("`{0}` is not set in it")]
    Missing(String),
}

/// The text with `name` set to `value`, in its place if it has one, else at the end; or without
/// it.  Comments and everything else stay as they are.
///
/// # Errors
/// As [`EditError`] says.
pub fn edited(text: &str, name: &str, value: Option<&str>) -> Result<String, EditError> {
    if !is_variable_name(name) {
        return Err(EditError::NotAName(name.escape_debug().to_string()));
    }
    if reserved(name) == Some(Reserved::Identity) {
        return Err(EditError::Reserved(name.to_owned()));
    }
    if value.is_some_and(|it| it.contains('\0')) {
        return Err(EditError::Nul);
    }
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let line = value.map(|it| format!("{name}={}\n", written(it)));
    let found = place(&lines.concat(), name)?;
    match (found, line) {
        (Some((first, last)), Some(line)) => {
            lines.splice(first..=last, [line]);
        }
        (None, Some(line)) => {
            if lines.last().is_some_and(|it| !it.ends_with('\n')) {
                lines.push("\n".to_owned());
            }
            lines.push(line);
        }
        (None, None) => return Err(EditError::Missing(name.to_owned())),
        // Of a name that is set twice the last counts, so that all must go.
        (Some(found), None) => {
            let mut next = Some(found);
            while let Some((first, last)) = next {
                lines.drain(first..=last);
                next = place(&lines.concat(), name)?;
            }
        }
    }
    Ok(lines.concat())
}

/// The first and last line of the variable, counted from 0.
fn place(text: &str, name: &str) -> Result<Option<(usize, usize)>, EditError> {
    let (entries, problems) = parse("", text);
    let error = problems.iter().find(|it| it.severity == crate::Severity::Error);
    if let Some(error) = error {
        return Err(EditError::NotUnderstood(error.line));
    }
    let Some(entry) = entries.iter().find(|it| it.name == name) else { return Ok(None) };
    let first = entry.line as usize - 1;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // It ends with the first line with which it can be read as what it is.
    let whole = |last: &usize| {
        let (entries, problems) = parse("", &lines[first..=*last].concat());
        let read = matches!(&entries[..], [only] if only.name == name && only.value == entry.value);
        read && problems.is_empty()
    };
    let last = (first..lines.len()).find(whole);
    Ok(Some((first, last.unwrap_or(first))))
}

/// As the value is read back: bare where nothing in it could be taken for something else.
fn written(value: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "_./:@%+,-=".contains(it);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let mut quoted = String::from('"');
    for letter in value.chars() {
        match letter {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '"' | '\\' | '$' | '`' => {
                quoted.push('\\');
                quoted.push(letter);
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "# the database\nexport DB_URL='postgres://x' # not this one\n\nTEXT=\"two\n\
                        lines\"\nA=1\nA=2\nLAST=x";

    fn value(text: &str, name: &str) -> Option<String> {
        parse("", text).0.into_iter().find(|it| it.name == name).map(|it| it.value)
    }

    #[test]
    fn one_variable_changes_and_everything_else_stays() {
        let changed = edited(FILE, "TEXT", Some("one")).unwrap();
        assert_eq!(changed, FILE.replace("TEXT=\"two\nlines\"\n", "TEXT=one\n"));
        let changed = edited(FILE, "NEW", Some("a b")).unwrap();
        assert_eq!(changed, format!("{FILE}\nNEW=\"a b\"\n"));
        let changed = edited(FILE, "DB_URL", None).unwrap();
        assert!(changed.starts_with("# the database\n\nTEXT="), "{changed}");
        let changed = edited(FILE, "A", None).unwrap();
        assert_eq!(value(&changed, "A"), None, "both of them");
        let changed = edited(FILE, "A", Some("3")).unwrap();
        assert_eq!(value(&changed, "A").as_deref(), Some("3"));
        assert_eq!(edited("", "A", Some("")).unwrap(), "A=\"\"\n");
    }

    #[test]
    fn what_would_not_be_read_back_is_refused() {
        for (text, name, value, expected) in [
            ("", "A-B", Some("1"), EditError::NotAName("A-B".to_owned())),
            ("", "CUTOVER_X", Some("1"), EditError::Reserved("CUTOVER_X".to_owned())),
            ("", "A", Some("\0"), EditError::Nul),
            ("", "A", None, EditError::Missing("A".to_owned())),
            ("B=1\noops\n", "A", Some("1"), EditError::NotUnderstood(2)),
        ] {
            assert_eq!(edited(text, name, value).unwrap_err(), expected);
        }
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(first in "[^\0]{0,40}", second in "[^\0]{0,40}") {
            let text = edited(FILE, "X", Some(&first)).unwrap();
            prop_assert_eq!(value(&text, "X"), Some(first));
            let text = edited(&text, "X", Some(&second)).unwrap();
            prop_assert_eq!(value(&text, "X"), Some(second));
            prop_assert_eq!(edited(&text, "X", None).unwrap(), format!("{FILE}\n"));
        }
    }
}
