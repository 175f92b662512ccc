//! Measurements against others' tools, side by side in one run.  None is ever part of a test.

mod backup;
mod config;
mod deploy;
mod nginx;
mod proxy;
mod staging;

use anyhow::{Result, bail};

/// Runs the one that is named.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["backup", rest @ ..] => backup::run(rest),
        ["deploy", rest @ ..] => deploy::run(rest),
        ["nginx", rest @ ..] => nginx::run(rest),
        ["config", rest @ ..] => config::run(rest),
        ["proxy", rest @ ..] => proxy::run(rest),
        ["staging", rest @ ..] => staging::run(rest),
        _ => bail!(
            "what can be measured: `cargo xtask bench backup`, `config`, `deploy`, `nginx`, \
             `proxy` and `staging`"
        ),
    }
}
