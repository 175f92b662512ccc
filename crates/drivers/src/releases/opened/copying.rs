//! Copies what a survey found, by a few threads: what is hashed is the very bytes that are written.

use super::{
    Stop, below, changed,
    survey::{Directory, Found, Survey, joined},
    unread,
};
use crate::{
    file,
    releases::{
        content::Entry,
        placer::{MODE_OF_IMPLIED_DIRECTORY, set_mode},
        refusal::refused,
    },
};
use model::failure::{Blame, Failure};
use rustix::{
    fs::{self as unix, AtFlags, Mode, OFlags},
    io::{self as unix_io, Errno},
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

/// Threads that copy, at most; on fewer processors as many as there are.
const THREADS_MAX: usize = 4;
/// Files of one directory that a thread takes at a time: two in one directory would wait for each
/// other.
const FILES_AT_ONCE: usize = 64;
/// Of each thread; most files fit into it whole.
const BUFFER_BYTES: usize = 128 * 1024;

/// How far a copying is, seen from outside.
#[derive(Debug, Default)]
pub struct Told {
    taken: AtomicU64,
    total: AtomicU64,
    is_given_up: AtomicBool,
}

impl Told {
    /// Bytes that were taken, and that will be.
    pub fn bytes(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Nobody wants it any more: it ends soon, and fails.
    pub fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// Whether nobody wants it any more.
    pub fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }
}

/// Copies all of it to `place`, which is made.
pub(super) fn copy(
    root: &OwnedFd,
    place: &Path,
    survey: Survey,
    told: &Told,
) -> Result<BTreeMap<Vec<u8>, Entry>, Stop> {
    let place_fd = make_directories(place, &survey.directories)?;
    let copying = Copying {
        root,
        place,
        place_fd,
        pieces: pieces(&survey.directories),
        next: AtomicUsize::new(0),
        directories: &survey.directories,
        first_stop: Mutex::default(),
        told,
    };
    let count = thread::available_parallelism().map_or(1, |it| it.get()).min(THREADS_MAX);
    let copied = thread::scope(|scope| {
        let others: Vec<_> = (1..count)
            .filter_map(|at| {
                let named = thread::Builder::new().name(format!("copy-{at}"));
                // With fewer of them it takes longer, and that is all.
                named.spawn_scoped(scope, || copying.work()).ok()
            })
            .collect();
        let mut copied = copying.work();
        for other in others {
            copied.extend(other.join().unwrap_or_else(|_| copying.panicked()));
        }
        copied
    });
    let Copying { first_stop, place_fd, .. } = copying;
    if let Some(stop) = first_stop.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(stop);
    }
    let mut entries: BTreeMap<Vec<u8>, Entry> = copied.into_iter().collect();
    for directory in survey.directories.into_iter().skip(1) {
        entries.insert(directory.path, Entry::directory(directory.mode));
    }
    for (path, target) in survey.links {
        unix::symlinkat(OsStr::from_bytes(&target), &place_fd, OsStr::from_bytes(&path))
            .map_err(|it| unplaced(place, &path, it))?;
        entries.insert(path, Entry::link(target));
    }
    Ok(entries)
}

/// Makes all of them; gives the first, open.
fn make_directories(place: &Path, directories: &[Directory]) -> Result<OwnedFd, Stop> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .mode(MODE_OF_IMPLIED_DIRECTORY)
        .create(place)
        .map_err(|error| file::failure("make the directory", place, &error))?;
    set_mode(place, MODE_OF_IMPLIED_DIRECTORY)?;
    let place_fd = super::open(place).map_err(|it| file::failure("open", place, &it))?;
    for directory in directories.iter().skip(1) {
        let path = OsStr::from_bytes(&directory.path);
        let mode = Mode::from_raw_mode(directory.mode);
        unix::mkdirat(&place_fd, path, mode)
            // The umask took bits away.
            .and_then(|()| unix::chmodat(&place_fd, path, mode, AtFlags::empty()))
            .map_err(|it| unplaced(place, &directory.path, it))?;
    }
    Ok(place_fd)
}

/// Some files of one directory.
struct Piece {
    directory: usize,
    from: usize,
    to: usize,
}

fn pieces(directories: &[Directory]) -> Vec<Piece> {
    let mut pieces = vec![];
    for (directory, it) in directories.iter().enumerate() {
        for from in (0..it.files.len()).step_by(FILES_AT_ONCE) {
            let to = it.files.len().min(from + FILES_AT_ONCE);
            pieces.push(Piece { directory, from, to });
        }
    }
    pieces
}

