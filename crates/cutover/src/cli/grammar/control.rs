//! Who may change an environment, and when.

use clap::Args;
use std::{path::PathBuf, time::Duration};

/// How long a turn is waited for where `--wait` says nothing.
pub const WAIT: Duration = Duration::from_secs(600);
/// How long a turn can be waited for.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// What is done where another deployment has the lock.
#[derive(Clone, Debug, Default, Args)]
pub struct Turn {
    /// Wait for the lock in a queue, at most so long (10m); leaving gives the place up.
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10m",
        value_parser = duration
    )]
    pub wait: Option<Duration>,
    /// Take the place of who waits, and turn back who has not switched the traffic yet.
    #[arg(long)]
    pub supersede: bool,
    /// Pass a lock that somebody keeps by hand, once; it is recorded.
    #[arg(long)]
    pub break_lock: bool,
}

/// Why a release is deployed, and what it is deployed in spite of.
#[derive(Clone, Debug, Default, Args)]
pub struct Insisted {
    /// Say why; it is recorded.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Go on in spite of findings, and soft checks, that allow it.
    #[arg(long)]
    pub force: bool,
    /// Go on in spite of a freeze, for this reason; it is recorded.
    #[arg(long, value_name = "REASON")]
    pub override_freeze: Option<String>,
    /// Go on outside the deployment windows, for this reason; it is recorded.
    #[arg(long, value_name = "REASON")]
    pub override_window: Option<String>,
}

/// `lock`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover lock [OPTIONS] [TARGET]",
    after_help = "Without --reason it shows who has the lock, why, since when, whether he lives,
and who waits for it.  Nothing has to be unlocked after a crash: only what was
locked here with --reason is unlocked by hand.

Examples:
  cutover lock production
  cutover lock production --reason \"stock-taking until Monday\"
  cutover unlock production"
)]
pub struct Lock {
    /// The environment.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// Keep everybody from changing the environment, for this reason.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `freeze`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover freeze [TARGET] --reason TEXT",
    after_help = "No other release comes to the environment until `unfreeze`.  Going back,
restart, scale, stop and start are allowed.

Example:
  cutover freeze production --reason \"holidays\""
)]
pub struct Freeze {
    /// The environment.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// Why; it is shown to whoever wants to deploy.
    #[arg(long, value_name = "TEXT", required = true)]
    pub reason: String,
}

/// `unlock`, `unfreeze`
#[derive(Debug, Args)]
pub struct Lift {
    /// The environment.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// Say why; it is recorded.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `promote`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover promote [OPTIONS] FROM TO\n       cutover promote TARGET",
    after_help = "The very content that FROM serves goes to TO, with the configuration of TO.  It is
refused where FROM's deployment was not accepted, or FROM is not healthy.

With TARGET alone: the release that is being watched there is watched no longer,
at the stage where it is; the deployment goes on with the next.

Examples:
  cutover promote production
  cutover promote staging production --reason \"tested by ann\""
)]
pub struct Promote {
    /// The environment that serves it, or whose release is being watched.
    #[arg(value_name = "FROM")]
    pub from: String,
    /// The environment that shall.
    #[arg(value_name = "TO")]
    pub to: Option<String>,
    #[command(flatten)]
    pub insisted: Insisted,
    /// Open `age` secrets with the identities in this file.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Do not watch: end as soon as it is accepted.
    #[arg(short, long)]
    pub detach: bool,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub turn: Turn,
}

fn duration(text: &str) -> Result<Duration, String> {
    let found = config::duration(text).map(model::service::Millis::duration);
    match found {
        Some(found) if found <= WAIT_MAX => Ok(found),
        Some(_) => Err(format!("at most {} h are waited", WAIT_MAX.as_secs() / 3600)),
        None => Err("a duration is `30s`, `10m` or `2h`".to_owned()),
    }
}
