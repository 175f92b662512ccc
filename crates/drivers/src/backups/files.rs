//! Directories and files: packed and put in place by descriptors, so that nobody who may write to
//! them leads us astray by a link.

mod pack;
mod place;

use super::bounds::Bounds;
use model::failure::{Blame, Failure};
use std::io::{self, Read};

pub(super) use pack::pack;
pub(super) use place::place;

/// What is packed is called so in the archive, whatever its name.
const ROOT: &str = "root";
/// Directories within each other.
const DEPTH_MAX: usize = 128;

/// Reads an archive to its end; gives the number of its files.
pub(super) fn check(_: &Bounds<'_>, from: &mut dyn Read) -> Result<u64, Failure> {
    let mut archive = tar::Archive::new(from);
    let mut read = || -> io::Result<u64> {
        let mut files = 0;
        for entry in archive.entries()? {
            let mut entry = entry?;
            place::parts(&entry)?;
            files += u64::from(entry.header().entry_type().is_file());
            io::copy(&mut entry, &mut io::sink())?;
        }
        Ok(files)
    };
    let files = read().map_err(|error| unreadable(&error))?;
    // What follows the last entry is part of what was written.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|error| unreadable(&error))?;
    Ok(files)
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(Blame::Platform, format!("read back files: {error}")).hint("it is not whole")
}
