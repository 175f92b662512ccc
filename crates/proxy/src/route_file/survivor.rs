//! What is served where the live file is damaged.

use super::{FellBack, RouteFile, generation_path, generations, live_path};
use std::{fs, path::Path};

/// The damaged generation's own copy, or the last good one before it.  Where the damaged file does
/// not say which it was, the lowest on disk: higher ones may be staged and were never accepted.
pub fn survivor(
    directory: &Path,
    environment: &str,
    marker: Option<&FellBack>,
) -> Option<RouteFile> {
    let damaged = fs::read(live_path(directory, environment)).ok();
    let damaged = damaged.and_then(|bytes| claimed_generation(&bytes));
    let mut found = generations(directory, environment).ok()?;
    if let Some(damaged) = damaged {
        found.retain(|generation| *generation <= damaged);
        found.reverse();
    }
    let fit = |file: &RouteFile| !marker.is_some_and(|marker| is_outranked(file, marker));
    let path = |generation| generation_path(directory, environment, generation);
    let read = |generation| read_own(&path(generation), environment).ok();
    found.into_iter().filter_map(read).find(fit)
}

/// Whether the marker names this generation, or one that it confirms.
pub(crate) fn is_outranked(file: &RouteFile, marker: &FellBack) -> bool {
    let confirmed = file.confirms.as_ref().map(|confirms| confirms.generation);
    file.generation == marker.generation || confirmed == Some(marker.generation)
}

/// The route file at this path, if it is of this environment.
pub(crate) fn read_own(path: &Path, name: &str) -> Result<RouteFile, String> {
    let file = RouteFile::read(path).map_err(|error| error.to_string())?;
    if file.environment != name {
        return Err(format!("{} is of {}, not of {name}", path.display(), file.environment));
    }
    Ok(file)
}

/// The generation that a broken file was, if that much of it can be read.
pub(crate) fn claimed_generation(bytes: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(bytes);
    let rest = text.split_once("\"generation\"")?.1.trim_start().strip_prefix(':')?.trim_start();
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}
