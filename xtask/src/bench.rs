//! Measurements against others' tools, side by side in one run.  None is ever part of a test.

mod deploy;

use anyhow::{Result, bail};

/// Runs the one that is named.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["deploy", rest @ ..] => deploy::run(rest),
        _ => bail!("`cargo xtask bench deploy` is what can be measured"),
    }
}
