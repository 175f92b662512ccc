//! Which program makes the dumps.

use crate::{
    backups::bounds::Bounds,
    host::{Command, Finished, pipe},
};
use model::failure::Failure;

/// What is done, for a failure of it.
pub(super) const FIND: &str = "find the program that backs up";

/// What a program says of itself; how it ended where it does not.
pub(super) fn version(
    program: &str,
    bounds: &Bounds<'_>,
) -> Result<Result<String, Finished>, Failure> {
    let command = Command::new(program, bounds.time_limit).argument("--version");
    let (told, finished) = pipe(&command, None, |it| bounds.text(it))?;
    Ok(if finished.success { Ok(told.trim().to_owned()) } else { Err(finished) })
}
