//! `exec`

use clap::Args;

/// `exec`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover exec [TARGET] [SERVICE[.NUMBER]] -- COMMAND…",
    after_help = "The command is run beside a running instance: as its user, in its release's
directory, with its variables, secrets and control groups.  It is not the instance's:
it ends with this program.  Where stdin and stdout are a terminal it gets one of its own.
What it writes is not masked.

Exit codes: the command's own; 128 + N where signal N ended it; 127 where it could not be
executed.  Where there is nothing to run it beside: 1 or 7.

Examples:
  cutover exec production -- sh
  cutover exec production worker.2 -- cat /proc/self/limits"
)]
pub struct Exec {
    /// The environment, then the service and its instance's number; the first, where none is
    /// named.
    #[arg(value_name = "TARGET SERVICE[.NUMBER]", num_args = 0..=3)]
    pub words: Vec<String>,
    /// Program and arguments; there is no shell.
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub command: Vec<String>,
}
