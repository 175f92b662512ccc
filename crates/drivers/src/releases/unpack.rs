//! Unpacks a tar stream that nobody vouches for into a new directory.
//!
//! Every parent of a written path is a directory that was made here, so no link is ever followed;
//! and no link that leads out of the directory is left in it.

use super::{
    archive::{Head, Heads},
    content::{Content, Entry, Kind},
    walk,
};
use crate::file;
use model::failure::{Blame, Failure};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{self, BufReader, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};
use tar::EntryType;

/// Files, directories and links.
pub const ENTRIES_MAX: usize = 200_000;
/// Of one path, and of one link's target.
pub const PATH_BYTES_MAX: usize = 4096;
/// Directories above a file, and itself.
pub const DEPTH_MAX: usize = 64;
/// Sum of all files.
pub const BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Links that are followed to find where one leads.
const LINK_HOPS_MAX: usize = 40;

const MODE_OF_IMPLIED_DIRECTORY: u32 = 0o755;

/// Unpacks all of `reader` into `directory`, which is made.
pub(super) fn unpack(reader: impl Read, directory: &Path) -> Result<Content, Failure> {
    make_directory(directory, MODE_OF_IMPLIED_DIRECTORY)?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(128 * 1024, reader));
    let mut unpacking =
        Unpacking { directory, content: Content::default(), implied: BTreeSet::new(), bytes: 0 };
    let mut heads = Heads::default();
    let entries = archive.entries().map_err(|error| unread(&error))?.raw(true);
    for entry in entries {
        let mut entry = entry.map_err(|error| unread(&error))?;
        if let Some(head) = heads.next(&mut entry)? {
            unpacking.add(&head, &mut entry)?;
        }
    }
    unpacking.refuse_links_out()?;
    Ok(unpacking.content)
}

struct Unpacking<'a> {
    directory: &'a Path,
    content: Content,
    /// Made for what is below them; may still be said.
    implied: BTreeSet<Vec<u8>>,
    bytes: u64,
}

