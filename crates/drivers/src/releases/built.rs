//! What a build made of a release's content: summed up, or removed.

use super::{
    DirectoryReleases,
    content::{Content, Entry},
    keep::{is_directory, read_artifact},
    limits::{BYTES_MAX, ENTRIES_MAX},
    make,
    refusal::beyond,
    unwritable,
    walk::{self, Found},
};
use crate::file;
use model::{
    build::Built,
    failure::Failure,
    name::EnvironmentId,
    release::{Artifact, Release},
};
use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, lchown},
    },
    path::Path,
};

/// Content that holds this at its top says that nothing is left to be built.
pub(super) const COMPLETE: &str = ".cutover-complete";
/// The list of what something was built from, beside the list of what it was built to.
pub(super) const SOURCE: &str = "source";
/// Caches, which programs change while they run: they are no part of what is compared.
const CACHES: [&[u8]; 3] = [b".next/cache", b"node_modules/.cache", b"__pycache__"];
/// For the owner all, for others to read: an application runs as another user than we do.
const MODE_OF_FILE: u32 = 0o644;
const MODE_OF_PROGRAM: u32 = 0o755;
const MODE_OF_DIRECTORY: u32 = 0o755;
const EXECUTABLE: u32 = 0o111;

impl DirectoryReleases {
    /// Hands all of a release to the user who builds it, or back to us.
    pub(crate) fn hand_over(directory: &Path, from: u32, to: (u32, u32)) -> Result<(), Failure> {
        let failed = |error| file::failure("change the owner in", directory, &error);
        let give = |path: &Path, metadata: &Metadata| match metadata.uid() == from {
            true => lchown(path, Some(to.0), Some(to.1)),
            false => Ok(()),
        };
        let top = fs::symlink_metadata(directory).map_err(failed)?;
        give(directory, &top).map_err(failed)?;
        walk::walk(directory, &mut |found: &Found<'_>| {
            give(found.path, found.metadata).map(|()| true)
        })
        .map_err(failed)
    }

    /// Takes what was built for the release's content from here on.  Nothing of the build runs any
    /// more; `builder` is the user it ran as, if it was not ours.  Repeating it is harmless.
    pub(crate) fn seal(&self, release: &Release, builder: Option<u32>) -> Result<Built, Failure> {
        let (environment, version) = (&release.spec.id, &release.version);
        let directory = self.layout.release(environment, super::segment("a version", version)?);
        let failed = |error| file::failure("sum up", &directory, &error);
        if let Some(builder) = builder {
            let us = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            Self::hand_over(&directory, builder, us)?;
        }
        let content = sealed(&directory).map_err(failed)?;
        if content.entries.len() > ENTRIES_MAX {
            return Err(beyond(&format!("more than {ENTRIES_MAX} files and directories")));
        }
        if content.bytes() > BYTES_MAX {
            return Err(beyond(&format!("more than {BYTES_MAX} bytes")));
        }
        super::stage::sync_file_system(&directory)?;
        let (digest, bytes, files) = (content.digest(), content.bytes(), content.files());
        let built = Built { digest, bytes, files };
        let artifact = Artifact { built: Some(built.clone()), ..release.artifact.clone() };
        let contents = self.layout.contents(environment);
        make(&contents, file::MODE_PRIVATE_DIRECTORY)?;
        let text = serde_json::to_vec(&artifact).map_err(|error| unwritable(&error))?;
        self.keep_source_list(release)?;
        // The record is written last: it is what says that the release is whole.
        for (kind, bytes) in [("list", content.text().as_bytes()), ("json", &text)] {
            let path = contents.join(format!("{version}.{kind}"));
            file::write(&path, bytes, file::MODE_PRIVATE)
                .map_err(|error| file::failure("write", &path, &error))?;
        }
        self.write_record(&Release { artifact, ..release.clone() })?;
        Ok(built)
    }

    /// A plan compares sources, where nobody has built what is to come.
    fn keep_source_list(&self, release: &Release) -> Result<(), Failure> {
        let contents = self.layout.contents(&release.spec.id);
        let list = contents.join(format!("{}.list", release.version));
        let failed = |error| file::failure("read", &list, &error);
        let is_source =
            |bytes: &Vec<u8>| blake3::hash(bytes).to_hex().as_str() == release.artifact.digest;
        let Some(bytes) = file::read(&list).map_err(failed)?.filter(is_source) else {
            return Ok(());
        };
        let path = contents.join(format!("{}.{SOURCE}", release.version));
        file::write(&path, &bytes, file::MODE_PRIVATE)
            .map_err(|error| file::failure("write", &path, &error))
    }

    /// What a release consisted of before it was built; none where that is not known any more.
    pub(super) fn listed_source(&self, release: &Release) -> Result<Option<Content>, Failure> {
        if release.artifact.built.is_none() {
            return self.listed(release);
        }
        let name = format!("{}.{SOURCE}", super::segment("a version", &release.version)?);
        let path = self.layout.contents(&release.spec.id).join(name);
        let list = file::read(&path).map_err(|error| file::failure("read", &path, &error))?;
        let text = list.and_then(|bytes| String::from_utf8(bytes).ok());
        let is_it = |text: &String| {
            blake3::hash(text.as_bytes()).to_hex().as_str() == release.artifact.digest
        };
        Ok(text.filter(is_it).and_then(|text| Content::parse(&text)))
    }

    /// Removes a version's content unless it is whole.
    pub(crate) fn discard_unbuilt(
        &self,
        environment: &EnvironmentId,
        version: &str,
    ) -> Result<(), Failure> {
        let directory = self.layout.release(environment, super::segment("a version", version)?);
        if !is_directory(&directory)? || !self.is_unbuilt(environment, version)? {
            return Ok(());
        }
        let (current, previous) = self.links_now(environment)?;
        if [current, previous].iter().flatten().any(|it| it == version) {
            return Ok(());
        }
        let trash = self.trash_place(environment, version);
        file::rename(&directory, &trash)
            .map_err(|error| file::failure("move away", &directory, &error))?;
        for kind in ["json", "list", SOURCE] {
            let path = self.layout.contents(environment).join(format!("{version}.{kind}"));
            super::keep::remove_file(&path)?;
        }
        self.empty_trash(environment)
    }

    /// Whether what lies there is for a release that was to be built, and was not.
    pub(super) fn is_unbuilt(
        &self,
        environment: &EnvironmentId,
        version: &str,
    ) -> Result<bool, Failure> {
        let path = self.layout.contents(environment).join(format!("{version}.json"));
        if read_artifact(&path)?.is_none_or(|it| it.built.is_some() || it.complete) {
            return Ok(false);
        }
        let mut records = self.records(environment)?.into_iter().peekable();
        let mut mine = records.by_ref().filter(|it| it.version == version).peekable();
        Ok(mine.peek().is_some() && mine.all(|it| !it.is_whole()))
    }
}

