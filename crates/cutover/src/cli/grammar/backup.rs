//! `backup`

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `backup`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover backup create [TARGET] [--note TEXT] [--pin]
       cutover backup list [TARGET] [--second-place]
       cutover backup fetch [TARGET] [NAME]
       cutover backup show|verify|drill [TARGET] [NAME]
       cutover backup restore [TARGET] NAME [--only db,volumes,config]
       cutover backup delete [TARGET] NAME
       cutover backup prune [TARGET] [--dry-run]",
    after_help = "NAME is a backup's name, or `latest`.  What is backed up is said under `backup:`
of the environment, as the release that serves was deployed with it.

Examples:
  cutover backup create production --note \"before the sale\" --pin
  cutover backup verify production latest
  cutover backup drill production latest
  cutover backup restore production backup_20260131_235900 --only db"
)]
pub struct Backup {
    #[command(subcommand)]
    pub act: BackupAct,
}

/// What is to be done with backups.
#[derive(Debug, Subcommand)]
pub enum BackupAct {
    /// Make one now.
    Create {
        /// The environment.
        #[arg(value_name = "TARGET", num_args = 0..=2)]
        words: Vec<String>,
        /// Say why; it is kept with it.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Keep it until somebody deletes it.
        #[arg(long)]
        pin: bool,
    },
    /// List backups, newest first, and why each is kept.
    List {
        /// The environment.
        #[arg(value_name = "TARGET", num_args = 0..=2)]
        words: Vec<String>,
        /// Those that lie in the second place instead.
        #[arg(long)]
        second_place: bool,
    },
    /// Bring one back from the second place; nothing is restored by that.
    Fetch {
        /// The environment, then the name; the latest there, where that is left out.
        #[arg(value_name = "TARGET NAME", num_args = 0..=3)]
        words: Vec<String>,
    },
    /// Show what is in one.
    Show {
        /// The environment, then the name.
        #[arg(value_name = "TARGET NAME", num_args = 0..=3)]
        words: Vec<String>,
    },
    /// Read one whole, and say whether it is what it was; ends with 1 where it is not.
    Verify(Opened),
    /// Restore one into a scratch place, count what came back, and remove it again.
    Drill(Opened),
    /// Put one in the place of what is there, which is backed up first.
    Restore(Restore),
    /// Delete one, also where something needs it.
    Delete {
        /// The environment, then the name.
        #[arg(value_name = "TARGET NAME", num_args = 1..=3, required = true)]
        words: Vec<String>,
        /// Do not ask for confirmation.
        #[arg(short, long)]
        yes: bool,
    },
    /// Remove those beyond what is kept.
    Prune {
        /// The environment.
        #[arg(value_name = "TARGET", num_args = 0..=2)]
        words: Vec<String>,
        /// Show what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// A backup that is opened.
#[derive(Debug, Args)]
pub struct Opened {
    /// The environment, then the name; the latest, where that is left out.
    #[arg(value_name = "TARGET NAME", num_args = 0..=3)]
    pub words: Vec<String>,
    /// Decrypt with the identities in this file.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

/// `backup restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// The environment, then the name.
    #[arg(value_name = "TARGET NAME", num_args = 1..=3, required = true)]
    pub words: Vec<String>,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    pub only: Vec<Only>,
    /// Decrypt with the identities in this file.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Do not back up what is overwritten: it is lost.
    #[arg(long)]
    pub skip_backup: bool,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
}

/// A part of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// Databases.
    #[value(alias = "databases")]
    Db,
    /// Directories and files.
    #[value(alias = "files")]
    Volumes,
    /// The release's record and env files.
    Config,
}
