//! Files and directories that all releases of an environment have in common.

use crate::{
    deployment::Finding,
    failure::{Blame, Failure},
};
use serde::{Deserialize, Serialize};

/// Names of one environment, at most.
pub const SHARED_MAX: usize = 64;
/// Bytes of one name, at most.
const NAME_BYTES_MAX: usize = 1024;
/// Where they lie in an environment's directory.
pub const DIRECTORY: &str = "shared";

/// What all releases share: by their paths in a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    /// Files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Directories with all that they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<String>,
}

impl Shared {
    /// Whether nothing is shared.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directories.is_empty()
    }

    /// All of them, and whether it is a directory.
    pub fn all(&self) -> impl Iterator<Item = (&str, bool)> {
        let files = self.files.iter().map(|it| (it.as_str(), false));
        files.chain(self.directories.iter().map(|it| (it.as_str(), true)))
    }

    /// The first thing that is wrong: a name, and why it cannot be.
    pub fn problem(&self) -> Option<(String, &'static str)> {
        let names: Vec<&str> = self.all().map(|it| it.0).collect();
        if names.len() > SHARED_MAX {
            return Some((names[SHARED_MAX].to_owned(), "is one too many: 64 at most"));
        }
        names.iter().enumerate().find_map(|(at, name)| {
            let overlaps =
                |other: &&str| **other == **name || name.starts_with(&format!("{other}/"));
            let others = names.iter().enumerate().filter(|(other, _)| *other != at);
            let why = match problem(name) {
                Some(why) => Some(why),
                None if others.map(|it| it.1).any(overlaps) => Some("is, or lies in, another one"),
                None => None,
            };
            why.map(|why| ((*name).to_owned(), why))
        })
    }
}

/// Why this is no path in a release; none: it is one.
pub fn problem(name: &str) -> Option<&'static str> {
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if name.is_empty() {
        Some("is empty")
    } else if name.len() > NAME_BYTES_MAX {
        Some("is too long")
    } else if name.starts_with('/') {
        Some("is absolute: it is a path in a release")
    } else if name.split('/').any(odd) {
        Some("has an empty part, `.` or `..`")
    } else if name.starts_with('-') || name.contains(|it: char| it.is_control()) {
        Some("begins with `-`, or holds a control character")
    } else {
        None
    }
}

/// What speaks against the links that a release would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A file that is nowhere: neither shared yet nor brought.
    Missing {
        /// Its path in a release.
        name: String,
        /// Where it would lie.
        place: String,
    },
    /// The release brings something else than what was said: a file for a directory, or the other
    /// way round.
    OtherKind {
        /// Its path in a release.
        name: String,
        /// Whether a directory was said.
        is_directory: bool,
    },
    /// It would lie below what is no directory, in the release or in `shared/`.
    Below {
        /// Its path in a release.
        name: String,
        /// What it would lie below.
        parent: String,
    },
    /// The version is in place with other links, and what runs in it must not lose its files.
    OtherLinks {
        /// The version.
        version: String,
        /// One of the paths that are not as they should be.
        name: String,
    },
}

impl Trouble {
    /// As preflight has it.
    pub fn finding(&self) -> Finding {
        match self {
            Trouble::Missing { name, place } => {
                let message = format!(
                    "share the file `{name}`: it does not exist, and the release does not bring it"
                );
                let failure = Failure::new(Blame::Request, message)
                    .hint(format!("write it to {place}, readable for the service's user"))
                    .hint("or let the application make it through the link");
                Finding { failure, overridable: true }
            }
            Trouble::OtherKind { name, is_directory } => {
                let (said, list) =
                    if *is_directory { ("directory", "files") } else { ("file", "directories") };
                let message = format!("share `{name}`: in the release it is no {said}");
                hard(message, format!("name it under `{list}` of `shared`"))
            }
            Trouble::Below { name, parent } => {
                let message =
                    format!("share `{name}`: it lies below {parent}, which is no directory");
                hard(message, "a shared path goes through no file and no link".to_owned())
            }
            Trouble::OtherLinks { version, name } => {
                let message =
                    format!("share `{name}`: {version} is kept, and was staged with other links");
                hard(message, "deploy the content as another version".to_owned())
            }
        }
    }
}

fn hard(message: String, hint: String) -> Finding {
    Finding { failure: Failure::new(Blame::Request, message).hint(hint), overridable: false }
}

/// Where the link at this path of a release leads: out of it, to what is shared.
pub fn target(path: &[u8]) -> Vec<u8> {
    // Out of each directory above it, out of the release, and out of `releases/`.
    let ups = path.iter().filter(|it| **it == b'/').count() + 2;
    let mut target = b"../".repeat(ups);
    target.extend_from_slice(DIRECTORY.as_bytes());
    target.push(b'/');
    target.extend_from_slice(path);
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(files: &[&str], directories: &[&str]) -> Shared {
        let owned = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
        Shared { files: owned(files), directories: owned(directories) }
    }

    #[test]
    fn names_are_paths_in_a_release_and_apart_from_each_other() {
        assert_eq!(shared(&[".env", "db/main.sqlite"], &["uploads", "a/b"]).problem(), None);
        for name in ["", "/etc/passwd", "..", "a/../b", "./a", "a//b", "a/", "-rf", "a\nb"] {
            assert!(shared(&[name], &[]).problem().is_some(), "{name:?}");
        }
        for (files, directories) in [
            (&["a"][..], &["a"][..]),
            (&["a/b"], &["a"]),
            (&[], &["a", "a/b/c"]),
            (&["x", "x"], &[]),
        ] {
            assert!(shared(files, directories).problem().is_some(), "{files:?} {directories:?}");
        }
        assert_eq!(shared(&["ab"], &["a"]).problem(), None, "only whole segments count");
    }

    #[test]
    fn links_lead_out_of_the_release_and_no_further() {
        assert_eq!(target(b"uploads"), b"../../shared/uploads");
        assert_eq!(target(b"db/main.sqlite"), b"../../../shared/db/main.sqlite");
    }
}
