//! Files that are there as a whole or not at all.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Replaces `path`; after a power cut it is the old or the new.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, true)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// As [`write()`], but not waiting for the disk: for what is only true until the next boot.
pub(crate) fn write_for_this_boot(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, false)
}

fn replace(path: &Path, bytes: &[u8], durably: bool) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            if durably { file.sync_all() } else { Ok(()) }
        })
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // The error is what counts; a leftover is overwritten by the next try.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
