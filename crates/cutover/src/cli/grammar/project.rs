//! `project`

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `project`
#[derive(Debug, Args)]
#[command(after_help = "The file's comments and everything else of it stay as they are.

Examples:
  cutover project list
  cutover project add blog --source ../blog --domain blog.example
  cutover project remove blog")]
pub struct Project {
    #[command(subcommand)]
    pub act: ProjectAct,
}

/// What is to be done with projects.
#[derive(Debug, Subcommand)]
pub enum ProjectAct {
    /// List projects with their environments and host names.
    List,
    /// Write a project into the configuration, as `init` would for its directory.
    Add {
        /// Lower-case letters, digits and `-`.
        name: String,
        /// Its directory, relative to the configuration.
        #[arg(long, value_name = "DIR", default_value = ".")]
        source: PathBuf,
        /// A host name of its production environment; may be given again.
        #[arg(long = "domain", value_name = "HOST", required = true)]
        domains: Vec<String>,
    },
    /// Take a project out of the configuration.  What runs of it goes on.
    Remove {
        /// As it is declared.
        name: String,
    },
}
