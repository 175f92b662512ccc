//! Files of migrations that a release brings, and what can be seen of what they do.

use model::migrate::{Migrated, destructive};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// Files that are looked at, and bytes of each.
const FILES_MAX: usize = 10_000;
const BYTES_MAX: u64 = 1024 * 1024;
/// Levels of directories.
const DEPTH_MAX: usize = 8;
/// Where migrations lie if nobody says it.
const DIRECTORY: &str = "migrations";
/// Directories that hold others' code.
const OTHERS: [&str; 4] = ["node_modules", "site-packages", ".git", ".venv"];

/// Those that the release before does not have.  Of a first release nothing is destructive: there
/// is no code that it could take something from.
pub(super) fn new_files(new: &Path, old: Option<&Path>, below: Option<&str>) -> Migrated {
    let before = old.map(|it| found(it, below)).unwrap_or_default();
    let added: Vec<PathBuf> =
        found(new, below).into_iter().filter(|it| !before.contains(it)).collect();
    let seen = added.iter().filter(|_| old.is_some()).filter_map(|path| {
        let mut bytes = vec![];
        let file = File::open(new.join(path)).ok()?;
        file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let why = destructive(&String::from_utf8_lossy(&bytes))?;
        Some(format!("{}: {why}", path.display()))
    });
    Migrated {
        applied: vec![],
        destructive: seen.collect(),
        brought: added.iter().map(|it| it.display().to_string()).collect(),
        ..Migrated::default()
    }
}

fn found(release: &Path, below: Option<&str>) -> BTreeSet<PathBuf> {
    match below {
        Some(directory) => files(release, Path::new(directory), &|_| true),
        None => files(release, Path::new(""), &|it| it.ends_with(DIRECTORY)),
    }
}

/// Below a directory of the release, without those that take back.
fn files(release: &Path, from: &Path, counts: &dyn Fn(&Path) -> bool) -> BTreeSet<PathBuf> {
    let (mut found, mut open) = (BTreeSet::new(), vec![(from.to_owned(), 0)]);
    while let Some((below, depth)) = open.pop() {
        let Ok(entries) = fs::read_dir(release.join(&below)) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let (path, name) = (below.join(entry.file_name()), entry.file_name());
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth < DEPTH_MAX && !OTHERS.contains(&name.as_ref()) {
                open.push((path, depth + 1));
            } else if kind.is_file() && is_migration(&name) && counts(&below) {
                if found.len() == FILES_MAX {
                    return found;
                }
                found.insert(path);
            }
        }
    }
    found
}

fn is_migration(name: &str) -> bool {
    (name.ends_with(".sql") && !name.ends_with("down.sql"))
        || (name.ends_with(".py") && name != "__init__.py")
}
