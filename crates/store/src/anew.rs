//! A journal that begins anew, in the place of one that cannot be used.

use crate::{
    open::{self, FILE_NAME, OpenError},
    store::Store,
};
use model::id::Epoch;
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// What SQLite keeps beside the database.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Puts the journal aside, under its name and `mark`, and begins an empty one after this epoch.
/// Returns it, and the names of what was put aside.
///
/// # Errors
///
/// Where a controller has the journal, something of that mark is there already, or the disk does
/// not take it.
pub fn anew(root: &Path, mark: &str, after: Epoch) -> Result<(Store, Vec<PathBuf>), OpenError> {
    let root = open::checked_root(root)?;
    let lock = open::take_lock(&root)?;
    let path = root.join(FILE_NAME);
    let aside = put_aside(&root, mark).map_err(|it| OpenError::platform("put aside", &path, it))?;
    Ok((open::begin(&root, lock, Some(after), |_| Ok(()))?, aside))
}

/// All of it or nothing: whatever of it is there afterwards belongs together.
fn put_aside(root: &Path, mark: &str) -> io::Result<Vec<PathBuf>> {
    let named = |suffix: &str, mark: &str| {
        let mut name = OsString::from(FILE_NAME);
        name.push(mark);
        name.push(suffix);
        root.join(name)
    };
    let mark = format!(".{mark}");
    let mut moved = vec![];
    for suffix in SUFFIXES {
        let (from, to) = (named(suffix, ""), named(suffix, &mark));
        if to.exists() {
            return Err(io::Error::new(ErrorKind::AlreadyExists, to.display().to_string()));
        }
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => {
                renamed?;
                moved.push(to);
            }
        }
    }
    File::open(root)?.sync_all()?;
    Ok(moved)
}
