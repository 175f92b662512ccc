//! `rollback`

use super::control::Turn;
use clap::Args;

/// `rollback`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover rollback [OPTIONS] [TARGET]",
    after_help = "Examples:
  cutover rollback production
  cutover rollback production --to 1.1.0 --reason \"1.2.0 loses orders\"
  cutover rollback production --with-db
  cutover rollback production --list"
)]
pub struct Rollback {
    /// The environment.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// Go to this version, also forward again.
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// Also bring databases and files back, from the backup that was made when the release came
    /// that is left; what there is now is backed up first.
    #[arg(long)]
    pub with_db: bool,
    /// Say why; it is recorded.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Go back also past a migration that took something away: the earlier code can live with it.
    #[arg(long)]
    pub accept_schema: bool,
    /// List what could be gone back to, and do nothing.
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    pub turn: Turn,
}
