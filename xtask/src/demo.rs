//! `cutover demo`, from the sources.

use crate::program;
use anyhow::Result;

/// Builds the program, the example application and the load generator; then runs the demo.
pub fn run() -> Result<()> {
    program::run("cargo", &["build", "--workspace", "--bins"])?;
    program::run("cargo", &["run", "--quiet", "--package", "cutover", "--", "demo"])
}
