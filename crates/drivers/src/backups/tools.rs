//! Versions of what runs on this machine, for the record.

use crate::host::{Command, pipe};
use std::{io::Read, time::Duration};

/// For a version.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Of what is told.
const BYTES_MAX: u64 = 200;

/// Of `node` and `npm`, where they are there.
pub(super) fn versions() -> (Option<String>, Option<String>) {
    let node = version("node");
    let npm = node.as_ref().and_then(|_| version("npm"));
    (node, npm)
}

fn version(program: &str) -> Option<String> {
    let command = Command::new(program, TIME_MAX).argument("--version");
    let told = pipe(&command, None, |from| {
        let mut told = vec![];
        let _ = from.take(BYTES_MAX).read_to_end(&mut told);
        Ok(told)
    });
    let (told, finished) = told.ok()?;
    let told = String::from_utf8(told).ok()?.trim().to_owned();
    (finished.success && !told.is_empty()).then_some(told)
}
