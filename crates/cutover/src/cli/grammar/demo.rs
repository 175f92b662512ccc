//! `demo`

use clap::Args;
use std::path::PathBuf;

/// `demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// The example application, if it is not beside this program.
    #[arg(long, value_name = "PROGRAM")]
    pub app: Option<PathBuf>,
    /// The load generator, if it is not beside this program.
    #[arg(long, value_name = "PROGRAM")]
    pub load: Option<PathBuf>,
}
