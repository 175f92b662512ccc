//! The one place that writes whole files and swaps links.
//!
//! After a power cut each of them is the old or the new, never a part of either.

use model::failure::{Blame, Failure};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// For directories that only we read.
pub const MODE_PRIVATE_DIRECTORY: u32 = 0o700;
/// For directories that instances of other users must pass.
pub const MODE_PUBLIC_DIRECTORY: u32 = 0o755;
/// For files that may hold secrets.
pub const MODE_PRIVATE: u32 = 0o600;
/// For files that anybody may read.
pub const MODE_PUBLIC: u32 = 0o644;

static TEMPORARY_COUNT: AtomicU64 = AtomicU64::new(0);

/// Replaces `path` with `bytes`, durable when it returns.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| {
            // The umask took bits away from what `open` was given.
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    finish(written, &temporary, path)
}

/// Makes `link` point at `target`, whether or not it existed; there is no instant without it.
pub fn swap_link(link: &Path, target: &Path) -> io::Result<()> {
    if fs::read_link(link).is_ok_and(|now| now == target) {
        return Ok(());
    }
    let temporary = temporary_beside(link);
    let swapped = symlink(target, &temporary).and_then(|()| fs::rename(&temporary, link));
    finish(swapped, &temporary, link)
}

/// Moves a whole directory or file to a name beside it or elsewhere on the same file system.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)?;
    if from.parent() == to.parent() { Ok(()) } else { sync_parent(from) }
}

/// Makes a directory and those above it; what exists is left as it is.
pub fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent, MODE_PUBLIC_DIRECTORY)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    sync_parent(path)
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes a directory with all it holds, following no link; one that is not there is no error.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Reads a file whole; none if it is not there.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// What an operator is told of a failed call.  `doing` reads on from "failed to".
pub fn failure(doing: &str, path: &Path, error: &io::Error) -> Failure {
    // A name may come from an upload: what it holds must not reach a terminal as it is.
    let shown = path.to_string_lossy();
    let message = format!("{doing} {}: {error}", shown.escape_debug());
    let failure = Failure::new(Blame::Platform, message);
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            failure.hint("free space on this file system, then try again")
        }
        ErrorKind::PermissionDenied => {
            failure.hint("run as the user who owns the state directory, or choose another --root")
        }
        ErrorKind::ReadOnlyFilesystem => {
            failure.hint("mount the file system for writing, or choose another --root")
        }
        _ => failure,
    }
}

fn finish(result: io::Result<()>, temporary: &Path, path: &Path) -> io::Result<()> {
    if result.is_err() {
        // The first error is what counts; the leftover has a name that nothing reads.
        let _ = fs::remove_file(temporary);
        return result;
    }
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

fn temporary_beside(path: &Path) -> PathBuf {
    let count = TEMPORARY_COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{count}.new", std::process::id()));
    path.with_file_name(name)
}

/// The process that writes, or wrote, the temporary file of this name; none: it is no such file.
pub(crate) fn writer_of(name: &std::ffi::OsStr) -> Option<u32> {
    let mut parts = name.to_str()?.strip_prefix('.')?.strip_suffix(".new")?.rsplit('.');
    let count = parts.next()?;
    let writer = parts.next()?.parse().ok()?;
    count.bytes().all(|it| it.is_ascii_digit()).then_some(writer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_link_is_never_missing_while_it_is_swapped() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("current");
        swap_link(&link, Path::new("releases/0")).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut reads = 0u64;
                while !done.load(Ordering::Relaxed) {
                    let target = fs::read_link(&link).expect("the link is always there");
                    assert!(target.starts_with("releases"));
                    reads += 1;
                }
                reads
            });
            for count in 0..3_000 {
                swap_link(&link, Path::new(&format!("releases/{count}"))).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            assert!(reader.join().unwrap() > 0);
        });
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_written_file_has_its_mode_whatever_the_umask() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manifest.json");
        write(&path, b"one", MODE_PUBLIC).unwrap();
        write(&path, b"two", 0o666).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    }

    #[test]
    fn a_refused_write_leaves_the_old_and_no_leftover() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "x").unwrap();
        assert!(write(&path, b"one", MODE_PRIVATE).is_err());
        assert!(path.join("inside").is_file());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
