//! `releases`

use clap::{Args, Subcommand};

/// `releases`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "cutover releases [list] [TARGET]
       cutover releases show TARGET VERSION
       cutover releases diff TARGET A B
       cutover releases verify [TARGET] [VERSION]
       cutover releases prune [TARGET] [--keep COUNT] [--dry-run]",
    after_help = "Where a VERSION is asked for, the release's id, `current` and `previous` will do
as well.  Values of variables are never shown.

Examples:
  cutover releases production
  cutover releases diff production previous current
  cutover releases verify
  cutover releases prune production --keep 2 --dry-run"
)]
pub struct Releases {
    #[command(subcommand)]
    pub act: Option<ReleasesAct>,
    /// The environment; all, where it is left out.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
}

/// What is to be done with releases.
#[derive(Debug, Subcommand)]
pub enum ReleasesAct {
    /// List releases: what they are, how they stand, and why they are kept.
    List {
        /// The environment; all, where it is left out.
        #[arg(value_name = "TARGET", num_args = 0..=2)]
        words: Vec<String>,
    },
    /// Show one release, with its configuration and the names of its variables.
    Show {
        /// The environment, then the version.
        #[arg(value_name = "TARGET VERSION", num_args = 1..=3, required = true)]
        words: Vec<String>,
    },
    /// Show what differs between two releases: files, variables by name, configuration.
    Diff {
        /// The environment, then the two versions.
        #[arg(value_name = "TARGET A B", num_args = 2..=4, required = true)]
        words: Vec<String>,
    },
    /// Compare the content of releases with its hashes; ends with 1 where any differs.
    Verify {
        /// The environment, then the version; all, where they are left out.
        #[arg(value_name = "TARGET VERSION", num_args = 0..=3)]
        words: Vec<String>,
    },
    /// Remove releases that nothing needs; never what serves, what a rollback goes to, or
    /// what still runs.
    Prune {
        /// The environment.
        #[arg(value_name = "TARGET", num_args = 0..=2)]
        words: Vec<String>,
        /// Keep so many besides those that are needed, instead of `keep_releases`.
        #[arg(long, value_name = "COUNT")]
        keep: Option<usize>,
        /// Show what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
}
