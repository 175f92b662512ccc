//! Restoring into a scratch place, to know that it can be done.

use super::{
    bounds::Bounds,
    configuration,
    database::{Table, database},
    files,
    open::{self, Keys},
    verify,
};
use crate::{file, layout::Layout};
use model::{
    backup::metadata::{Content, Item, Metadata},
    failure::{Blame, Failure},
    release::Release,
};
use serde::Serialize;
use std::path::Path;

/// What came back of one part.
#[derive(Clone, Debug, Serialize)]
pub struct Drilled {
    /// The part, in words.
    pub shown: String,
    /// Tables and rows of a database.
    pub tables: Vec<Table>,
    /// Files of a directory.
    pub files: Option<u64>,
}

/// Restores every part elsewhere, counts what came back, and removes it.
pub(super) fn drill(
    layout: &Layout,
    bounds: &Bounds<'_>,
    directory: &Path,
    metadata: &Metadata,
    by: &Release,
    keys: &Keys,
) -> Result<Vec<Drilled>, Failure> {
    for item in &metadata.items {
        verify::item(bounds, directory, metadata, item, Some(keys))?;
    }
    let one = |item: &Item| one(layout, bounds, directory, metadata, item, by, keys);
    metadata.items.iter().map(one).collect()
}

fn one(
    layout: &Layout,
    bounds: &Bounds<'_>,
    directory: &Path,
    metadata: &Metadata,
    item: &Item,
    by: &Release,
    keys: &Keys,
) -> Result<Drilled, Failure> {
    let open = || open::open(directory, metadata, item, keys);
    let mut drilled = Drilled { shown: item.content.shown(), tables: vec![], files: None };
    match &item.content {
        Content::Database { name, database: kind } => {
            let mut known = by.spec.backup.iter().flat_map(|it| &it.databases);
            let spec = known.find(|it| it.name == *name && it.kind == *kind);
            let spec = spec.ok_or_else(|| {
                let message = format!("restore the {}: the configuration has none", drilled.shown);
                Failure::new(Blame::Request, message).hint("name it under `backup:`")
            })?;
            let original = database(layout, &by.spec, spec)?;
            let suffix = format!("{}_{}", std::process::id(), name.as_str().replace('-', "_"));
            let scratch = original.scratch(bounds, &suffix)?;
            let counted = scratch.load(bounds, &open).and_then(|()| scratch.count(bounds));
            let discarded = scratch.discard(bounds);
            drilled.tables = counted?;
            discarded?;
        }
        Content::Files { .. } => {
            let place = bounds.work.join("files");
            files::place(bounds, &place, &mut *open()?)?;
            drilled.files = Some(files::check(bounds, &mut *open()?)?);
            file::remove_tree(&place).map_err(|it| file::failure("remove", &place, &it))?;
        }
        Content::Config => configuration::check(bounds, &mut *open()?)?,
    }
    Ok(drilled)
}
