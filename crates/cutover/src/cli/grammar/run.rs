//! `run`

use clap::Args;

/// `run`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover run [OPTIONS] [TARGET] [SERVICE] -- COMMAND…
       cutover run --attach ID
       cutover run --stop ID
       cutover run --list",
    after_help = "The command gets what an instance of the service gets: the release's directory,
variables, secrets, user and limits, and no port.  It reads nothing (stdin is
/dev/null) and has no terminal; what it writes is passed on line by line, with
secrets masked.  Ctrl-C goes to the command.  When this program goes, the command
is stopped, unless it was detached.

Exit codes: the command's own; 128 + N where signal N ended it; 124 where its
time limit came; 127 where it could not be executed; 125 where nobody knows.
Where it was not begun at all: 1, 2 or 7, as everywhere.

Examples:
  cutover run production -- ./manage.py migrate
  cutover run production worker --release 1.2.0 -- node tools/count.js
  cutover run production --time-limit 1h --detach -- ./reindex --all"
)]
pub struct Run {
    /// The environment, then the service; `web`, where there are several and none is named.
    #[arg(value_name = "TARGET SERVICE", num_args = 0..=3, conflicts_with_all = ["attach", "stop"])]
    pub words: Vec<String>,
    /// Program and arguments; there is no shell.
    #[arg(
        value_name = "COMMAND",
        last = true,
        conflicts_with_all = ["attach", "stop", "list"],
        required_unless_present_any = ["attach", "stop", "list"]
    )]
    pub command: Vec<String>,
    /// Run it in this kept release instead of the one that serves.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["attach", "stop", "list"])]
    pub release: Option<String>,
    /// Stop it after so long: `90`, `90s`, `15m`, `1h`; `0`: never.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub time_limit: String,
    /// Do not watch: end as soon as it has begun; it goes on alone.
    #[arg(short, long, conflicts_with_all = ["attach", "stop", "list"])]
    pub detach: bool,
    /// Watch one that was detached, from its first line on, and exit as it does.
    #[arg(long, value_name = "ID", conflicts_with_all = ["stop", "list"])]
    pub attach: Option<String>,
    /// Stop one.
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    pub stop: Option<String>,
    /// List those that run, and those that were detached and ended in the last week.
    #[arg(long)]
    pub list: bool,
}
