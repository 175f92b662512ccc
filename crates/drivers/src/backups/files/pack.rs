//! A directory, or a file, as an archive.

use super::{DEPTH_MAX, ROOT};
use crate::{backups::bounds::Bounds, file};
use model::failure::{Blame, Failure};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use std::{
    ffi::{CString, OsStr},
    fs::File,
    io::{self, Read, Write},
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

/// Writes an archive of what lies at `path`.  Sockets, FIFOs and devices are left out.
pub(in crate::backups) fn pack(
    bounds: &Bounds<'_>,
    path: &Path,
    to: &mut dyn Write,
) -> Result<(), Failure> {
    let name = CString::new(path.as_os_str().as_bytes());
    let name = name.map_err(|_| Failure::new(Blame::Request, "back up a path with a NUL"))?;
    let mut packing = Packing { bounds, tar: tar::Builder::new(to), given_up: None };
    let packed = packing.add(CWD, &name, Path::new(ROOT), 0);
    if let Some(failure) = packing.given_up.take() {
        return Err(failure);
    }
    packed.and_then(|()| packing.tar.finish()).map_err(|error| {
        let failure = file::failure("back up", path, &error);
        match rustix::io::Errno::from_io_error(&error) {
            Some(rustix::io::Errno::LOOP) => failure.hint("name the directory it leads to"),
            _ => failure,
        }
    })
}

struct Packing<'p> {
    bounds: &'p Bounds<'p>,
    tar: tar::Builder<&'p mut dyn Write>,
    given_up: Option<Failure>,
}

impl Packing<'_> {
    fn add(
        &mut self,
        directory: impl AsFd,
        name: &CString,
        shown: &Path,
        depth: usize,
    ) -> io::Result<()> {
        if let Err(failure) = self.bounds.wanted() {
            self.given_up = Some(failure);
            return Err(io::ErrorKind::Interrupted.into());
        }
        let found = match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            // Removed since it was listed.
            Err(rustix::io::Errno::NOENT) if depth > 0 => return Ok(()),
            found => found?,
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {
                let opened = openat(&directory, name, flags | OFlags::DIRECTORY, Mode::empty())?;
                let mut header = header(&found, tar::EntryType::Directory);
                self.tar.append_data(&mut header, shown, io::empty())?;
                self.below(&opened, shown, depth)
            }
            FileType::RegularFile => {
                let opened = openat(&directory, name, flags, Mode::empty())?;
                let file = File::from(opened);
                let mut header = header(&found, tar::EntryType::Regular);
                let bytes = u64::try_from(found.st_size).unwrap_or_default();
                header.set_size(bytes);
                self.tar.append_data(&mut header, shown, Padded { file, left: bytes })
            }
            FileType::Symlink if depth == 0 => Err(rustix::io::Errno::LOOP.into()),
            FileType::Symlink => {
                let target = readlinkat(&directory, name, vec![])?;
                let mut header = header(&found, tar::EntryType::Symlink);
                self.tar.append_link(&mut header, shown, OsStr::from_bytes(target.as_bytes()))
            }
            _ => Ok(()),
        }
    }

    fn below(&mut self, directory: impl AsFd, shown: &Path, depth: usize) -> io::Result<()> {
        if depth >= DEPTH_MAX {
            return Err(io::Error::other("directories lie too deep within each other"));
        }
        let mut names: Vec<CString> = vec![];
        for entry in Dir::read_from(&directory)? {
            names.push(entry?.file_name().to_owned());
        }
        names.sort();
        let own = |it: &CString| matches!(it.as_bytes(), b"." | b"..");
        for name in names.iter().filter(|it| !own(it)) {
            let inner: PathBuf = shown.join(OsStr::from_bytes(name.as_bytes()));
            self.add(&directory, name, &inner, depth + 1)?;
        }
        Ok(())
    }
}

fn header(found: &Stat, kind: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(found.st_mode & 0o7777);
    header.set_uid(found.st_uid.into());
    header.set_gid(found.st_gid.into());
    header.set_mtime(u64::try_from(found.st_mtime).unwrap_or_default());
    header.set_size(0);
    header
}

/// As many bytes as the file had: what it grew by since is left out, what it lost is zeros.
struct Padded {
    file: File,
    left: u64,
}

impl Read for Padded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..most];
        let mut read = self.file.read(buffer)?;
        if read == 0 {
            buffer.fill(0);
            read = buffer.len();
        }
        self.left -= read as u64;
        Ok(read)
    }
}
