//! Which releases are kept.

use crate::{id::ReleaseId, planner::Kept, release::Standing};
use serde::{Deserialize, Serialize};

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
    let mut gone: Vec<&str> = spare[..surplus].iter().map(|it| it.0).collect();
    // What stays may have left services to what would go.
    while let Some(at) = gone.iter().position(|it| is_leaned_on(releases, it, &gone)) {
        gone.remove(at);
    }
    gone.into_iter().map(str::to_owned).collect()
}

/// Whether a release that is not `gone` runs services of this version.
fn is_leaned_on(releases: &[Kept], version: &str, gone: &[&str]) -> bool {
    let of_version = releases.iter().filter(|it| it.release.version == version);
    let ids: Vec<&ReleaseId> = of_version.map(|it| &it.release.id).collect();
    let mut staying = releases.iter().filter(|it| !gone.contains(&it.release.version.as_str()));
    staying.any(|it| it.release.left.values().any(|left| ids.contains(&left)))
}

/// Why a version is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It serves, or did before it was stopped.
    Current,
    /// `previous` points at it: what a rollback goes to.
    Previous,
    /// Instances of it are kept running for a quick way back.
    Warm,
    /// A deployment that has not ended brings or leaves it.
    Active,
    /// Processes of it run.
    Running,
    /// It is staged for later: `deploy --prepared` starts it.
    Prepared,
    /// It is one of the last that are kept besides those that are needed.
    Recent,
}

/// The versions that something depends on, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    of: Vec<(String, Reason)>,
}

impl Reasons {
    /// One more reason for a version.
    pub fn add(&mut self, version: &str, reason: Reason) {
        if !self.of.iter().any(|it| it.0 == version && it.1 == reason) {
            self.of.push((version.to_owned(), reason));
        }
    }

    /// All reasons for a version, the weightiest first.
    pub fn of(&self, version: &str) -> Vec<Reason> {
        let mut reasons: Vec<Reason> =
            self.of.iter().filter(|it| it.0 == version).map(|it| it.1).collect();
        reasons.sort();
        reasons
    }

    /// No longer a reason for any version.
    pub fn drop_reason(&mut self, reason: Reason) {
        self.of.retain(|it| it.1 != reason);
    }

    /// The versions that there is any reason for.
    pub fn needed(&self) -> Needed {
        let mut versions: Vec<String> = self.of.iter().map(|it| it.0.clone()).collect();
        versions.sort();
        versions.dedup();
        Needed { versions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_needed_for_as_long_as_there_is_a_reason() {
        let mut reasons = Reasons::default();
        for (version, reason) in [
            ("1", Reason::Previous),
            ("2", Reason::Warm),
            ("2", Reason::Previous),
            ("3", Reason::Current),
            ("3", Reason::Current),
        ] {
            reasons.add(version, reason);
        }
        assert_eq!(reasons.of("2"), [Reason::Previous, Reason::Warm]);
        assert_eq!(reasons.of("3"), [Reason::Current]);
        assert!(reasons.of("4").is_empty());
        assert_eq!(reasons.needed().versions, ["1", "2", "3"]);
        reasons.drop_reason(Reason::Previous);
        assert_eq!(reasons.needed().versions, ["2", "3"], "what is warm stays");
    }
}
