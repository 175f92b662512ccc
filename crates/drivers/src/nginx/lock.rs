//! One at a time changes what nginx includes.

use crate::file;
use model::failure::Failure;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    path::Path,
};

/// Held until it is dropped, or its process ends.
pub(super) struct Held {
    _file: File,
}

/// None: another has it.
pub(super) fn take(directory: &Path) -> Result<Option<Held>, Failure> {
    let path = directory.join("lock");
    file::make_directory(directory, file::MODE_PUBLIC_DIRECTORY)
        .map_err(|error| super::place::failed("make", directory, &error))?;
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let opened = opened.map_err(|error| super::place::failed("open", &path, &error))?;
    let taken = flock(&opened, FlockOperation::NonBlockingLockExclusive).is_ok();
    Ok(taken.then_some(Held { _file: opened }))
}
