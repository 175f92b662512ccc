//! `migrate`

use clap::{Args, Subcommand};

/// `migrate`
#[derive(Debug, Args)]
#[command(
    after_help = "A deployment migrates by itself, before the new release starts; these are for
looking, and for going on or back by hand.  Each is run once, as `cutover run`
runs a command: in the release that serves, with the service's variables,
secrets, user and limits.  What a release before or after it needs is seen by
its own code only: `--release` names it.

Exit codes: of `status`, 0 where the tool answered and 5 where nobody can say
how the database stands; of `up` and `undo`, the tool's own, as with `run`, or
6 where a deployment is on its way.  None begins while they run.

Examples:
  cutover migrate status production
  cutover migrate status production web --release 2.0.0
  cutover migrate up production web
  cutover migrate undo production --count 2"
)]
pub struct Migrate {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say whether anything is left to be applied, by the tool's word.
    Status(Where),
    /// Bring the database to the state that the release needs.
    Up(Where),
    /// Take migrations back; data that they made may be lost.
    Undo(Undo),
}

/// Which database.
#[derive(Debug, Args)]
pub struct Where {
    /// The environment, then the service, where several have a database.
    #[arg(value_name = "TARGET SERVICE", num_args = 0..=3)]
    pub words: Vec<String>,
    /// By this kept release instead of the one that serves.
    #[arg(long, value_name = "VERSION")]
    pub release: Option<String>,
}

/// `migrate undo`
#[derive(Debug, Args)]
pub struct Undo {
    /// Which database.
    #[command(flatten)]
    pub place: Where,
    /// So many.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub count: u32,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
}
