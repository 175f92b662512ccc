//! `logs`, `audit`, `top`, `support-bundle`

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `logs`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover logs [OPTIONS] [TARGET[,TARGET…]] [SERVICE]",
    after_help = "Examples:
  cutover logs production -f
  cutover logs production web -n 200
  cutover logs production --stream error
  cutover logs staging,production --since 15m --grep 'timeout|refused'
  cutover logs production --release 1.2.0"
)]
pub struct Logs {
    /// The environment, or several with commas between, then the service.
    #[arg(value_name = "TARGET SERVICE", num_args = 0..=3)]
    pub words: Vec<String>,
    /// Go on as lines are written.
    #[arg(short, long)]
    pub follow: bool,
    /// So many of the last lines.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    pub lines: usize,
    /// Which of them.
    #[arg(long, value_enum, default_value_t = LogStream::Combined)]
    pub stream: LogStream,
    /// Only what was written since then: `15m`, `2h`, or a time like `2026-11-21T13:00:00Z`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only lines in which this regular expression is found.
    #[arg(long, value_name = "REGEX")]
    pub grep: Option<String>,
    /// Only what instances of this version wrote.
    #[arg(long, value_name = "VERSION")]
    pub release: Option<String>,
}

/// What instances write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogStream {
    /// What was written to stdout.
    Out,
    /// What was written to stderr.
    Error,
    /// Both, with times and instances.
    Combined,
}

/// `audit`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover audit [OPTIONS] [TARGET]",
    after_help = "Every change that is asked of the controller is written down before it is
looked at, with the user of the process that asked; then, why it was refused,
or how the deployment ended.  Each line is sealed together with the one before.
Note the last seal elsewhere: who may write the state directory can write all
lines anew, or cut lines off at the end, but not keep that seal.

Exit codes: 0 it is as it was written; 5 it was changed, or the seal is not in it.

Examples:
  cutover audit production
  cutover audit --verify
  cutover audit --verify --holds 4f1c2a9be07d"
)]
pub struct Audit {
    /// Only of this environment.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// So many of the last entries.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    pub limit: usize,
    /// Ask of all lines whether they are as they were written.
    #[arg(long)]
    pub verify: bool,
    /// Also ask whether the line with this seal, or its first characters, is still there.
    #[arg(long, value_name = "SEAL", requires = "verify")]
    pub holds: Option<String>,
}

/// `top`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover top [OPTIONS] [TARGET]",
    after_help = "Where stdout is no terminal, and with `--json` before the verb, it is shown once.
`CPU` is the percentage of one processor.  Requests a second are those of the environment.
Ctrl-C ends it.

Examples:
  cutover top production
  cutover --json top"
)]
pub struct Top {
    /// The environment; all, where it is left out.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// Measure for so many seconds each time.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 2,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub interval: u64,
    /// Show it once.
    #[arg(long)]
    pub once: bool,
}

/// `support-bundle`
#[derive(Debug, Args)]
#[command(after_help = "A tar.gz, mode 0600: versions, facts about the machine, what serves, the
configuration, the last deployments, route files and the ends of logs.  Values of secrets and
env files are masked.  It works without the controller, and starts nothing.

Example:
  cutover support-bundle --output /tmp/for-support.tar.gz")]
pub struct SupportBundle {
    /// Write it there; else into the current directory, with the time in its name.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
