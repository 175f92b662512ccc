//! A release: immutable content and resolved configuration, with an id and a version.

pub mod difference;
pub mod part;

use crate::{
    build::Built, id::ReleaseId, migrate::Migrated, name::Name, plan::ReleaseLabel,
    service::EnvironmentSpec,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the content of a release comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// Sent by the command line, and unpacked under `incoming/` already.
    Upload {
        /// The upload's name: the deployment's id.
        upload: String,
        /// What it was read from, to show.
        described: String,
        /// The commit of a work tree it was read from, if it was one.
        commit: Option<String>,
    },
    /// Of which only the list was sent: it can be planned for, and never staged.
    Listed {
        /// The list's name: the deployment's id.
        upload: String,
        /// What it was read from, to show.
        described: String,
        /// The commit of a work tree it was read from, if it was one.
        commit: Option<String>,
    },
    /// A repository, kept as a bare mirror.
    Git {
        /// As `git` takes it; never led by `-`.
        url: String,
        /// Branch, tag or commit.
        reference: String,
    },
    /// The content of a release that is kept.
    Kept {
        /// Its version.
        version: String,
        /// What was built for it is used again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        built: bool,
    },
}

/// Content, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// BLAKE3 over the sorted list of paths, modes and contents, in hexadecimal.
    pub digest: String,
    /// Sum of its files.
    pub bytes: u64,
    /// Number of its files and links.
    pub files: u64,
    /// The commit it was made from, if it is known.
    pub commit: Option<String>,
    /// What it was read from, to show.
    pub described: String,
    /// What it was built to, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
    /// It says of itself that nothing is left to be built.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
}

impl Artifact {
    /// Of what lies in the release's directory: what was built, or what came.
    pub fn digest_in_place(&self) -> &str {
        self.built.as_ref().map_or(&self.digest, |it| &it.digest)
    }
}

impl Release {
    /// Whether nothing is left to be built before it can run.
    pub fn is_whole(&self) -> bool {
        self.spec.builds.is_empty() || self.artifact.complete || self.artifact.built.is_some()
    }
}

/// Immutable: what rollback, restart and boot read instead of the configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// Also the name of its directory under `releases/`.
    pub version: String,
    /// Its content.
    pub artifact: Artifact,
    /// Its configuration.
    pub spec: EnvironmentSpec,
    /// Services that it leaves as they run, and whose instances these are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<Name, ReleaseId>,
    /// What its migrations came to, by service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub migrated: BTreeMap<Name, Migrated>,
    /// Unix time in ms when it was staged.
    pub created_at_ms: u64,
}

impl Release {
    /// As people and paths name it.
    pub fn label(&self) -> ReleaseLabel {
        ReleaseLabel { id: self.id.clone(), version: self.version.clone() }
    }
}

/// Whether a repository's url holds a password or a token, which whoever lists processes would see.
pub fn holds_password(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    // By HTTP nobody is asked for a name alone: it is a token.
    user.contains(':') || ["http", "https"].iter().any(|it| scheme.eq_ignore_ascii_case(it))
}

/// Where a release stands in the history of its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Staged, never confirmed.
    Staged,
    /// Was or is confirmed, and never rolled back.
    Accepted,
    /// Refused before, or rolled back after, its switch.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::holds_password;

    #[test]
    fn a_password_or_a_token_is_known_in_a_url() {
        for (url, expected) in [
            ("https://git.test/shop.git", false),
            ("https://git.test/@scope/shop.git", false),
            ("https://ann:word@git.test/shop.git", true),
            ("https://:word@git.test/shop.git", true),
            ("https://token@git.test/shop.git", true),
            ("HTTP://token@git.test:8080/shop.git", true),
            ("ssh://git@git.test/shop.git", false),
            ("ssh://git:word@git.test/shop.git", true),
            ("ssh://git@[::1]:22/shop.git", false),
            ("git@git.test:shop.git", false),
            ("/srv/a@b:c/shop.git", false),
        ] {
            assert_eq!(holds_password(url), expected, "{url}");
        }
    }
}
