//! Removing backups, and only such as nothing needs.

use super::{list, lock::lock};
use crate::{file, layout::Layout};
use model::{
    backup::{
        BackupName, BackupSpec,
        metadata::Metadata,
        retention::{Keeping, NeededBy, keeping},
    },
    failure::{Blame, Failure},
    name::EnvironmentId,
};
use std::fs;

/// How each backup stands, newest first.
pub(super) fn standing(
    layout: &Layout,
    environment: &EnvironmentId,
    spec: &BackupSpec,
    now_ms: u64,
) -> Result<Vec<(Metadata, Keeping)>, Failure> {
    let all = list(layout, environment)?;
    let stands = keeping(&all, spec, &needed(layout, environment), now_ms);
    let stands: Vec<Keeping> = stands.into_iter().map(|it| it.1).collect();
    Ok(all.into_iter().zip(stands).collect())
}

/// Removes what is beyond the limits.
pub(super) fn prune(
    layout: &Layout,
    environment: &EnvironmentId,
    spec: &BackupSpec,
    now_ms: u64,
    dry_run: bool,
) -> Result<Vec<Metadata>, Failure> {
    let _lock = lock(layout, environment)?;
    let mut gone = vec![];
    for (metadata, keeping) in standing(layout, environment, spec, now_ms)? {
        if keeping == Keeping::Surplus {
            if !dry_run {
                remove(layout, environment, &metadata.name)?;
            }
            gone.push(metadata);
        }
    }
    Ok(gone)
}

/// Removes one, unless something needs it.
pub(super) fn delete(
    layout: &Layout,
    environment: &EnvironmentId,
    name: &BackupName,
) -> Result<(), Failure> {
    let _lock = lock(layout, environment)?;
    remove(layout, environment, name)
}

/// Under a name that is none of a backup first, so that a half one is never seen.
fn remove(layout: &Layout, environment: &EnvironmentId, name: &BackupName) -> Result<(), Failure> {
    let (whole, going) =
        (layout.backup(environment, name), layout.unfinished_backup(environment, name));
    if !whole.is_dir() {
        let message = format!("remove {name} of {environment}: there is none");
        return Err(Failure::new(Blame::Request, message)
            .hint(format!("`cutover backup list {environment}` lists what there is")));
    }
    let removed = file::remove_tree(&going)
        .and_then(|()| file::rename(&whole, &going))
        .and_then(|()| file::remove_tree(&going));
    removed.map_err(|error| file::failure("remove", &whole, &error))
}

/// The versions that `current` and `previous` point at.
fn needed(layout: &Layout, environment: &EnvironmentId) -> NeededBy {
    let links = [layout.current(environment), layout.previous(environment)];
    let targets = links.iter().filter_map(|it| fs::read_link(it).ok());
    let versions = targets.filter_map(|it| Some(it.file_name()?.to_str()?.to_owned()));
    NeededBy { versions: versions.collect(), names: vec![] }
}
