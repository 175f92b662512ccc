//! Whether all of a release is what was put there: every difference, named.

use super::{
    DirectoryReleases,
    content::{Content, Entry},
    keep::is_directory,
    segment,
    shared::{holds_only_shared, is_shared_link},
    walk,
};
use crate::file;
use model::{failure::Failure, release::Release};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::ErrorKind,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Names of each kind that are told; more are only counted.
pub const NAMES_MAX: usize = 1000;

/// What came of reading a release whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integrity {
    /// The list of what it consists of is not the one that its record names.
    pub list_damaged: bool,
    /// Files and links that were compared.
    pub files: u64,
    /// Of these, the bytes.
    pub bytes: u64,
    /// Have other content, another mode, or another kind.
    pub altered: Vec<String>,
    /// Are not there.
    pub missing: Vec<String>,
    /// Are there, and were not put there; a directory stands for all below it.
    pub extra: Vec<String>,
    /// Differences in all, those that are not named included.
    pub differences: u64,
}

impl Integrity {
    /// Whether nothing differs.
    pub fn is_whole(&self) -> bool {
        !self.list_damaged && self.differences == 0
    }

    fn differs(&mut self, names: fn(&mut Integrity) -> &mut Vec<String>, path: &[u8], end: &str) {
        self.differences += 1;
        let names = names(self);
        if names.len() < NAMES_MAX {
            let shown = String::from_utf8_lossy(path);
            names.push(format!("{}{end}", shown.escape_debug()));
        }
    }
}

impl DirectoryReleases {
    /// Compares all of a release's content with its hashes.  Blocks, and changes nothing.
    ///
    /// # Errors
    ///
    /// Where something cannot be read; a difference is none.
    pub fn integrity(&self, release: &Release) -> Result<Integrity, Failure> {
        let (environment, version) = (&release.spec.id, segment("a version", &release.version)?);
        let Some(content) = self.listed(release)? else {
            return Ok(Integrity { list_damaged: true, differences: 1, ..Integrity::default() });
        };
        let directory = self.layout.release(environment, version);
        let mut integrity = Integrity::default();
        let mut wanted: BTreeMap<&[u8], &Entry> =
            content.entries.iter().map(|(path, entry)| (path.as_slice(), entry)).collect();
        if is_directory(&directory)? {
            compare(&directory, &mut wanted, &mut integrity)?;
        }
        for path in wanted.into_keys() {
            integrity.differs(|it| &mut it.missing, path, "");
        }
        Ok(integrity)
    }

    /// What a release consists of; none where the list is not the one that its record names.
    pub(super) fn listed(&self, release: &Release) -> Result<Option<Content>, Failure> {
        let name = format!("{}.list", segment("a version", &release.version)?);
        let path = self.layout.contents(&release.spec.id).join(name);
        let list = file::read(&path).map_err(|error| file::failure("read", &path, &error))?;
        let is_it = |text: &String| {
            blake3::hash(text.as_bytes()).to_hex().as_str() == release.artifact.digest
        };
        let text = list.and_then(|bytes| String::from_utf8(bytes).ok()).filter(is_it);
        Ok(text.and_then(|text| Content::parse(&text)))
    }
}

/// Takes what was found out of what is wanted.
fn compare(
    directory: &Path,
    wanted: &mut BTreeMap<&[u8], &Entry>,
    integrity: &mut Integrity,
) -> Result<(), Failure> {
    let mut open: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(parent) = open.pop() {
        for path in below(&parent)? {
            let failed = |error| file::failure("read", &path, &error);
            let metadata = match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                metadata => metadata.map_err(failed)?,
            };
            let relative = path.strip_prefix(directory).unwrap_or(&path).as_os_str().as_bytes();
            if metadata.is_symlink() && is_shared_link(directory, relative) {
                let below = [relative, b"/"].concat();
                wanted.retain(|it, _| *it != relative && !it.starts_with(&below));
                continue;
            }
            let Some(entry) = wanted.remove(relative) else {
                if holds_only_shared(directory, Path::new(OsStr::from_bytes(relative))) {
                    continue;
                }
                let end = if metadata.is_dir() { "/" } else { "" };
                integrity.differs(|it| &mut it.extra, relative, end);
                continue;
            };
            if !metadata.is_dir() {
                integrity.files += 1;
                integrity.bytes += metadata.len();
            }
            if walk::entry_of(&path, &metadata).map_err(failed)?.as_ref() != Some(entry) {
                integrity.differs(|it| &mut it.altered, relative, "");
            }
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    Ok(())
}

fn below(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = fs::read_dir(directory).and_then(|it| it.map(|it| Ok(it?.path())).collect());
    let mut paths: Vec<PathBuf> = read.map_err(|error| file::failure("read", directory, &error))?;
    paths.sort_unstable();
    Ok(paths)
}
