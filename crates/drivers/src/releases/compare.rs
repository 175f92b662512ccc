//! What differs between the contents of two releases.

use super::{
    DirectoryReleases,
    content::{Content, Kind},
    keep::gone,
};
use model::{failure::Failure, release::Release};
use serde::{Deserialize, Serialize};

/// Paths of files and links that differ; directories come with what is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDifference {
    /// Only the second has them.
    pub added: Vec<String>,
    /// Only the first has them.
    pub removed: Vec<String>,
    /// Both have them, with other content, mode or kind.
    pub changed: Vec<String>,
}

impl DirectoryReleases {
    /// What differs from the first release's content to the second's, by their lists.  Blocks.
    ///
    /// # Errors
    ///
    /// Where one of the lists is gone or damaged.
    pub fn compare(&self, from: &Release, to: &Release) -> Result<FileDifference, Failure> {
        if from.artifact.digest_in_place() == to.artifact.digest_in_place() {
            return Ok(FileDifference::default());
        }
        let listed = |of: &Release| self.listed(of)?.ok_or_else(|| gone(&of.version));
        Ok(between(&listed(from)?, &listed(to)?))
    }
}

fn between(from: &Content, to: &Content) -> FileDifference {
    let mut difference = FileDifference::default();
    let shown = |path: &[u8]| String::from_utf8_lossy(path).escape_debug().to_string();
    for (path, entry) in &to.entries {
        let is_directory = entry.kind == Kind::Directory;
        match from.entries.get(path) {
            None if is_directory => {}
            None => difference.added.push(shown(path)),
            Some(old) if old == entry || (is_directory && old.kind == Kind::Directory) => {}
            Some(_) => difference.changed.push(shown(path)),
        }
    }
    for (path, entry) in &from.entries {
        if entry.kind != Kind::Directory && !to.entries.contains_key(path) {
            difference.removed.push(shown(path));
        }
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::releases::content::Entry;

    #[test]
    fn files_are_told_apart_by_content_mode_and_kind() {
        let file = |text: &str, mode| Entry::file(mode, &blake3::hash(text.as_bytes()), 1);
        let content = |entries: Vec<(&str, Entry)>| Content {
            entries: entries.into_iter().map(|(path, it)| (path.as_bytes().to_vec(), it)).collect(),
        };
        let from = content(vec![
            ("bin", Entry::directory(0o755)),
            ("bin/app", file("1", 0o755)),
            ("gone", file("1", 0o644)),
            ("link", Entry::link(b"a".to_vec())),
            ("mode", file("1", 0o644)),
            ("same", file("1", 0o644)),
        ]);
        let to = content(vec![
            ("bin", Entry::directory(0o700)),
            ("bin/app", file("2", 0o755)),
            ("link", file("a", 0o644)),
            ("mode", file("1", 0o755)),
            ("new", Entry::directory(0o755)),
            ("new/a\u{1b}b", file("1", 0o644)),
            ("same", file("1", 0o644)),
        ]);
        let difference = between(&from, &to);
        assert_eq!(difference.added, ["new/a\\u{1b}b"]);
        assert_eq!(difference.removed, ["gone"]);
        assert_eq!(difference.changed, ["bin/app", "link", "mode"]);
        assert_eq!(between(&to, &to), FileDifference::default());
    }
}
