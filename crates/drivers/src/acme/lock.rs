//! One process at a time asks authorities.

use crate::file;
use model::failure::Failure;
use proxy::challenge::acme_directory;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    path::Path,
    time::{Duration, Instant},
};

/// How long somebody who waits for it is patient.
const WAIT_MAX: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

/// Held until it is dropped, or its process ends.
pub(super) struct Held {
    _file: File,
}

/// None: another has it.
pub(super) fn take(root: &Path) -> Result<Option<Held>, Failure> {
    let directory = acme_directory(root);
    let path = directory.join("lock");
    let opened = file::make_directory(&directory, file::MODE_PRIVATE_DIRECTORY)
        .and_then(|()| OpenOptions::new().create(true).truncate(false).write(true).open(&path));
    let opened = opened.map_err(|error| file::failure("open", &path, &error))?;
    let taken = flock(&opened, FlockOperation::NonBlockingLockExclusive).is_ok();
    Ok(taken.then_some(Held { _file: opened }))
}

/// Waits for it a while.
pub(super) async fn take_within(root: &Path) -> Result<Option<Held>, Failure> {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        match take(root)? {
            None if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            taken => return Ok(taken),
        }
    }
}
