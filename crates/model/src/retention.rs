//! Which releases are kept.

use crate::{planner::Kept, release::Standing};

/// Versions that something depends on: what serves, what a rollback goes to, what runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// They.
    pub versions: Vec<String>,
}

/// The versions to remove, in this order, so that `keep` are left besides those that are needed.
///
/// `releases` come with the one whose standing changed last first.  Several may share a version,
/// and thereby their content.  Releases that were never accepted, or were rolled back, go before
/// any that was accepted: they are no way back.
pub fn prunable(releases: &[Kept], keep: usize, needed: &Needed) -> Vec<String> {
    // By version: whether any of its releases was accepted, and how recently.
    let mut spare: Vec<(&str, bool, usize)> = vec![];
    for (age, kept) in releases.iter().enumerate() {
        let version = kept.release.version.as_str();
        if needed.versions.iter().any(|it| it == version) {
            continue;
        }
        let accepted = kept.standing == Standing::Accepted;
        match spare.iter_mut().find(|it| it.0 == version) {
            Some(known) => known.1 |= accepted,
            None => spare.push((version, accepted, age)),
        }
    }
    spare.sort_by_key(|(_, accepted, age)| (*accepted, std::cmp::Reverse(*age)));
    let surplus = spare.len().saturating_sub(keep);
    spare[..surplus].iter().map(|it| it.0.to_owned()).collect()
}
