//! This process's own words: few, and never more than a bound.

use crate::{RoleError, clock};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// A log above this is begun anew at the next start, and no run adds more than this.
const BYTES_MAX: u64 = 256 * 1024;

static WRITTEN_BYTES: AtomicU64 = AtomicU64::new(0);

pub(crate) fn open(path: &Path) -> Result<File, RoleError> {
    let open = || {
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        if log.metadata()?.len() > BYTES_MAX {
            log.set_len(0)?;
        }
        Ok(log)
    };
    open().map_err(|error: std::io::Error| {
        RoleError::failed(format!("cannot open {}: {error}", path.display()))
    })
}

/// Writes one line to stderr, which is the log since [`crate::session::begin`].
pub(crate) fn note(text: &str) {
    let line = format!("{} {text}\n", clock::utc_now());
    let length = line.len() as u64;
    if WRITTEN_BYTES.fetch_add(length, Ordering::Relaxed) + length <= BYTES_MAX {
        // A full disk must not end the process that holds the app.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
