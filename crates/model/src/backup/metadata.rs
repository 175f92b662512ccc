//! `metadata.json`: what a backup is of, what is in it, and what each part should be.

use super::{BackupName, DatabaseKind, Part};
use crate::{
    id::DeploymentId,
    name::{EnvironmentId, Name},
    plan::ReleaseLabel,
};
use serde::{Deserialize, Serialize};

/// The form of this file.
pub const METADATA_FORMAT: u32 = 1;
/// Parts of one backup, at most.
pub const ITEMS_MAX: usize = 256;

/// What is told of a backup, beside its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// [`METADATA_FORMAT`].
    pub format: u32,
    /// Its directory's name.
    pub name: BackupName,
    /// RFC 3339, in UTC.
    pub timestamp: String,
    /// Of the release that served.
    pub git_commit: Option<String>,
    /// Of the release that served.
    pub version: Option<String>,
    /// Of the machine's `node`, if there is one.
    pub node_version: Option<String>,
    /// Of the machine's `npm`, if there is one.
    pub npm_version: Option<String>,
    /// Of which environment.
    pub environment: EnvironmentId,
    /// The release that served, to which `current` pointed.
    pub release: Option<ReleaseLabel>,
    /// The deployment that made it; none: somebody did by hand.
    pub deployment: Option<DeploymentId>,
    /// The release that the deployment brought.
    pub before: Option<ReleaseLabel>,
    /// In somebody's words.
    pub note: Option<String>,
    /// Kept until somebody deletes it.
    pub pinned: bool,
    /// Who can open it; none: everybody who can read it.
    pub encrypted_to: Vec<String>,
    /// In the order in which they were made.
    pub items: Vec<Item>,
    /// What was to be in it, and was not there.
    pub absent: Vec<String>,
    /// Version of the program that made it.
    pub cutover_version: String,
    /// Whether its parts were opened when it was read back; else only their hashes were compared.
    pub opened_after_writing: bool,
    /// BLAKE3 of this file as it is without it, in hexadecimal.
    pub seal: String,
}

/// One part of a backup: a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Item {
    /// In the backup's directory.
    pub file: String,
    /// What it is.
    pub content: Content,
    /// Of the file.
    pub bytes: u64,
    /// Of the file, in hexadecimal.
    pub blake3: String,
    /// Of what is in it, before it was compressed.
    pub plain_bytes: u64,
    /// What made it, with its version.
    pub tool: String,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Content {
    /// A database.
    Database {
        /// As the configuration calls it.
        name: Name,
        /// What it is.
        database: DatabaseKind,
    },
    /// A directory or a file.
    Files {
        /// As the configuration calls it.
        path: String,
    },
    /// The release's record, the manifest and env files.
    Config,
}

impl Content {
    /// To which part it belongs.
    pub fn part(&self) -> Part {
        match self {
            Content::Database { .. } => Part::Databases,
            Content::Files { .. } => Part::Files,
            Content::Config => Part::Config,
        }
    }

    /// `database main`, `files shared/uploads`, `configuration`.
    pub fn shown(&self) -> String {
        match self {
            Content::Database { name, .. } => format!("database {name}"),
            Content::Files { path } => format!("files {path}"),
            Content::Config => "configuration".to_owned(),
        }
    }
}

impl Metadata {
    /// Sum of its files.
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|it| it.bytes).sum()
    }

    /// Whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        !self.encrypted_to.is_empty()
    }
}
