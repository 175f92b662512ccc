//! Puts what arrives into a new directory, trusting none of it.
//!
//! Every parent of a written path is a directory that was made here, so no link is ever followed;
//! and no link that leads out of the directory is left in it.

use super::{
    collision::Names,
    content::{Content, Entry, Kind},
    growth::Growth,
    left_out::is_below_left_out,
    limits::{BYTES_MAX, DEPTH_MAX, ENTRIES_MAX, NAMES_BYTES_MAX, PATH_BYTES_MAX},
    refusal::{beyond, cut, refused, shown, unread},
    walk,
};
use crate::file;
use model::failure::Failure;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    rc::Rc,
};

/// Of directories that nobody said anything of.
pub(super) const MODE_OF_IMPLIED_DIRECTORY: u32 = 0o755;

/// Who packed what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packer {
    /// Our own command line or `git`, from a directory that may hold any names.
    Known,
    /// Anybody.
    Unknown,
}

/// What an entry says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    pub(super) what: What,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Directory,
    File {
        bytes: u64,
    },
    Link {
        target: Vec<u8>,
    },
    /// A hard link.
    Copy {
        of: Vec<u8>,
    },
}

/// All that was placed.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) content: Content,
    /// Paths that stayed behind, the first of them.
    pub(super) left_out: Vec<Vec<u8>>,
    /// The directory itself was said: nothing wraps what is in it.
    pub(super) is_root_said: bool,
}

/// Paths in [`Placed::left_out`].
const LEFT_OUT_LISTED_MAX: usize = 100;

/// Places one entry after the other.
pub(super) struct Placer<'a> {
    directory: &'a Path,
    packer: Packer,
    placed: Placed,
    names: Names,
    /// Made for what is below them; may still be said.
    implied: BTreeSet<Vec<u8>>,
    entries: usize,
    names_bytes: usize,
    bytes: u64,
    growth: Rc<Growth>,
}

