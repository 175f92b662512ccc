//! A copy of a backup elsewhere.

use super::bounds::Bounds;
use crate::{
    file,
    host::{Command, pipe},
    layout::Layout,
};
use model::{
    backup::{SecondPlace, metadata::Metadata},
    failure::{Blame, Failure},
    name::EnvironmentId,
};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
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
            let to = Path::new(directory)
                .join(environment.project.as_str())
                .join(environment.environment.as_str());
            to_directory(bounds, &from, &to, metadata)
        }
        SecondPlace::Ssh { host, port, directory } => {
            to_host(bounds, &from, environment, metadata, (host, *port, directory))
        }
    }
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
        for name in names(metadata) {
            let source = fs::File::open(from.join(&name)).map_err(failed)?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(file::MODE_PRIVATE);
            let mut target = options.open(beside.join(&name)).map_err(failed)?;
            bounds.copied(&mut &source, &mut target)?;
            target.sync_all().map_err(failed)?;
        }
        file::sync_directory(&beside).map_err(failed)?;
        file::rename(&beside, &whole).map_err(failed)
    };
    copied().inspect_err(|_| {
        let _ = file::remove_tree(&beside);
    })
}

/// The other machine's shell reads words of ours, and of the configuration only such as hold
/// letters, digits and `/._-`: the files come by stdin.
fn to_host(
    bounds: &Bounds<'_>,
    from: &Path,
    environment: &EnvironmentId,
    metadata: &Metadata,
    (host, port, directory): (&str, Option<u16>, &str),
) -> Result<(), Failure> {
    let place = format!("{directory}/{}/{}", environment.project, environment.environment);
    let plain = |it: &str| {
        !it.starts_with('-')
            && it.chars().all(|it| it.is_ascii_alphanumeric() || "/._-@:".contains(it))
    };
    if !plain(&place) || !plain(host) {
        let message = "copy a backup to another machine: its place is no plain path";
        return Err(Failure::new(Blame::Request, message));
    }
    let (name, part) = (&metadata.name, format!(".{}.unfinished", metadata.name));
    let script = format!(
        "set -e; umask 077; mkdir -p {place}; cd {place}; test ! -e {name} || exit 0; \
         rm -rf {part}; mkdir {part}; tar -xf - -C {part}; sync; mv {part} {name}"
    );
    let mut command = Command::new("ssh", bounds.time_limit).arguments([
        "-o",
        "BatchMode=yes",
        "-o",
        "ConnectTimeout=20",
        "-T",
    ]);
    if let Some(port) = port {
        command = command.arguments(["-p".to_owned(), port.to_string()]);
    }
    let command = command.arguments(["--", host, &script]);
    let mut feed = |to: &mut dyn Write| packed(bounds, from, metadata, to);
    let (_, finished) = pipe(&command, Some(&mut feed), |it| bounds.text(it))?;
    if finished.success {
        return Ok(());
    }
    let failure = finished.failure(Blame::Platform, &format!("copy {name} to {host}"));
    Err(failure.hint("look at whether this user reaches it by `ssh` without a password"))
}

fn packed(
    bounds: &Bounds<'_>,
    from: &Path,
    metadata: &Metadata,
    to: &mut dyn Write,
) -> Result<(), Failure> {
    let mut archive = tar::Builder::new(to);
    for name in names(metadata) {
        bounds.wanted()?;
        let mut file = bounds.written(fs::File::open(from.join(&name)))?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(file::MODE_PRIVATE);
        header.set_size(bounds.written(file.metadata())?.len());
        bounds.written(archive.append_data(&mut header, &name, &mut file))?;
    }
    bounds.written(archive.finish())
}

/// `metadata.json` last: what is without it is no backup.
fn names(metadata: &Metadata) -> Vec<String> {
    let parts = metadata.items.iter().map(|it| it.file.clone());
    parts.chain([super::metadata::FILE.to_owned()]).collect()
}
