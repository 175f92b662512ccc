//! `maintenance`

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `maintenance`
#[derive(Debug, Args)]
#[command(
    after_help = "Clients get 503 with a page and Retry-After; open WebSockets stay.  It holds until
`off`, also after a restart or a boot.  Deployments work meanwhile, and `status` tells of it.

Examples:
  cutover maintenance on production --allow 192.0.2.7 --allow 10.0.0.0/8
  cutover maintenance on production --page closed.html
  cutover maintenance off production"
)]
pub struct Maintenance {
    #[command(subcommand)]
    pub act: MaintenanceAct,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum MaintenanceAct {
    /// Tell clients to come again.
    #[command(override_usage = "cutover maintenance on [TARGET] [--allow ADDRESS]…")]
    On {
        /// The environment.
        #[arg(value_name = "TARGET", num_args = 0..=2)]
        words: Vec<String>,
        /// Serve this address, or range such as 10.0.0.0/8, all the same.
        #[arg(long, value_name = "ADDRESS")]
        allow: Vec<String>,
        /// Show this page, in HTML; it is copied.
        #[arg(long, value_name = "FILE")]
        page: Option<PathBuf>,
    },
    /// Serve clients again.
    #[command(override_usage = "cutover maintenance off [TARGET]")]
    Off {
        /// The environment.
        #[arg(value_name = "TARGET", num_args = 0..=2)]
        words: Vec<String>,
    },
}
