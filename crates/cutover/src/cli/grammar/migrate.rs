//! `migrate`

use clap::{Args, Subcommand};

/// `migrate`
#[derive(Debug, Args)]
#[command(
    after_help = "Each is run as `cutover run` runs a command: in the release that serves, with the
service's variables, secrets and user.  A deployment migrates by itself, before
the new release starts; these are for looking, and for going on or back by hand.

Exit codes: the tool's own, as with `cutover run`.

Examples:
  cutover migrate status production
  cutover migrate up production web
  cutover migrate undo 1 production"
)]
pub struct Migrate {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say what the tool says of the database.
    Status(Where),
    /// Bring the database to the state of the release that serves.
    Up(Where),
    /// Take back so many migrations; data that they made may be lost.
    Undo(Undo),
}

/// Which database.
#[derive(Debug, Args)]
pub struct Where {
    /// The environment, then the service, where several have a database.
    #[arg(value_name = "TARGET SERVICE", num_args = 0..=3)]
    pub words: Vec<String>,
}

/// `migrate undo`
#[derive(Debug, Args)]
pub struct Undo {
    /// So many.
    #[arg(value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
    /// Which database.
    #[command(flatten)]
    pub place: Where,
    /// Do it: it is not asked for.
    #[arg(long)]
    pub yes: bool,
}
