//! Reads a directory as content: in sorted order, following no link.

use super::content::{Content, Entry};
use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// On the stack: most files are small, and memory of their own for each would cost more than they.
const CHUNK_BYTES: usize = 64 * 1024;

/// One path that was found.
pub(super) struct Found<'a> {
    /// Below the walked directory.
    pub(super) relative: &'a Path,
    pub(super) path: &'a Path,
    pub(super) metadata: &'a Metadata,
}

/// Calls `visit` for each path below `directory`, parents first; where it says no, what is below is
/// left out.
pub(super) fn walk<E: From<io::Error>>(
    directory: &Path,
    visit: &mut dyn FnMut(&Found<'_>) -> Result<bool, E>,
) -> Result<(), E> {
    let mut open: Vec<PathBuf> = below(directory)?;
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        let relative = path.strip_prefix(directory).unwrap_or(&path);
        let wanted = visit(&Found { relative, path: &path, metadata: &metadata })?;
        if wanted && metadata.is_dir() {
            open.extend(below(&path)?);
        }
    }
    Ok(())
}

/// What a directory holds, read whole.  Whatever is no file, directory or link is left out.
pub(super) fn content_of(directory: &Path) -> io::Result<Content> {
    let mut content = Content::default();
    walk(directory, &mut |found| {
        if let Some(entry) = entry_of(found.path, found.metadata)? {
            content.entries.insert(found.relative.as_os_str().as_bytes().to_vec(), entry);
        }
        Ok::<_, io::Error>(true)
    })?;
    Ok(content)
}

/// One path's entry; none for sockets, FIFOs and devices.
pub(super) fn entry_of(path: &Path, metadata: &Metadata) -> io::Result<Option<Entry>> {
    if metadata.is_dir() {
        Ok(Some(Entry::directory(metadata.mode())))
    } else if metadata.is_symlink() {
        let target = fs::read_link(path)?.into_os_string().into_vec();
        Ok(Some(Entry::link(target)))
    } else if metadata.is_file() {
        let (hash, bytes) = copy_hashed(&mut open_file(path)?, &mut io::sink())?;
        Ok(Some(Entry::file(metadata.mode(), &hash, bytes)))
    } else {
        Ok(None)
    }
}

/// Opened without following a link that took the file's place.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Copies all of `from`; gives the hash and the number of what was copied.
pub(super) fn copy_hashed(
    from: &mut dyn Read,
    to: &mut dyn io::Write,
) -> io::Result<(blake3::Hash, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = [0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok((hasher.finalize(), bytes)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        hasher.update(&chunk[..read]);
        to.write_all(&chunk[..read])?;
        bytes += read as u64;
    }
}

/// In reverse order, so that the last is visited first.
fn below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|it| Ok(it?.path())).collect::<io::Result<_>>()?;
    paths.sort_unstable_by(|one, other| other.cmp(one));
    Ok(paths)
}
