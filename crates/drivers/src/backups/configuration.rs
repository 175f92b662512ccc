//! The configuration as a part of a backup: the record of the release that served, the manifest,
//! and env files.

use super::{bounds::Bounds, read_release};
use crate::{file, layout::Layout};
use model::{
    backup::metadata::Metadata,
    failure::{Blame, Failure},
    name::EnvironmentId,
    release::Release,
};
use std::{
    fs,
    io::{self, Read, Write},
    path::PathBuf,
};

/// The largest file of it.
const BYTES_MAX: u64 = 16 << 20;
const RECORD: &str = "release.json";
const MANIFEST: &str = "manifest.json";
const ENV_FILES: &str = "env";

/// Writes it: what is not there is left out.
pub(super) fn pack(
    layout: &Layout,
    environment: &EnvironmentId,
    release: Option<&Release>,
    to: &mut dyn Write,
) -> Result<(), Failure> {
    let mut files: Vec<(String, Vec<u8>)> = vec![];
    if let Some(release) = release {
        let text = serde_json::to_vec_pretty(release);
        let text = text.map_err(|it| Failure::new(Blame::Us, format!("write a record: {it}")))?;
        files.push((RECORD.to_owned(), text));
    }
    let manifest = layout.manifest(environment);
    let read = file::read(&manifest).map_err(|it| file::failure("read", &manifest, &it))?;
    files.extend(read.map(|it| (MANIFEST.to_owned(), it)));
    for path in env_files(layout, environment) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = file::read(&path).map_err(|it| file::failure("read", &path, &it))?;
        files.extend(read.map(|it| (format!("{ENV_FILES}/{name}"), it)));
    }
    let mut archive = tar::Builder::new(to);
    let mut write = || -> io::Result<()> {
        for (name, bytes) in &files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(file::MODE_PRIVATE);
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, bytes.as_slice())?;
        }
        archive.finish()
    };
    write().map_err(|error| {
        let failure = Failure::new(Blame::Platform, format!("back up the configuration: {error}"));
        match error.kind() {
            io::ErrorKind::StorageFull => failure.hint("free space on this file system"),
            _ => failure,
        }
    })
}

/// Reads it to its end.
pub(super) fn check(_: &Bounds<'_>, from: &mut dyn Read) -> Result<(), Failure> {
    unpack(from).map(|_| ())
}

/// Puts the record and env files back where they are gone or differ.
pub(super) fn place(
    layout: &Layout,
    metadata: &Metadata,
    from: &mut dyn Read,
) -> Result<Vec<String>, Failure> {
    let environment = &metadata.environment;
    let mut placed = vec![];
    for (name, bytes) in unpack(from)? {
        let path = if name == RECORD {
            let parsed = serde_json::from_slice::<Release>(&bytes);
            let Ok(release) = parsed else { return Err(foreign(&name)) };
            let is_its = metadata.release.as_ref().is_some_and(|it| it.id == release.id);
            if !is_its || release.spec.id != *environment {
                return Err(foreign(&name));
            }
            layout.record(environment, &release.id)
        } else if let Some(name) = name.strip_prefix("env/") {
            if !is_env_file(name) {
                return Err(foreign(name));
            }
            layout.environment(environment).join("shared").join(name)
        } else if name == MANIFEST {
            // It tells the history, which goes on.
            continue;
        } else {
            return Err(foreign(&name));
        };
        let failed = |error: io::Error| file::failure("restore", &path, &error);
        if file::read(&path).map_err(failed)?.is_some_and(|it| it == bytes) {
            continue;
        }
        if let Some(parent) = path.parent() {
            file::make_directory(parent, file::MODE_PUBLIC_DIRECTORY).map_err(failed)?;
        }
        file::write(&path, &bytes, file::MODE_PRIVATE).map_err(failed)?;
        placed.push(name);
    }
    Ok(placed)
}

fn unpack(from: &mut dyn Read) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut read = || -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut files = vec![];
        for entry in tar::Archive::new(from.take(BYTES_MAX)).entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            let mut bytes = vec![];
            entry.read_to_end(&mut bytes)?;
            files.push((name, bytes));
        }
        Ok(files)
    };
    let failed = |error: io::Error| {
        Failure::new(Blame::Platform, format!("read back the configuration: {error}"))
            .hint("it is not whole")
    };
    read().map_err(failed)
}

fn foreign(name: &str) -> Failure {
    let message = format!("restore `{}`: it is no part of a configuration", name.escape_debug());
    Failure::new(Blame::Platform, message).hint("restore another backup")
}

fn env_files(layout: &Layout, environment: &EnvironmentId) -> Vec<PathBuf> {
    let directory = layout.environment(environment).join("shared");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter(|it| it.file_type().is_ok_and(|it| it.is_file()))
        .filter(|it| it.file_name().to_str().is_some_and(is_env_file))
        .map(|it| it.path())
        .collect();
    paths.sort();
    paths
}

/// `.env`, `.env.production`.
fn is_env_file(name: &str) -> bool {
    let rest = name.strip_prefix(".env");
    let fits = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    rest.is_some_and(|it| (it.is_empty() || it.starts_with('.')) && it.chars().all(fits))
}

/// The record of the release that serves, if it is kept.
pub(super) fn serving(
    layout: &Layout,
    environment: &EnvironmentId,
    label: Option<&model::plan::ReleaseLabel>,
) -> Option<Release> {
    label.and_then(|it| read_release(layout, environment, &it.id))
}
