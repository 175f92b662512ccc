//! What an emergency freed, or would free.

use super::{figure::bytes, paint::Paint, releases::prune};
use daemon::{logs::plain, prune::Kept};
use model::name::EnvironmentId;
use serde::Serialize;
use std::{fmt::Display, path::Path};

/// What is done with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Its content goes, and the file stays.
    Empty,
    /// It goes.
    Remove,
}

/// One thing that takes space.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// What is done with it.
    pub act: Act,
    /// `log`, `upload`, `leftover`, `release`.
    pub what: &'static str,
    /// Which.
    pub name: String,
    /// On the disk.
    pub bytes: u64,
}

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The state directory.
    root: String,
    /// Nothing was done.
    pub dry_run: bool,
    /// What was, or would be, freed.
    pub items: Vec<Item>,
    /// Releases that stay, and why.
    pub kept: Vec<(EnvironmentId, Kept)>,
    /// What was not freed though it might be, and why.
    pub left: Vec<String>,
    /// Sum of the items.
    pub bytes_freed: u64,
    /// On the file system of the root, before.
    pub disk_free_before_bytes: u64,
    /// As before, after.
    pub disk_free_bytes: u64,
}

impl Report {
    /// Nothing is freed yet.
    pub fn new(root: &Path, dry_run: bool) -> Report {
        let free = free_bytes(root);
        Report {
            root: root.display().to_string(),
            dry_run,
            items: vec![],
            kept: vec![],
            left: vec![],
            bytes_freed: 0,
            disk_free_before_bytes: free,
            disk_free_bytes: free,
        }
    }

    /// One more item, or why it is left.
    pub fn item(&mut self, item: Item, done: Result<(), impl Display>) {
        match done {
            Ok(()) => {
                self.bytes_freed += item.bytes;
                self.items.push(item);
            }
            Err(why) => self.left.push(format!("{} {}: {why}", item.what, item.name)),
        }
    }

    /// A path as it is shown.
    pub fn below_root(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// What is free now.
    pub fn end(&mut self, root: &Path) {
        self.disk_free_bytes = free_bytes(root);
    }
}

fn free_bytes(root: &Path) -> u64 {
    rustix::fs::statvfs(root).map_or(0, |it| it.f_bavail * it.f_frsize)
}

/// A line an item, then what stays, and what it comes to.
pub fn text(report: &Report, paint: &Paint) -> String {
    let mut lines = vec![];
    for item in &report.items {
        let act = match (item.act, report.dry_run) {
            (Act::Empty, false) => "emptied",
            (Act::Remove, false) => "removed",
            (Act::Empty, true) => "would empty",
            (Act::Remove, true) => "would remove",
        };
        let (what, size) = (item.what, bytes(item.bytes));
        lines.push(format!("{act:<12}  {size:>8}  {what:<8}  {}", plain(&item.name)));
    }
    for (environment, kept) in &report.kept {
        lines.push(paint.dim(&format!("{environment}: {}", prune::kept(kept, 0))));
    }
    for left in &report.left {
        lines.push(paint.warning(&format!("left: {}", plain(left))));
    }
    let freed = bytes(report.bytes_freed);
    let (before, now) = (bytes(report.disk_free_before_bytes), bytes(report.disk_free_bytes));
    lines.push(match report.dry_run {
        true => format!("{freed} would be freed, {before} are free; nothing was done"),
        false => format!("{freed} freed: {before} were free, {now} are now"),
    });
    lines.join("\n")
}
