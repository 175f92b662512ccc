//! `cleanup`

use clap::Args;

/// `cleanup`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover cleanup --emergency [--dry-run] [--drop-previous] [--yes]",
    after_help = "For a disk that is full.  It needs no free byte and no controller.  What
serves, what a rollback goes to and what still runs stays; other releases go.
Our own logs are emptied in their place, so that whoever writes to them goes on.

Examples:
  cutover cleanup --emergency --dry-run
  cutover cleanup --emergency"
)]
pub struct Cleanup {
    /// Free all space that nothing needs.
    #[arg(long, required = true)]
    pub emergency: bool,
    /// Show what would be freed, and free nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Also remove what a rollback would go to.  It asks for the word `drop`.
    #[arg(long)]
    pub drop_previous: bool,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
}