impl Placer<'_> {
    /// Into `directory`, which is made.
    pub(super) fn new(
        directory: &Path,
        packer: Packer,
        growth: Rc<Growth>,
    ) -> Result<Placer<'_>, Failure> {
        fs::DirBuilder::new()
            .mode(MODE_OF_IMPLIED_DIRECTORY)
            .create(directory)
            .map_err(|error| file::failure("make the directory", directory, &error))?;
        set_mode(directory, MODE_OF_IMPLIED_DIRECTORY)?;
        Ok(Placer {
            directory,
            packer,
            placed: Placed { content: Content::default(), left_out: vec![], is_root_said: false },
            names: Names::default(),
            implied: BTreeSet::new(),
            entries: 0,
            names_bytes: 0,
            bytes: 0,
            growth,
        })
    }

    /// Places an entry; a file's content is the whole of `data`.
    pub(super) fn place(&mut self, head: &Head, data: &mut dyn Read) -> Result<(), Failure> {
        let Some(path) = relative(&head.path)? else {
            self.placed.is_root_said = true;
            return expect_directory(head);
        };
        if head.path.ends_with(b"/") || head.path.ends_with(b"/.") {
            expect_directory(head)?;
        }
        if self.packer == Packer::Unknown && is_below_left_out(&path) {
            return self.leave_out(path, head, data);
        }
        let is_implied = head.what == What::Directory && self.implied.remove(&path);
        if !is_implied {
            if self.placed.content.entries.contains_key(&path) {
                return Err(refused(&path, "is there twice"));
            }
            self.make_parents(&path)?;
            self.admit(&path)?;
        }
        let entry = match &head.what {
            What::Directory => self.add_directory(&path, head.mode, is_implied)?,
            What::File { bytes } => self.add_file(&path, head.mode, *bytes, data)?,
            What::Link { target } => self.add_link(&path, target)?,
            What::Copy { of } => self.add_copy(&path, of)?,
        };
        self.placed.content.entries.insert(path, entry);
        Ok(())
    }

    /// What was placed.
    pub(super) fn finish(self) -> Placed {
        self.placed
    }

    /// Counts a path that is new.
    fn admit(&mut self, path: &[u8]) -> Result<(), Failure> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(beyond(&format!("more than {ENTRIES_MAX} files and directories")));
        }
        self.count_name(path)?;
        if self.packer == Packer::Unknown { self.names.admit(path) } else { Ok(()) }
    }

    fn count_name(&mut self, name: &[u8]) -> Result<(), Failure> {
        self.names_bytes += name.len();
        if self.names_bytes > NAMES_BYTES_MAX {
            return Err(beyond(&format!("more than {NAMES_BYTES_MAX} bytes of names")));
        }
        Ok(())
    }

    fn count_bytes(&mut self, path: &[u8], bytes: u64) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > BYTES_MAX {
            let most = format!("would make it more than {BYTES_MAX} bytes");
            return Err(refused(path, &most).hint("leave out what the release does not need"));
        }
        Ok(())
    }

    fn leave_out(
        &mut self,
        path: Vec<u8>,
        head: &Head,
        data: &mut dyn Read,
    ) -> Result<(), Failure> {
        self.admit(&path)?;
        if let What::File { bytes } = head.what {
            self.count_bytes(&path, bytes)?;
            let mut source =
                Source { data: &mut data.take(bytes.saturating_add(1)), is_broken: false };
            let copied = io::copy(&mut source, &mut io::sink());
            refuse_other_length(&path, copied.map_err(|it| unread(&path, &it))?, bytes)?;
        }
        if self.placed.left_out.len() < LEFT_OUT_LISTED_MAX {
            self.placed.left_out.push(path);
        }
        Ok(())
    }

    fn path(&self, path: &[u8]) -> PathBuf {
        self.directory.join(OsStr::from_bytes(path))
    }

    fn make_parents(&mut self, path: &[u8]) -> Result<(), Failure> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for (end, _) in ends {
            let parent = &path[..end];
            match self.placed.content.entries.get(parent).map(|it| &it.kind) {
                Some(Kind::Directory) => {}
                Some(_) => return Err(refused(path, "lies below what is no directory")),
                None => {
                    self.admit(parent)?;
                    self.make_directory(parent, MODE_OF_IMPLIED_DIRECTORY)?;
                    let entry = Entry::directory(MODE_OF_IMPLIED_DIRECTORY);
                    self.placed.content.entries.insert(parent.to_vec(), entry);
                    self.implied.insert(parent.to_vec());
                }
            }
        }
        Ok(())
    }

    fn add_directory(&self, path: &[u8], mode: u32, is_there: bool) -> Result<Entry, Failure> {
        let entry = Entry::directory(mode);
        if is_there {
            set_mode(&self.path(path), entry.mode)?;
        } else {
            self.make_directory(path, entry.mode)?;
        }
        Ok(entry)
    }

    fn make_directory(&self, path: &[u8], mode: u32) -> Result<(), Failure> {
        let place = self.path(path);
        let made = fs::DirBuilder::new().mode(mode).create(&place);
        made.map_err(|error| unplaced(path, &place, &error))?;
        set_mode(&place, mode)
    }

    fn add_file(
        &mut self,
        path: &[u8],
        mode: u32,
        bytes: u64,
        data: &mut dyn Read,
    ) -> Result<Entry, Failure> {
        self.count_bytes(path, bytes)?;
        let place = self.path(path);
        let mut source = Source { data: &mut data.take(bytes.saturating_add(1)), is_broken: false };
        let written = create(&place).and_then(|mut file| {
            let copied = walk::copy_hashed(&mut source, &mut file)?;
            file.set_permissions(fs::Permissions::from_mode(mode & 0o777 | 0o600))?;
            Ok(copied)
        });
        let (hash, copied) = written.map_err(|error| {
            if source.is_broken { unread(path, &error) } else { unplaced(path, &place, &error) }
        })?;
        refuse_other_length(path, copied, bytes)?;
        Ok(Entry::file(mode, &hash, bytes))
    }

    fn add_link(&mut self, path: &[u8], target: &[u8]) -> Result<Entry, Failure> {
        if target.is_empty() || target.len() > PATH_BYTES_MAX || target.contains(&0) {
            return Err(refused(path, "is a link without a proper target"));
        }
        self.count_name(target)?;
        let place = self.path(path);
        symlink(OsStr::from_bytes(target), &place)
            .map_err(|error| unplaced(path, &place, &error))?;
        Ok(Entry::link(target.to_vec()))
    }

    /// A hard link becomes a file of its own: a release's files are never shared.
    fn add_copy(&mut self, path: &[u8], of: &[u8]) -> Result<Entry, Failure> {
        let Ok(of) = relative(of) else {
            let of = shown(of);
            return Err(refused(path, &format!("is a hard link out of the release, to `{of}`")));
        };
        let of = of.unwrap_or_default();
        let Some(Entry { mode, kind: Kind::File { bytes, .. } }) =
            self.placed.content.entries.get(&of).cloned()
        else {
            return Err(refused(path, "is a hard link to what is no file before it"));
        };
        self.growth.give(bytes).map_err(|error| unread(path, &error))?;
        let from = self.path(&of);
        let mut data = walk::open_file(&from).map_err(|it| file::failure("read", &from, &it))?;
        self.add_file(path, mode, bytes, &mut data)
    }
}

fn expect_directory(head: &Head) -> Result<(), Failure> {
    if head.what == What::Directory {
        return Ok(());
    }
    Err(refused(&head.path, "is no directory, but has a name that only a directory can have"))
}

/// Tells a read that failed from a write that failed.
struct Source<'a> {
    data: &'a mut dyn Read,
    /// The last read failed.
    is_broken: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.data.read(into);
        self.is_broken = read.is_err();
        read
    }
}

fn refuse_other_length(path: &[u8], read: u64, said: u64) -> Result<(), Failure> {
    match read.cmp(&said) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => {
            Err(cut(path, &format!("is cut off: {read} of {said} bytes are there")))
        }
        std::cmp::Ordering::Greater => {
            Err(refused(path, &format!("goes on after the {said} bytes that it says it has")))
        }
    }
}

/// The path without `./` and a trailing slash; none for the directory itself.
fn relative(path: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    if path.len() > PATH_BYTES_MAX {
        return Err(refused(&path[..PATH_BYTES_MAX], "has too long a path"));
    }
    if path.is_empty() {
        return Err(refused(b"an entry", "has no name"));
    }
    if path.starts_with(b"/") {
        return Err(refused(path, "has an absolute path"));
    }
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&b"..".as_slice()) {
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

/// Why something could not be put in its place.
fn unplaced(path: &[u8], place: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidFilename => refused(path, "has too long a name for this machine")
            .hint("shorten it: a name has 255 bytes at most, a whole path about 4000"),
        _ => file::failure("unpack", place, error),
    }
}

pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| file::failure("set the mode of", path, &error))
}
