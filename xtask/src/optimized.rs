//! What measures is measured as it is shipped: built for release, and started from there.

use crate::program;
use anyhow::{Context, Result, ensure};
use std::{
    env,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

/// Goes on only in a release build of this very command; else builds it, and everything it
/// measures, and becomes it.
///
/// # Errors
/// If it cannot be built or started.
pub fn become_it() -> Result<()> {
    let own = env::current_exe().context("a running program has a path")?;
    if own.parent().is_some_and(|it| it.ends_with("release")) {
        return Ok(());
    }
    eprintln!("xtask: builds with `--profile release`, which may take minutes");
    // On stdout there are only figures.
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--profile", "release", "--workspace", "--bins"])
        .current_dir(program::root())
        .stdout(Stdio::null())
        .status()
        .context("`cargo` could not be started")?;
    ensure!(status.success(), "what is to be measured does not build");
    let profiles = own.parent().and_then(|it| it.parent()).context("programs are in a profile")?;
    let better = profiles.join("release/xtask");
    // Only a failure returns.
    let error = Command::new(&better).args(env::args_os().skip(1)).exec();
    Err(error).with_context(|| format!("{} could not be started", better.display()))
}
