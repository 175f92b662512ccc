//! A copy of a backup elsewhere, and the way back from there.

mod remote;

use super::{bounds::Bounds, metadata, open};
use crate::{file, layout::Layout};
use model::{
    backup::{BackupName, SecondPlace, metadata::Metadata},
    failure::{Blame, Failure},
    name::EnvironmentId,
};
use remote::Remote;
use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Copies it; one that is there already is left as it is.
pub(super) fn copy(
    layout: &Layout,
    bounds: &Bounds<'_>,
    metadata: &Metadata,
    place: &SecondPlace,
) -> Result<(), Failure> {
    let environment = &metadata.environment;
    let from = layout.backup(environment, &metadata.name);
    match place {
        SecondPlace::Directory(directory) => {
            to_directory(bounds, &from, &below(directory, environment), metadata)
        }
        SecondPlace::Ssh(spec) => Remote::new(spec, environment)?.take(bounds, &from, metadata),
    }
}

/// The names of those that lie there whole, newest first.
pub(super) fn list(
    bounds: &Bounds<'_>,
    environment: &EnvironmentId,
    place: &SecondPlace,
) -> Result<Vec<BackupName>, Failure> {
    let names = match place {
        SecondPlace::Directory(directory) => names_in(&below(directory, environment))?,
        SecondPlace::Ssh(spec) => Remote::new(spec, environment)?.names(bounds)?,
    };
    let mut names: Vec<BackupName> = names.iter().filter_map(|it| it.parse().ok()).collect();
    names.sort_by(|one, other| other.cmp(one));
    Ok(names)
}

/// Brings one back from there.  It appears here whole, after all of it was compared.
pub(super) fn fetch(
    layout: &Layout,
    bounds: &Bounds<'_>,
    environment: &EnvironmentId,
    name: &BackupName,
    place: &SecondPlace,
) -> Result<Metadata, Failure> {
    let (whole, beside) =
        (layout.backup(environment, name), layout.unfinished_backup(environment, name));
    if whole.exists() {
        let message = format!("bring {name} of {environment} back: it is here");
        return Err(Failure::new(Blame::Request, message)
            .hint("`cutover backup verify` says whether it is whole; `delete` removes it"));
    }
    let failed = |error: io::Error| file::failure("write", &beside, &error);
    let fetched = || -> Result<Metadata, Failure> {
        file::remove_tree(&beside).map_err(failed)?;
        file::make_directory(&beside, file::MODE_PRIVATE_DIRECTORY).map_err(failed)?;
        match place {
            SecondPlace::Directory(directory) => {
                let from = below(directory, environment).join(name.as_str());
                let found = metadata::read(&from, environment, name)?;
                copied(bounds, &from, &beside, &found)?;
            }
            SecondPlace::Ssh(spec) => {
                Remote::new(spec, environment)?.give(bounds, name, &beside)?
            }
        }
        let found = metadata::read(&beside, environment, name)?;
        for item in &found.items {
            bounds.wanted()?;
            open::compare(&beside, item)?;
        }
        file::sync_directory(&beside).map_err(failed)?;
        file::rename(&beside, &whole).map_err(failed)?;
        Ok(found)
    };
    fetched().inspect_err(|_| {
        let _ = file::remove_tree(&beside);
    })
}

fn below(directory: &str, environment: &EnvironmentId) -> PathBuf {
    let place = Path::new(directory).join(environment.project.as_str());
    place.join(environment.environment.as_str())
}

fn names_in(directory: &Path) -> Result<Vec<String>, Failure> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(|it| file::failure("read", directory, &it))?,
    };
    Ok(entries.flatten().filter_map(|it| it.file_name().into_string().ok()).collect())
}

fn to_directory(
    bounds: &Bounds<'_>,
    from: &Path,
    to: &Path,
    metadata: &Metadata,
) -> Result<(), Failure> {
    let whole = to.join(metadata.name.as_str());
    if whole.is_dir() {
        return Ok(());
    }
    let beside = to.join(format!(".{}.unfinished", metadata.name));
    let failed = |error: io::Error| file::failure("copy a backup to", to, &error);
    let copied = || -> Result<(), Failure> {
        file::remove_tree(&beside).map_err(failed)?;
        file::make_directory(&beside, file::MODE_PRIVATE_DIRECTORY).map_err(failed)?;
        copied(bounds, from, &beside, metadata)?;
        file::sync_directory(&beside).map_err(failed)?;
        file::rename(&beside, &whole).map_err(failed)
    };
    copied().inspect_err(|_| {
        let _ = file::remove_tree(&beside);
    })
}

fn copied(bounds: &Bounds<'_>, from: &Path, to: &Path, metadata: &Metadata) -> Result<(), Failure> {
    let failed = |error: io::Error| file::failure("copy a backup to", to, &error);
    for name in names(metadata) {
        let source = fs::File::open(from.join(&name)).map_err(failed)?;
        let mut target = fresh(&to.join(&name)).map_err(failed)?;
        bounds.copied(&mut &source, &mut target)?;
        target.sync_all().map_err(failed)?;
    }
    Ok(())
}

/// A file that was not there.
fn fresh(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(file::MODE_PRIVATE).open(path)
}

/// `metadata.json` last: what is without it is no backup.
fn names(metadata: &Metadata) -> Vec<String> {
    let parts = metadata.items.iter().map(|it| it.file.clone());
    parts.chain([super::metadata::FILE.to_owned()]).collect()
}
