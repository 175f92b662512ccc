//! Where a release that is kept here came to be: what it consists of, whatever was added since.

use super::{
    content::Content,
    shared::{ORIGINALS, is_shared_link},
};
use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Of a directory that is a release's.
pub(super) struct Origin {
    content: Content,
    originals: PathBuf,
}

impl Origin {
    /// None where the directory is no release's, or nobody knows any more what it consists of.
    pub(super) fn of(directory: &Path) -> Option<Origin> {
        let releases = directory.parent().filter(|it| it.ends_with("releases"))?;
        let contents = releases.with_file_name("contents");
        let version = directory.file_name()?.to_str()?;
        let list = fs::read_to_string(contents.join(format!("{version}.list"))).ok()?;
        let brought = contents.join(format!("{version}.{}", model::shared::DIRECTORY));
        Some(Origin { content: Content::parse(&list)?, originals: brought.join(ORIGINALS) })
    }

    /// Whether the release brought something at this path.
    pub(super) fn brought(&self, relative: &Path) -> bool {
        self.content.entries.contains_key(relative.as_os_str().as_bytes())
    }

    /// Where that lies, if a link to what is shared is in its place.
    pub(super) fn original(&self, directory: &Path, relative: &Path) -> Option<PathBuf> {
        let name = relative.as_os_str().as_bytes();
        is_shared_link(directory, name).then(|| self.originals.join(OsStr::from_bytes(name)))
    }
}
