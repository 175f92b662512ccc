//! The sending side of an upload: packs a directory into a tar stream.

use super::{
    content::{Content, Entry, Kind},
    left_out,
    limits::{DEPTH_MAX, ENTRIES_MAX},
    links::refuse_links_out,
    origin::Origin,
    refusal::{beyond, refused},
    walk::{self, Found},
};
use crate::file;
use model::failure::{Blame, Failure};
use std::{
    ffi::OsStr,
    fs, io,
    io::{Read, Write},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Of the artifact, as the receiver computes it.
    pub digest: String,
    /// Sum of the files.
    pub bytes: u64,
    /// Number of files and links.
    pub files: u64,
    /// One line a path, with hashes: what the digest is of.
    pub list: String,
    /// Paths that were left out since they are the repository's, or hold secrets.
    pub left_out: Vec<PathBuf>,
}

/// Paths in [`Packed::left_out`]; more are left out, but not listed.
const LEFT_OUT_LISTED_MAX: usize = 100;

/// Packs `directory` in sorted order, without owners and times, so that the same content gives the
/// same bytes.
///
/// Left out: `.git`, `.env` and `.env.*` (but `.env.example`) at any depth, `state_root` if it lies
/// inside, sockets, FIFOs and devices; of a release that is kept here, all that it did not bring.
/// Blocks.
pub fn pack(
    directory: &Path,
    state_root: Option<&Path>,
    writer: impl Write,
) -> Result<Packed, Failure> {
    let directory = fs::canonicalize(directory)
        .map_err(|error| blame_request(file::failure("read", directory, &error)))?;
    let state_root = state_root.and_then(|it| fs::canonicalize(it).ok());
    let mut packing = Packing {
        builder: tar::Builder::new(io::BufWriter::with_capacity(128 * 1024, writer)),
        content: Content::default(),
        left_out: vec![],
    };
    let origin = Origin::of(&directory);
    walk::walk(&directory, &mut |found| {
        if is_left_out(found, state_root.as_deref()) {
            packing.leave_out(found);
            return Ok(false);
        }
        if let Some(origin) = &origin {
            if !origin.brought(found.relative) {
                return Ok(false);
            }
            if let Some(original) = origin.original(&directory, found.relative) {
                packing.add_all(found.relative, &original)?;
                return Ok(false);
            }
        }
        packing.add(found).map_err(Problem)?;
        Ok::<bool, Problem>(true)
    })
    .map_err(|problem| problem.0)?;
    packing.finish()
}

/// Whether the directory is that of a release that is kept here.  Only [`pack`] knows what that
/// consists of: what lies in it may have been written since, and what it shares lies elsewhere.
pub fn is_kept(directory: &Path) -> bool {
    fs::canonicalize(directory).is_ok_and(|it| Origin::of(&it).is_some())
}

/// The digest of all that a directory holds, as [`pack`] gives it where nothing is left out.
pub fn tree_digest(directory: &Path) -> Result<String, Failure> {
    walk::content_of(directory)
        .map(|content| content.digest())
        .map_err(|error| file::failure("read", directory, &error))
}

struct Problem(Failure);

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        Problem(Failure::new(Blame::Request, format!("read the directory to send: {error}")))
    }
}

struct Packing<W: Write> {
    builder: tar::Builder<W>,
    content: Content,
    left_out: Vec<PathBuf>,
}

impl<W: Write> Packing<W> {
    fn leave_out(&mut self, found: &Found<'_>) {
        if self.left_out.len() < LEFT_OUT_LISTED_MAX {
            self.left_out.push(found.relative.to_path_buf());
        }
    }

    /// What lies elsewhere, under this path.
    fn add_all(&mut self, relative: &Path, place: &Path) -> Result<(), Problem> {
        let metadata = fs::symlink_metadata(place)?;
        self.add(&Found { relative, path: place, metadata: &metadata }).map_err(Problem)?;
        if !metadata.is_dir() {
            return Ok(());
        }
        walk::walk(place, &mut |found| {
            let relative = relative.join(found.relative);
            let found = Found { relative: &relative, ..*found };
            self.add(&found).map_err(Problem)?;
            Ok::<bool, Problem>(true)
        })
    }

