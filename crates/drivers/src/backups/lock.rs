//! One at a time makes, restores or removes backups of an environment.

use crate::{file, layout::Layout};
use model::{
    failure::{Blame, Failure},
    name::EnvironmentId,
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::File,
    thread,
    time::{Duration, Instant},
};

/// How long another is waited for.
const WAIT_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// Held until it is dropped, and given back by the kernel when we die.
pub(super) fn lock(layout: &Layout, environment: &EnvironmentId) -> Result<File, Failure> {
    let directory = layout.backups(environment);
    let made = file::make_directory(&directory, file::MODE_PRIVATE_DIRECTORY);
    made.map_err(|error| file::failure("make", &directory, &error))?;
    let path = layout.backups_lock(environment);
    let failed = |error: std::io::Error| file::failure("lock", &path, &error);
    let lock = File::options().create(true).append(true).open(&path).map_err(failed)?;
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(PAUSE),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let message = format!("work on the backups of {environment}: another does");
                return Err(Failure::new(Blame::Platform, message)
                    .hint("wait until it has ended, then try again"));
            }
            Err(error) => return Err(failed(error.into())),
        }
    }
}
