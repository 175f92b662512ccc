//! Which releases are kept.

use crate::{planner::Kept, release::Standing};
use std::collections::BTreeSet;

/// Versions that something depends on: what serves, what a rollback goes to, what runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// They.
    pub versions: Vec<String>,
}

/// The versions to remove, oldest first, so that `keep` are left besides those that are needed.
///
/// `releases` come with the one whose standing changed last first.  Several may share a version,
/// and thereby their content: it goes when none of them is kept.  Releases that were never accepted,
/// or were rolled back, are not a way back to anything: only accepted ones count as kept.
pub fn prunable(releases: &[Kept], keep: usize, needed: &Needed) -> Vec<String> {
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    let is_needed = |version: &str| needed.versions.iter().any(|it| it == version);
    let accepted = releases.iter().filter(|it| it.standing == Standing::Accepted);
    for version in accepted.map(|it| it.release.version.as_str()) {
        if kept.len() < keep && !is_needed(version) {
            kept.insert(version);
        }
    }
    let mut gone: Vec<&Kept> = releases.iter().collect();
    gone.retain(|it| !is_needed(&it.release.version));
    gone.retain(|it| !kept.contains(it.release.version.as_str()));
    gone.sort_by_key(|it| (it.standing == Standing::Accepted, it.release.created_at_ms));
    let mut versions: Vec<String> = vec![];
    for version in gone.into_iter().map(|it| &it.release.version) {
        if !versions.contains(version) {
            versions.push(version.clone());
        }
    }
    versions
}