    fn add(&mut self, found: &Found<'_>) -> Result<(), Failure> {
        if self.content.entries.len() >= ENTRIES_MAX {
            return Err(beyond(&format!("more than {ENTRIES_MAX} files and directories")));
        }
        if found.relative.components().count() > DEPTH_MAX {
            let why = format!("lies more than {DEPTH_MAX} directories deep");
            return Err(refused(found.relative.as_os_str().as_bytes(), &why));
        }
        let entry =
            if found.metadata.is_file() { self.add_file(found)? } else { self.add_other(found)? };
        if let Some(entry) = entry {
            self.content.entries.insert(found.relative.as_os_str().as_bytes().to_vec(), entry);
        }
        Ok(())
    }

    fn add_file(&mut self, found: &Found<'_>) -> Result<Option<Entry>, Failure> {
        let unread = |error: io::Error| blame_request(file::failure("read", found.path, &error));
        let file = walk::open_file(found.path).map_err(unread)?;
        let bytes = file.metadata().map_err(unread)?.len();
        let mut header = header(tar::EntryType::Regular, found.metadata.mode() & 0o777 | 0o600);
        header.set_size(bytes);
        let mut reader = Hashing::new(file.take(bytes));
        self.builder
            .append_data(&mut header, found.relative, &mut reader)
            .map_err(|error| unsent(&error))?;
        if reader.bytes != bytes {
            let path = found.path.display();
            let message = format!("read {path}: it changed while it was read");
            return Err(Failure::new(Blame::Request, message)
                .hint("send a directory that nothing writes to"));
        }
        Ok(Some(Entry::file(found.metadata.mode(), &reader.hasher.finalize(), bytes)))
    }

    fn add_other(&mut self, found: &Found<'_>) -> Result<Option<Entry>, Failure> {
        let entry = walk::entry_of(found.path, found.metadata)
            .map_err(|error| blame_request(file::failure("read", found.path, &error)))?;
        let added = match &entry {
            Some(Entry { mode, kind: Kind::Directory }) => {
                let mut header = header(tar::EntryType::Directory, *mode);
                self.builder.append_data(&mut header, found.relative, io::empty())
            }
            Some(Entry { mode, kind: Kind::Link { target } }) => {
                let mut header = header(tar::EntryType::Symlink, *mode);
                let target = OsStr::from_bytes(target);
                self.builder.append_link(&mut header, found.relative, target)
            }
            _ => Ok(()),
        };
        added.map_err(|error| unsent(&error))?;
        Ok(entry)
    }

    fn finish(self) -> Result<Packed, Failure> {
        refuse_links_out(&self.content)?;
        let mut writer = self.builder.into_inner().map_err(|error| unsent(&error))?;
        writer.flush().map_err(|error| unsent(&error))?;
        let list = self.content.text();
        Ok(Packed {
            digest: blake3::hash(list.as_bytes()).to_hex().to_string(),
            bytes: self.content.bytes(),
            files: self.content.files(),
            list,
            left_out: self.left_out,
        })
    }
}

struct Hashing<R> {
    reader: R,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<R> Hashing<R> {
    fn new(reader: R) -> Hashing<R> {
        Hashing { reader, hasher: blake3::Hasher::new(), bytes: 0 }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

fn is_left_out(found: &Found<'_>, state_root: Option<&Path>) -> bool {
    let name = found.path.file_name().unwrap_or_default().as_bytes();
    let kind = found.metadata.file_type();
    let is_sent = kind.is_file() || kind.is_dir() || kind.is_symlink();
    left_out::is_left_out(name) || !is_sent || state_root == Some(found.path)
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

fn blame_request(failure: Failure) -> Failure {
    Failure { blame: Blame::Request, ..failure }
}

fn unsent(error: &io::Error) -> Failure {
    Failure::new(Blame::Platform, format!("send the release's content: {error}"))
}
