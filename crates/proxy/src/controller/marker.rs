//! The marker that a generation was left, written so that a full disk does not prevent it.

use crate::route_file::{FellBack, marker_path};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Every marker has this size: one written over another of this size needs no new block.
const MARKER_BYTES: usize = 2048;
/// Bytes of the reason that are kept.
const REASON_BYTES_MAX: usize = 512;

/// Takes the space for a marker beforehand, while there is some.
pub(super) fn reserve(directory: &Path, environment: &str) -> io::Result<()> {
    let blank = vec![b' '; MARKER_BYTES];
    write_over(&reserved_path(directory, environment), &blank)
}

/// Puts the marker in place durably.
pub(super) fn commit(directory: &Path, environment: &str, fell_back: &FellBack) -> io::Result<()> {
    let mut end = fell_back.reason.len().min(REASON_BYTES_MAX);
    while !fell_back.reason.is_char_boundary(end) {
        end -= 1;
    }
    let short = FellBack { reason: fell_back.reason[..end].to_owned(), ..fell_back.clone() };
    let mut bytes = serde_json::to_vec(&short)?;
    // White space behind a JSON value has no meaning.
    bytes.resize(bytes.len().max(MARKER_BYTES), b'\n');
    let reserved = reserved_path(directory, environment);
    write_over(&reserved, &bytes)?;
    fs::rename(&reserved, marker_path(directory, environment))?;
    File::open(directory)?.sync_all()
}

/// Gives the space back once the probation is over.
pub(super) fn release(directory: &Path, environment: &str) {
    // It is not there if the marker was committed.
    let _missing = fs::remove_file(reserved_path(directory, environment));
}

fn reserved_path(directory: &Path, environment: &str) -> PathBuf {
    directory.join(format!(".{environment}.fellback.reserve"))
}

fn write_over(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
