//! Whether a backup is what it was when it was made.

use super::{
    bounds::Bounds,
    configuration,
    database::checker,
    files,
    open::{self, Keys},
};
use model::{
    backup::{
        BackupName,
        metadata::{Content, Item, Metadata},
    },
    failure::Failure,
};
use serde::Serialize;
use std::path::Path;

/// A backup that was read whole.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// It.
    pub name: BackupName,
    /// All parts are what they were.
    pub whole: bool,
    /// Parts were opened; else only their hashes were compared, since no identity is here.
    pub opened: bool,
    /// Sum of its files.
    pub bytes: u64,
    /// Each of them.
    pub parts: Vec<Part>,
}

/// One part, and what is wrong with it.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// In words.
    pub shown: String,
    /// Of its file.
    pub bytes: u64,
    /// None: nothing.
    pub trouble: Option<String>,
}

/// Reads all of it.
pub(super) fn all(
    bounds: &Bounds<'_>,
    directory: &Path,
    metadata: &Metadata,
    keys: &Keys,
) -> Verified {
    let opened = !metadata.is_encrypted() || !keys.is_empty();
    let part = |it: &Item| {
        let trouble = item(bounds, directory, metadata, it, opened.then_some(keys)).err();
        let trouble = trouble.map(|it| it.message);
        Part { shown: it.content.shown(), bytes: it.bytes, trouble }
    };
    let parts: Vec<Part> = metadata.items.iter().map(part).collect();
    let whole = parts.iter().all(|it| it.trouble.is_none());
    Verified { name: metadata.name.clone(), whole, opened, bytes: metadata.bytes(), parts }
}

/// Reads one part: compares it, and, with keys, opens it and asks whether it is whole.
pub(super) fn item(
    bounds: &Bounds<'_>,
    directory: &Path,
    metadata: &Metadata,
    item: &Item,
    keys: Option<&Keys>,
) -> Result<(), Failure> {
    open::compare(directory, item)?;
    let Some(keys) = keys else { return Ok(()) };
    let mut from = open::open(directory, metadata, item, keys)?;
    match &item.content {
        Content::Database { database, .. } => checker(*database).check(bounds, &mut from),
        Content::Files { .. } => files::check(bounds, &mut from).map(|_| ()),
        Content::Config => configuration::check(bounds, &mut from),
    }
}
