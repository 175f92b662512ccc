//! Measurements against others' tools, side by side in one run.  None is ever part of a test.

mod deploy;
mod staging;

use anyhow::{Result, bail};

/// Runs the one that is named.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["deploy", rest @ ..] => deploy::run(rest),
        ["staging", rest @ ..] => staging::run(rest),
        _ => bail!("`cargo xtask bench deploy` and `bench staging` are what can be measured"),
    }
}