struct Copying<'a> {
    root: &'a OwnedFd,
    place: &'a Path,
    place_fd: OwnedFd,
    directories: &'a [Directory],
    pieces: Vec<Piece>,
    next: AtomicUsize,
    /// Why all threads stop.
    first_stop: Mutex<Option<Stop>>,
    told: &'a Told,
}

impl Copying<'_> {
    /// What one thread does: takes pieces until there are none, or any thread failed.
    fn work(&self) -> Vec<(Vec<u8>, Entry)> {
        let mut copied = vec![];
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Some(piece) = self.pieces.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(stop) = self.copy_piece(piece, &mut buffer, &mut copied) {
                self.stop(stop);
            }
        }
        copied
    }

    /// The others find no more pieces.
    fn stop(&self, stop: Stop) {
        self.next.store(self.pieces.len(), Ordering::Relaxed);
        let mut first = self.first_stop.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(stop);
    }

    fn panicked(&self) -> Vec<(Vec<u8>, Entry)> {
        self.stop(Failure::new(Blame::Us, "copy what was handed over: a thread broke off").into());
        vec![]
    }

    fn copy_piece(
        &self,
        piece: &Piece,
        buffer: &mut [u8],
        copied: &mut Vec<(Vec<u8>, Entry)>,
    ) -> Result<(), Stop> {
        let directory = &self.directories[piece.directory];
        let from = below(self.root, &directory.path, OFlags::PATH);
        let from = from.map_err(|it| unread(&directory.path, it))?;
        let to = below(&self.place_fd, &directory.path, OFlags::PATH);
        let to = to.map_err(|it| unplaced(self.place, &directory.path, it))?;
        for found in &directory.files[piece.from..piece.to] {
            let path = joined(&directory.path, found.name.as_bytes());
            let entry = self.copy_file(&from, &to, found, &path, buffer)?;
            copied.push((path, entry));
        }
        Ok(())
    }

    fn copy_file(
        &self,
        from: &OwnedFd,
        to: &OwnedFd,
        found: &Found,
        path: &[u8],
        buffer: &mut [u8],
    ) -> Result<Entry, Stop> {
        let odd = |it: Errno| unread(path, it);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source = unix::openat(from, &found.name, flags, Mode::empty()).map_err(odd)?;
        let stat = unix::fstat(&source).map_err(odd)?;
        let is_file = unix::FileType::from_raw_mode(stat.st_mode) == unix::FileType::RegularFile;
        if !is_file || u64::try_from(stat.st_size).ok() != Some(found.bytes) {
            return Err(changed(path).into());
        }
        let made = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let unplaced = |it: Errno| unplaced(self.place, path, it);
        let file =
            unix::openat(to, &found.name, made, Mode::RUSR | Mode::WUSR).map_err(unplaced)?;
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        loop {
            let read = until_done(|| unix_io::read(&source, &mut *buffer)).map_err(odd)?;
            hasher.update(&buffer[..read]);
            let mut written = 0;
            while written < read {
                written += until_done(|| unix_io::write(&file, &buffer[written..read]))
                    .map_err(unplaced)?;
            }
            bytes += read as u64;
            self.told.taken.fetch_add(read as u64, Ordering::Relaxed);
            if self.told.is_given_up() {
                return Err(given_up().into());
            }
            // A file gives as much as is asked for, until its end.
            if read < buffer.len() || bytes > found.bytes {
                break;
            }
        }
        if bytes != found.bytes {
            return Err(changed(path).into());
        }
        let entry = Entry::file(stat.st_mode, &hasher.finalize(), bytes);
        unix::fchmod(&file, Mode::from_raw_mode(entry.mode)).map_err(unplaced)?;
        Ok(entry)
    }
}

fn until_done(mut call: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

fn given_up() -> Failure {
    Failure::new(Blame::Request, "take what was handed over: whoever handed it over went away")
}

fn unplaced(place: &Path, path: &[u8], error: Errno) -> Stop {
    let failure = match error {
        Errno::NAMETOOLONG => refused(path, "has too long a name for this machine")
            .hint("shorten it: a name has 255 bytes at most, a whole path about 4000"),
        _ => file::failure("copy to", &place.join(OsStr::from_bytes(path)), &error.into()),
    };
    Stop::Failure(failure)
}
