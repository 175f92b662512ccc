//! From what is asked for to an open file.  Blocks.

use super::{
    encoding::Encoding,
    kind,
    path::{Asked, is_hidden},
};
use crate::limits::FILE_CHUNK_BYTES;
use crate::route_file::Files;
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What answers where nothing is found, with status 404, if it is there.
const NOT_FOUND_PAGE: &str = "404.html";

/// What a static service serves.
#[derive(Debug)]
pub(crate) struct Folder {
    /// That of the release that serves, then those of earlier ones.
    roots: Vec<Root>,
    /// What all releases share; links may lead there.
    shared: Option<PathBuf>,
    index: Option<PathBuf>,
    fallback: Option<PathBuf>,
}

#[derive(Debug)]
struct Root {
    /// No link in it.
    release: PathBuf,
    directory: PathBuf,
}

/// What there is.
#[derive(Debug)]
pub(crate) enum Found {
    /// It.
    File(Opened),
    /// A directory that was asked for without a slash at its end.
    Directory,
    /// Nothing.
    Nothing,
    /// The release that serves has no files any more, or the file cannot be read.
    Failed(io::Error),
}

/// A file that is to be answered with.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(super) file: File,
    /// The content's, whatever file holds it.
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
    pub(super) inode: u64,
    pub(super) encoding: Option<Encoding>,
    /// 404 for the page that says so.
    pub(super) status: u16,
    /// All of it, where it is small.
    pub(super) small: Option<Vec<u8>>,
}

impl Folder {
    /// As a route file names it.
    pub(crate) fn new(files: &Files) -> Folder {
        // What is not there now may be there again when it is asked for.
        let real = |path: &str| fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
        let root = |it: &crate::route_file::FilesRoot| {
            let release = real(&it.release);
            Root { directory: release.join(&it.directory), release }
        };
        Folder {
            roots: files.roots.iter().map(root).collect(),
            shared: files.shared.as_deref().map(real),
            index: files.index.as_ref().map(PathBuf::from),
            fallback: files.fallback.as_ref().map(PathBuf::from),
        }
    }

    /// Looks for it.
    pub(crate) fn find(&self, asked: &Asked) -> Found {
        match self.look(asked) {
            Ok(Found::File(mut opened)) => match opened.read_if_small() {
                Ok(()) => Found::File(opened),
                Err(error) => Found::Failed(error),
            },
            Ok(found) => found,
            Err(error) => Found::Failed(error),
        }
    }

    fn look(&self, asked: &Asked) -> io::Result<Found> {
        let Some((own, earlier)) = self.roots.split_first() else { return Ok(Found::Nothing) };
        fs::metadata(&own.directory)?;
        let exact = if asked.is_directory {
            match &self.index {
                Some(index) => self.open(own, &asked.path.join(index))?,
                None => Entry::Nothing,
            }
        } else {
            self.open(own, &asked.path)?
        };
        match exact {
            Entry::File(opened) => return self.best(own, opened, asked).map(Found::File),
            Entry::Directory if self.has_index(own, &asked.path)? => return Ok(Found::Directory),
            Entry::Directory | Entry::Nothing => {}
        }
        if !asked.is_directory && !kind::is_page(&asked.path) {
            for root in earlier {
                if let Ok(Entry::File(opened)) = self.open(root, &asked.path) {
                    return self.best(root, opened, asked).map(Found::File);
                }
            }
        }
        let fallback = self.fallback.as_ref().filter(|_| asked.is_page());
        let instead = [(fallback.cloned(), 200), (Some(PathBuf::from(NOT_FOUND_PAGE)), 404)];
        for (path, status) in instead {
            let Some(path) = path else { continue };
            if let Entry::File(opened) = self.open(own, &path)? {
                let opened = self.best(own, opened, asked)?;
                return Ok(Found::File(Opened { status, ..opened }));
            }
        }
        Ok(Found::Nothing)
    }

    fn has_index(&self, root: &Root, path: &Path) -> io::Result<bool> {
        let Some(index) = &self.index else { return Ok(false) };
        Ok(matches!(self.open(root, &path.join(index))?, Entry::File(_)))
    }

    /// The same content, as the client likes it best.
    fn best(&self, root: &Root, opened: Opened, asked: &Asked) -> io::Result<Opened> {
        if !kind::may_be_compressed(&opened.path) {
            return Ok(opened);
        }
        for encoding in &asked.encodings {
            let mut beside = OsString::from(&opened.path);
            beside.push(encoding.suffix());
            if let Entry::File(compressed) = self.open(root, Path::new(&beside))? {
                let (path, encoding) = (opened.path, Some(*encoding));
                return Ok(Opened { path, encoding, ..compressed });
            }
        }
        Ok(opened)
    }

    fn open(&self, root: &Root, path: &Path) -> io::Result<Entry> {
        // Nobody's FIFO keeps a thread waiting.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let opened =
            OpenOptions::new().read(true).custom_flags(flags).open(root.directory.join(path));
        let file = match opened {
            Ok(file) => file,
            Err(error) if is_nothing(&error) => return Ok(Entry::Nothing),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !self.is_within(root, &file)? {
            return Ok(Entry::Nothing);
        }
        if metadata.is_dir() {
            return Ok(Entry::Directory);
        }
        if !metadata.is_file() {
            return Ok(Entry::Nothing);
        }
        Ok(Entry::File(Opened {
            path: path.to_owned(),
            bytes: metadata.len(),
            modified: metadata.modified()?,
            inode: metadata.ino(),
            encoding: None,
            status: 200,
            small: None,
            file,
        }))
    }

    /// Where it really lies, whatever links led to it: in the release, or in what is shared.
    fn is_within(&self, root: &Root, file: &File) -> io::Result<bool> {
        let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let mut places = [Some(&root.release), self.shared.as_ref()].into_iter().flatten();
        let below = places.find_map(|place| real.strip_prefix(place).ok());
        let hidden = |it: std::path::Component<'_>| is_hidden(&it.as_os_str().to_string_lossy());
        Ok(below.is_some_and(|it| !it.components().any(hidden)))
    }
}

enum Entry {
    File(Opened),
    Directory,
    Nothing,
}

/// Whether there is no such file for anybody who asks.
fn is_nothing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let odd = [Errno::LOOP, Errno::NXIO].map(|it| Some(it.raw_os_error()));
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::InvalidFilename
    ) || odd.contains(&error.raw_os_error())
}

impl Opened {
    /// A small file is read where it was opened: one turn instead of two.
    fn read_if_small(&mut self) -> io::Result<()> {
        if self.bytes > FILE_CHUNK_BYTES as u64 {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(self.bytes as usize);
        (&self.file).take(FILE_CHUNK_BYTES as u64).read_to_end(&mut bytes)?;
        self.bytes = bytes.len() as u64;
        self.small = Some(bytes);
        Ok(())
    }
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