/// The modes that every release has, and the sum of what is there.
fn sealed(directory: &Path) -> io::Result<Content> {
    let mut content = Content::default();
    fs::set_permissions(directory, Permissions::from_mode(MODE_OF_DIRECTORY))?;
    walk::walk(directory, &mut |found: &Found<'_>| {
        let metadata = with_mode(found)?;
        let relative = found.relative.as_os_str().as_bytes();
        if is_cache(relative) {
            return Ok(false);
        }
        if let Some(entry) = walk::entry_of(found.path, &metadata)? {
            let _: Option<Entry> = content.entries.insert(relative.to_vec(), entry);
        }
        Ok::<_, io::Error>(true)
    })?;
    Ok(content)
}

fn with_mode(found: &Found<'_>) -> io::Result<Metadata> {
    let metadata = found.metadata;
    let mode = match metadata {
        it if it.is_dir() => MODE_OF_DIRECTORY,
        it if it.is_file() && it.mode() & EXECUTABLE != 0 => MODE_OF_PROGRAM,
        it if it.is_file() => MODE_OF_FILE,
        _ => return Ok(metadata.clone()),
    };
    if metadata.mode() & 0o7777 == mode {
        return Ok(metadata.clone());
    }
    fs::set_permissions(found.path, Permissions::from_mode(mode))?;
    fs::symlink_metadata(found.path)
}

fn is_cache(path: &[u8]) -> bool {
    CACHES.iter().any(|it| {
        path == *it || path.strip_suffix(*it).is_some_and(|before| before.ends_with(b"/"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_told_by_whole_names() {
        for (path, is) in [
            ("__pycache__", true),
            ("app/__pycache__", true),
            ("web/.next/cache", true),
            (".next/cached", false),
            ("my.next/cache", false),
            ("node_modules/.cache", true),
            ("cache", false),
        ] {
            assert_eq!(is_cache(path.as_bytes()), is, "{path}");
        }
    }
}
