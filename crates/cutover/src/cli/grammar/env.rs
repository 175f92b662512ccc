//! `env`

use clap::Args;
use std::path::PathBuf;

/// `env`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover env [OPTIONS] [TARGET] [list]
       cutover env [TARGET] get NAME [--reveal]
       cutover env [TARGET] set NAME           the value is read from stdin
       cutover env [TARGET] set NAME=VALUE
       cutover env [TARGET] unset NAME
       cutover env [TARGET] diff",
    after_help = "Values are masked, but for one that `get … --reveal` prints.  `set` and `unset`
change the env file and nothing else: comments, mode and owner stay.  Nothing is live
before `cutover deploy TARGET --env-only`.

Examples:
  cutover env production
  cutover env production set API_KEY < key.txt
  cutover env production diff"
)]
pub struct Env {
    /// The environment, then what is to be done.
    #[arg(value_name = "TARGET ACTION NAME", num_args = 0..=4)]
    pub words: Vec<String>,
    /// Print the value.
    #[arg(long)]
    pub reveal: bool,
    /// Only of this service.
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// Change this env file, where there are several.
    #[arg(long = "in", value_name = "FILE")]
    pub file: Option<String>,
    /// Open `age` secrets with the identities in this file.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}
