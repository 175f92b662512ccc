//! Names that are two here, and one on file systems that fold case or rewrite letters.

use super::refusal::{refused, shown};
use model::failure::Failure;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;

/// The names that were seen, by what folding leaves of them.
#[derive(Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Names {
    /// Refuses a path that only folding makes equal to another.
    pub(super) fn admit(&mut self, path: &[u8]) -> Result<(), Failure> {
        match self.seen.insert(folded(path), path.to_vec()) {
            Some(other) if other != path => {
                let other = shown(&other);
                let why = format!("differs from `{other}` only by case or by how letters are put");
                Err(refused(path, &why).hint("rename one: many file systems take both for one"))
            }
            _ => Ok(()),
        }
    }
}

/// Equal for what some file system takes for equal.
fn folded(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        Ok(text) if !text.is_ascii() => {
            let cased: String =
                text.nfkd().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
            cased.nfkd().collect::<String>().into_bytes()
        }
        _ => path.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_file_system_takes_for_one_folds_to_one() {
        for (one, other) in [
            ("README", "readme"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("CAF\u{c9}", "cafe\u{301}"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{212a}elvin", "kelvin"),
            ("\u{fb01}le", "file"),
            ("\u{3a3}", "\u{3c2}"),
        ] {
            assert_eq!(folded(one.as_bytes()), folded(other.as_bytes()), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("e", "\u{e9}"), ("a/b", "ab"), ("\u{e4}", "\u{f6}")] {
            assert_ne!(folded(one.as_bytes()), folded(other.as_bytes()), "{one} {other}");
        }
        assert_ne!(folded(b"\xff"), folded(b"\xfe"));
    }
}
