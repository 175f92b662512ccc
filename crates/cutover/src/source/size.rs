//! How much will be sent, so that progress can be shown and a full disk refused before it is.

use std::{fs, path::Path};

/// Entries that are looked at; beyond it the size is not told.
const ENTRIES_MAX: usize = 500_000;

/// Sum of a directory's files, about as they are packed; none where that cannot be told.
pub fn of(directory: &Path) -> Option<u64> {
    let mut open = vec![directory.to_owned()];
    let (mut bytes, mut entries) = (0_u64, 0);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).ok()? {
            let entry = entry.ok()?;
            entries += 1;
            if entries > ENTRIES_MAX {
                return None;
            }
            if entry.file_name() == ".git" {
                continue;
            }
            let metadata = entry.metadata().ok()?;
            if metadata.is_dir() {
                open.push(entry.path());
            } else if metadata.is_file() {
                bytes += metadata.len();
            }
        }
    }
    Some(bytes)
}
