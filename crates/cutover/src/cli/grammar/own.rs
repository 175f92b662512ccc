//! `self`

use clap::{Args, Subcommand};
use std::{path::PathBuf, time::Duration};

/// An old proxy is not left running for longer.
const LIMIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// `self`
#[derive(Debug, Args)]
#[command(after_help = "`upgrade` takes a program that you bring: nothing is fetched.  It is tried
first: it must start, and be able to read the journal and the route files.  Then
it takes the place of this program by one rename, and proxy, holder and
controller run it, one after the other, without a lost connection.  Where one of
them does not come up, the former program is put back.  The former one stays
beside it, with `.previous` behind its name, for `rollback`.

Examples:
  cutover self upgrade ./cutover-new --sha256 4c1f…
  cutover self rollback

Exit codes: 1 not the program that was named; 2 it does not work, nothing was
changed; 4 it did not come up, the former one runs again; 5 somebody has to
look; 6 a release is on probation.")]
pub struct Own {
    #[command(subcommand)]
    pub act: OwnAct,
}

/// What is to be done with this program.
#[derive(Debug, Subcommand)]
pub enum OwnAct {
    /// Put another build in the place of this program, and have everything run it.
    Upgrade {
        /// The new program, on this machine.
        file: PathBuf,
        /// What its SHA-256 must be, in hex digits.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Put the former build back, and have everything run it.
    Rollback {
        #[command(flatten)]
        limit: Limit,
    },
    /// Look whether this build could run here; `upgrade` asks this of the new one.
    #[command(hide = true)]
    Trial,
}

/// How long the old proxy may go on.
#[derive(Clone, Copy, Debug, Args)]
pub struct Limit {
    /// The old proxy may finish what it has for so long; WebSockets and event streams are then
    /// closed politely.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub drain: Duration,
}

impl Limit {
    /// In ms.
    pub fn ms(self) -> u64 {
        u64::try_from(self.drain.as_millis()).unwrap_or(u64::MAX)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let found = config::duration(text).map(model::service::Millis::duration);
    match found {
        Some(found) if found <= LIMIT_MAX => Ok(found),
        Some(_) => Err(format!("at most {} h are given", LIMIT_MAX.as_secs() / 3600)),
        None => Err("a duration is `30s`, `10m` or `2h`".to_owned()),
    }
}
