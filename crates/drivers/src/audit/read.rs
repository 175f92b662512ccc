//! Reading it, and asking whether it is as it was written.

use super::{
    FILES_KEPT, NAME, aside,
    line::{Entry, Line},
};
use crate::file;
use std::{io, path::Path};

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Oldest first, with their numbers and seals.
    pub entries: Vec<(u64, Entry, String)>,
    /// Why it is not what was written, in words, by place; empty: it is.
    pub broken: Vec<String>,
}

impl Audit {
    /// The last seal; what was noted elsewhere is asked for with [`Audit::holds`].
    pub fn last_seal(&self) -> Option<&str> {
        self.entries.last().map(|it| it.2.as_str())
    }

    /// Whether a line with this seal, or one that begins so, stands in it.
    pub fn holds(&self, seal: &str) -> bool {
        !seal.is_empty() && self.entries.iter().any(|it| it.2.starts_with(seal))
    }
}

/// Reads all files that are kept.  Blocks.
///
/// # Errors
///
/// Where one cannot be read.
pub fn read(root: &Path) -> io::Result<Audit> {
    let path = root.join(NAME);
    let mut audit = Audit::default();
    let mut before: Option<(u64, String)> = None;
    for number in (0..=FILES_KEPT).rev() {
        let path = if number == 0 { path.clone() } else { aside(&path, number) };
        let Some(bytes) = file::read(&path)? else { continue };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (index, text) in bytes.split_inclusive(|it| *it == b'\n').enumerate() {
            let place = format!("{name}:{}", index + 1);
            if !text.ends_with(b"\n") {
                audit.broken.push(format!("{place}: a part of a line"));
                continue;
            }
            let Ok(line) = serde_json::from_slice::<Line>(text) else {
                audit.broken.push(format!("{place}: not a line of an audit"));
                continue;
            };
            audit.broken.extend(misfit(before.as_ref(), &line).map(|it| format!("{place}: {it}")));
            before = Some((line.number, line.seal.clone()));
            audit.entries.push((line.number, line.entry, line.seal));
        }
    }
    Ok(audit)
}

/// What is wrong with a line after the one before.
fn misfit(before: Option<&(u64, String)>, line: &Line) -> Option<String> {
    match before {
        // The oldest file that is kept begins after lines that are gone, by age.
        None if line.number > 1 => None,
        None if line.follows("") => None,
        Some((number, seal)) if line.number == number + 1 && line.follows(seal) => None,
        Some((number, _)) if line.number != number + 1 => {
            Some(format!("entry {} stands after entry {number}", line.number))
        }
        _ => Some(format!("entry {} was changed, or one before it", line.number)),
    }
}

/// Number and seal of the last line that can be read.
pub(super) fn last_of(bytes: &[u8]) -> Option<(u64, String)> {
    let lines = bytes.split(|it| *it == b'\n').rev();
    let line: Line = lines.flat_map(serde_json::from_slice).next()?;
    Some((line.number, line.seal))
}
