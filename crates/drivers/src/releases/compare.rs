//! What differs between the contents of two releases.

use super::{
    DirectoryReleases,
    content::{Content, Entry, Kind},
    keep::gone,
    stage::git_name,
};
use model::{
    failure::{Blame, Failure},
    release::{Release, Source},
};
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
    /// Sum of those that only the second has.
    #[serde(default)]
    pub added_bytes: u64,
    /// Sum of those that only the first has.
    #[serde(default)]
    pub removed_bytes: u64,
    /// Sum of those that differ, as they are in the second.
    #[serde(default)]
    pub changed_bytes: u64,
}

impl DirectoryReleases {
    /// What differs from the first release's content to the second's, by their lists.  Blocks.
    ///
    /// # Errors
    ///
    /// Where one of the lists is gone or damaged.
    pub fn compare(&self, from: &Release, to: &Release) -> Result<FileDifference, Failure> {
        if from.artifact.digest == to.artifact.digest {
            return Ok(FileDifference::default());
        }
        let listed = |of: &Release| self.listed(of)?.ok_or_else(|| gone(&of.version));
        Ok(between(&listed(from)?, &listed(to)?))
    }

    /// What differs from what runs, if anything does, to content that was inspected and is to come
    /// from the source; counted by their lists.  Blocks.
    ///
    /// # Errors
    ///
    /// Where one of the lists is gone or damaged.
    pub fn compare_coming(
        &self,
        from: Option<&Release>,
        to: &Release,
        source: &Source,
    ) -> Result<FileDifference, Failure> {
        if from.is_some_and(|it| it.artifact.digest == to.artifact.digest) {
            return Ok(FileDifference::default());
        }
        let from = match from {
            Some(from) => self.listed(from)?.ok_or_else(|| gone(&from.version))?,
            None => Content::default(),
        };
        let to = match source {
            Source::Kept { .. } => self.listed(to)?,
            Source::Upload { upload, .. } | Source::Listed { upload, .. } => {
                self.incoming(&to.spec.id, upload)?.listed(&to.artifact)?
            }
            Source::Git { .. } => {
                let name = git_name(to.artifact.commit.as_deref().unwrap_or_default());
                self.incoming(&to.spec.id, &name)?.listed(&to.artifact)?
            }
        };
        Ok(between(&from, &to.ok_or_else(|| unlisted(source))?))
    }
}

fn unlisted(source: &Source) -> Failure {
    let message = format!("compare the content of {source:?}: its list is gone");
    Failure::new(Blame::Platform, message).hint("plan again")
}

fn bytes(entry: &Entry) -> u64 {
    if let Kind::File { bytes, .. } = entry.kind { bytes } else { 0 }
}

fn between(from: &Content, to: &Content) -> FileDifference {
    let mut difference = FileDifference::default();
    let shown = |path: &[u8]| String::from_utf8_lossy(path).escape_debug().to_string();
    for (path, entry) in &to.entries {
        let is_directory = entry.kind == Kind::Directory;
        match from.entries.get(path) {
            None if is_directory => {}
            None => {
                difference.added.push(shown(path));
                difference.added_bytes += bytes(entry);
            }
            Some(old) if old == entry || (is_directory && old.kind == Kind::Directory) => {}
            Some(_) => {
                difference.changed.push(shown(path));
                difference.changed_bytes += bytes(entry);
            }
        }
    }
    for (path, entry) in &from.entries {
        if entry.kind != Kind::Directory && !to.entries.contains_key(path) {
            difference.removed.push(shown(path));
            difference.removed_bytes += bytes(entry);
        }
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let sums = (difference.added_bytes, difference.removed_bytes, difference.changed_bytes);
        assert_eq!(sums, (1, 1, 3));
        assert_eq!(between(&to, &to), FileDifference::default());
    }
}