impl Unpacking<'_> {
    fn add(&mut self, head: &Head, data: &mut dyn Read) -> Result<(), Failure> {
        let Some(path) = relative(&head.path)? else { return Ok(()) };
        if self.content.entries.contains_key(&path) && !self.is_implied(&path, head) {
            return Err(refused(&path, "is there twice"));
        }
        if self.content.entries.len() >= ENTRIES_MAX {
            return Err(beyond(&format!("more than {ENTRIES_MAX} files and directories")));
        }
        self.make_parents(&path)?;
        let place = self.place(&path);
        let entry = match head.kind {
            EntryType::Directory => self.add_directory(&path, &place, head.mode)?,
            EntryType::Regular | EntryType::Continuous => self.add_file(&place, head, data)?,
            EntryType::Symlink => self.add_link(&path, &place, &head.link)?,
            EntryType::Link => self.add_copy(&path, &place, &head.link)?,
            _ => return Err(refused(&path, "is neither a file, a directory nor a link")),
        };
        self.content.entries.insert(path, entry);
        Ok(())
    }

    fn is_implied(&mut self, path: &[u8], head: &Head) -> bool {
        head.kind == EntryType::Directory && self.implied.remove(path)
    }

    fn place(&self, path: &[u8]) -> PathBuf {
        self.directory.join(OsStr::from_bytes(path))
    }

    fn make_parents(&mut self, path: &[u8]) -> Result<(), Failure> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for (end, _) in ends {
            let parent = &path[..end];
            match self.content.entries.get(parent).map(|it| &it.kind) {
                Some(Kind::Directory) => {}
                Some(_) => return Err(refused(path, "lies below what is no directory")),
                None => {
                    make_directory(&self.place(parent), MODE_OF_IMPLIED_DIRECTORY)?;
                    let entry = Entry::directory(MODE_OF_IMPLIED_DIRECTORY);
                    self.content.entries.insert(parent.to_vec(), entry);
                    self.implied.insert(parent.to_vec());
                }
            }
        }
        Ok(())
    }

    fn add_directory(&self, path: &[u8], place: &Path, mode: u32) -> Result<Entry, Failure> {
        let entry = Entry::directory(mode);
        if self.content.entries.contains_key(path) {
            set_mode(place, entry.mode)?;
        } else {
            make_directory(place, entry.mode)?;
        }
        Ok(entry)
    }

    fn add_file(
        &mut self,
        place: &Path,
        head: &Head,
        data: &mut dyn Read,
    ) -> Result<Entry, Failure> {
        self.bytes = self.bytes.saturating_add(head.bytes);
        if self.bytes > BYTES_MAX {
            return Err(beyond(&format!("more than {BYTES_MAX} bytes")));
        }
        let written = create(place).and_then(|mut file| {
            let copied = walk::copy_hashed(data, &mut file)?;
            file.set_permissions(fs::Permissions::from_mode(head.mode & 0o777 | 0o600))?;
            Ok(copied)
        });
        let (hash, bytes) = written.map_err(|error| file::failure("unpack", place, &error))?;
        if bytes != head.bytes {
            return Err(unread(&io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        Ok(Entry::file(head.mode, &hash, bytes))
    }

    fn add_link(&self, path: &[u8], place: &Path, target: &[u8]) -> Result<Entry, Failure> {
        if target.is_empty() || target.len() > PATH_BYTES_MAX || target.contains(&0) {
            return Err(refused(path, "is a link without a proper target"));
        }
        symlink(OsStr::from_bytes(target), place)
            .map_err(|error| file::failure("unpack", place, &error))?;
        Ok(Entry::link(target.to_vec()))
    }

    /// A hard link becomes a file of its own: a release's files are never shared.
    fn add_copy(&mut self, path: &[u8], place: &Path, target: &[u8]) -> Result<Entry, Failure> {
        let target = relative(target)?.unwrap_or_default();
        let Some(Entry { mode, kind: Kind::File { bytes, .. } }) =
            self.content.entries.get(&target).cloned()
        else {
            return Err(refused(path, "is a hard link to what is no file before it"));
        };
        let head = Head { mode, bytes, ..Head::default() };
        let from = self.place(&target);
        let mut data = walk::open_file(&from).map_err(|it| file::failure("read", &from, &it))?;
        self.add_file(place, &head, &mut data)
    }

    fn refuse_links_out(&self) -> Result<(), Failure> {
        for (path, entry) in &self.content.entries {
            if let Kind::Link { target } = &entry.kind
                && !leads_inside(&self.content, path, target)
            {
                let target = String::from_utf8_lossy(target);
                return Err(refused(path, &format!("is a link out of the release, to `{target}`"))
                    .hint("make it a relative link to what is sent too, or leave it out"));
            }
        }
        Ok(())
    }
}

/// Whether the link at `path`, followed as the kernel would, stays in the content.  What it leads
/// to need not exist.
pub(super) fn leads_inside(content: &Content, path: &[u8], target: &[u8]) -> bool {
    let mut at: Vec<Vec<u8>> = components(path);
    at.pop();
    let mut rest: Vec<Vec<u8>> = components(target);
    rest.reverse();
    if target.starts_with(b"/") {
        return false;
    }
    let mut hops = 0;
    while let Some(next) = rest.pop() {
        match next.as_slice() {
            b".." if at.pop().is_none() => return false,
            b"." | b".." => continue,
            _ => at.push(next),
        }
        let Some(Entry { kind: Kind::Link { target }, .. }) = content.entries.get(&at.join(&b'/'))
        else {
            continue;
        };
        hops += 1;
        if hops > LINK_HOPS_MAX || target.starts_with(b"/") {
            return false;
        }
        at.pop();
        rest.extend(components(target).into_iter().rev());
    }
    true
}

fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|it| !it.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The path without `./` and a trailing slash; none for the directory itself.
fn relative(path: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    if path.len() > PATH_BYTES_MAX {
        return Err(refused(&path[..PATH_BYTES_MAX], "has too long a path"));
    }
    if path.starts_with(b"/") {
        return Err(refused(path, "has an absolute path"));
    }
    let parts: Vec<Vec<u8>> =
        components(path).into_iter().filter(|part| part.as_slice() != b".").collect();
    if parts.iter().any(|part| part.as_slice() == b"..") {
        return Err(refused(path, "leads out by `..`"));
    }
    if path.contains(&0) {
        return Err(refused(path, "has a NUL in its path"));
    }
    if parts.len() > DEPTH_MAX {
        return Err(refused(path, &format!("lies more than {DEPTH_MAX} directories deep")));
    }
    Ok(if parts.is_empty() { None } else { Some(parts.join(&b'/')) })
}

fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn make_directory(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .mode(mode)
        .create(path)
        .map_err(|error| file::failure("make the directory", path, &error))?;
    set_mode(path, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| file::failure("set the mode of", path, &error))
}

pub(super) fn refused(path: &[u8], why: &str) -> Failure {
    let path = String::from_utf8_lossy(path);
    Failure::new(Blame::Request, format!("take what was sent: `{}` {why}", path.escape_debug()))
}

pub(super) fn beyond(what: &str) -> Failure {
    Failure::new(Blame::Request, format!("take what was sent: it has {what}"))
        .hint("leave out what the release does not need, such as caches and build directories")
}

pub(super) fn unread(error: &io::Error) -> Failure {
    Failure::new(Blame::Request, format!("read what was sent as a tar archive: {error}"))
        .hint("send it again: the connection may have been cut")
}
