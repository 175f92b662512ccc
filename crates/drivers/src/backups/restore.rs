//! Putting a backup in the place of what is there.

use super::{
    bounds::Bounds,
    configuration,
    database::{Database, database},
    files,
    open::{self, Keys},
    path::within,
    verify,
};
use crate::layout::Layout;
use model::{
    backup::{
        Part,
        metadata::{Content, Item, Metadata},
    },
    failure::{Blame, Failure},
    release::Release,
};
use std::path::{Path, PathBuf};

/// What goes where.
enum Target {
    Database(Box<dyn Database>),
    Files(PathBuf),
    Config,
}

/// All that one restoring shares.
pub(super) struct Restore<'r> {
    pub(super) layout: &'r Layout,
    pub(super) bounds: &'r Bounds<'r>,
    pub(super) keys: &'r Keys,
    /// The release whose configuration says where everything goes.
    pub(super) by: &'r Release,
}

impl Restore<'_> {
    /// Restores the parts that are wanted.  All of them are read whole before the first is touched.
    pub(super) fn run(
        &self,
        directory: &Path,
        metadata: &Metadata,
        only: &[Part],
        note: &dyn Fn(String),
    ) -> Result<Vec<String>, Failure> {
        let wanted = metadata.items.iter().filter(|it| only.contains(&it.content.part()));
        let mut targets = vec![];
        for item in wanted {
            targets.push((item, target(self.layout, metadata, item, self.by)?));
        }
        for (item, _) in &targets {
            verify::item(self.bounds, directory, metadata, item, Some(self.keys))?;
        }
        let mut restored = vec![];
        for (item, target) in &targets {
            note(format!("restoring the {}", item.content.shown()));
            let open = || open::open(directory, metadata, item, self.keys);
            match target {
                Target::Database(database) => database.load(self.bounds, &open)?,
                Target::Files(path) => files::place(self.bounds, path, &mut *open()?)?,
                Target::Config => {
                    configuration::place(self.layout, metadata, &mut *open()?)?;
                }
            }
            restored.push(item.content.shown());
        }
        Ok(restored)
    }
}

/// A backup says what it holds, never where it goes: that is the configuration's to say.
fn target(
    layout: &Layout,
    metadata: &Metadata,
    item: &Item,
    by: &Release,
) -> Result<Target, Failure> {
    let unknown = || {
        let message = format!("restore the {}: the configuration has none", item.content.shown());
        Failure::new(Blame::Request, message)
            .hint("name it under `backup:` and deploy that, or restore other parts with `--only`")
    };
    let spec = by.spec.backup.as_ref();
    match &item.content {
        Content::Database { name, database: kind } => {
            let mut known = spec.into_iter().flat_map(|it| &it.databases);
            let found = known.find(|it| it.name == *name && it.kind == *kind);
            let found = found.ok_or_else(unknown)?;
            Ok(Target::Database(database(layout, &by.spec, found)?))
        }
        Content::Files { path } => {
            let mut known = spec.into_iter().flat_map(|it| &it.files);
            let found = known.find(|it| *it == path).ok_or_else(unknown)?;
            Ok(Target::Files(within(layout, &metadata.environment, found)?))
        }
        Content::Config => Ok(Target::Config),
    }
}
