//! The Unix socket at which an instance listens: what an earlier life left of it is removed, and
//! who may enter its directory may connect.

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, chmod, openat, statat},
    io::Errno,
};
use std::{fs, io, os::fd::AsRawFd, path::Path};

/// Who serves others through it, such as nginx, is another user.
const MODE_OPEN: Mode = Mode::from_raw_mode(0o666);

/// What was done about a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Whoever enters the directory may connect.
    Yes,
    /// It is not there yet.
    NotYet,
}

/// Removes what an earlier life left: whoever bound it is gone, and it would keep the next one from
/// binding.
///
/// # Errors
///
/// It cannot be removed, or is no socket.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(found) if is_socket(found.st_mode) => fs::remove_file(path),
        Ok(_) => Err(io::Error::other("something else than a socket is there")),
    }
}

/// Opens the socket to all who may enter its directory.  The instance's user may put anything
/// there: no link is followed, and nothing but a socket of that user is changed.
///
/// # Errors
///
/// It is no socket of the user's, or the system refuses.
pub(crate) fn open(path: &Path, user: u32) -> io::Result<Opened> {
    let found =
        match openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(Opened::NotYet),
            Err(error) => return Err(error.into()),
        };
    let seen = rustix::fs::fstat(&found)?;
    if !is_socket(seen.st_mode) || seen.st_uid != user || seen.st_nlink != 1 {
        return Err(io::Error::other("what is there is no socket of the instance's own"));
    }
    chmod(format!("/proc/self/fd/{}", found.as_raw_fd()), MODE_OPEN)?;
    Ok(Opened::Yes)
}

fn is_socket(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Socket
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{fs::PermissionsExt, net::UnixListener};

    #[test]
    fn a_socket_is_opened_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (path, user) = (folder.path().join("s"), rustix::process::geteuid().as_raw());
        assert_eq!(open(&path, user).unwrap(), Opened::NotYet);
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(open(&path, user).unwrap(), Opened::Yes);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        assert!(open(&path, user + 1).is_err(), "it is another user's");
        drop(listener);
        clear(&path).unwrap();
        clear(&path).unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&file, &path).unwrap();
        assert!(open(&path, user).is_err() && clear(&path).is_err());
        assert!(open(&file, user).is_err() && clear(&file).is_err());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
