//! `nginx`

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `nginx`
#[derive(Debug, Args)]
#[command(
    after_help = "nginx leads to the proxy, and the proxy to the releases: none needs a reload.  The
files change where projects, host names or `nginx` in the configuration do.

Examples:
  cutover nginx generate -o platform/nginx
  cutover nginx check
  cutover nginx diff
  cutover nginx apply
  cutover nginx guard -o platform/nginx

Exit codes of `diff`: 0 the same, 2 something would change, 5 changed by hand.
Of `apply`: 2 nginx refuses and nothing was told, 4 the files from before are back."
)]
pub struct Nginx {
    #[command(subcommand)]
    pub act: NginxAct,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum NginxAct {
    /// Write the files into a directory, such as one of a repository.
    Generate {
        /// It then holds `base/cutover.conf` and `conf.d/DOMAIN.conf`.
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Write also where somebody has changed a file by hand.
        #[arg(long)]
        discard_edits: bool,
    },
    /// Ask nginx whether it would take the files; nothing is changed.
    Check,
    /// Show what `apply` would change on this host, and what was changed by hand.
    Diff,
    /// Put the files in force: stage, test, swap, reload, and see nginx serve by them.
    Apply {
        /// Go on where somebody has changed files by hand: theirs stay in the generation before.
        #[arg(long)]
        discard_edits: bool,
        /// Only show the line that nginx's main file needs, as a change to it.
        #[arg(long, conflicts_with = "discard_edits")]
        install_include: bool,
    },
    /// Let git refuse to commit generated files that were changed by hand, and secrets.
    Guard {
        /// The directory of the generated files.
        #[arg(short, long, value_name = "DIR", required_unless_present = "check")]
        output: Option<PathBuf>,
        /// Look at what is to be committed; the hook does.
        #[arg(long)]
        check: bool,
    },
}
