//! Measured parts of a document: each is between two marks, and written anew by who measures it.

use anyhow::{Context, Result};
use std::{fs, path::Path};

/// Writes `text` between the marks of `name`, or at the end where there are none yet.
///
/// # Errors
/// If the document cannot be read or written.
pub fn write(path: &Path, title: &str, name: &str, text: &str) -> Result<()> {
    let old = fs::read_to_string(path).unwrap_or_else(|_| format!("# {title}\n"));
    let directory = path.parent().context("a document is in a folder")?;
    fs::create_dir_all(directory)?;
    fs::write(path, with(&old, name, text))
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn with(old: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let part = format!("{begin}\n{}\n{end}", text.trim_end());
    let found = old.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{part}{after}"))
    });
    found.unwrap_or_else(|| format!("{}\n\n{part}\n", old.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_its_own_part_only() {
        let first = with("# Title\n", "a", "one");
        let both = with(&first, "b", "two");
        let again = with(&both, "a", "three");
        assert!(again.contains("three") && again.contains("two") && !again.contains("one"));
        assert!(again.starts_with("# Title\n\n<!-- a: begin -->\nthree\n<!-- a: end -->\n"));
        assert_eq!(with(&again, "a", "three"), again);
    }
}
