//! nginx in front: its files, staged whole, tested, put in force by one rename, and asked for.
//!
//! ```text
//! DIRECTORY/generations/000017/{base,conf.d}/…   whole, never changed after they were written
//! DIRECTORY/current -> generations/000017        what the user's include line names
//! DIRECTORY/applied.json                         the generation that nginx was seen to serve by
//! ```
//!
//! Everything here blocks its thread.

mod apply;
mod before;
mod generate;
mod guard;
mod live;
mod lock;
mod place;
mod seal;
mod test;
mod unified;

pub use apply::{Applied, Trouble};
pub use before::Led;
pub use generate::Generated;
pub use guard::{Found, HookInstalled, Repository};
pub use place::{Difference, Host};
pub use seal::{seal, sealed};
pub use unified::unified;

use model::nginx::{Front, NginxFile};
use place::read_text as text_of;
use std::path::PathBuf;

/// nginx, and where our files are kept for it.
#[derive(Clone, Debug)]
pub struct Nginx {
    /// The same for us and for nginx.
    pub directory: PathBuf,
    /// The program and its arguments.
    pub program: Vec<String>,
    /// What it is told.
    pub front: Front,
}

impl Nginx {
    /// The user's one line, to stand in the block `http` of their file.
    pub fn include_line(&self) -> String {
        format!("include {}/current/*/*.conf;", self.directory.display())
    }

    /// All files of a host but the one that says the generation, each sealed.
    pub fn files(&self) -> Vec<NginxFile> {
        sealed(model::nginx::text::files(&self.front))
    }
}
