//! The only place that runs programs of the machine.
//!
//! A command is a list of arguments: no value is ever quoted into a shell.

mod command;
mod run;

pub use command::{Arg, Command};
pub use run::{Finished, run, run_now, stream};

/// Where programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// For programs whose words we read or show.
pub const LANG: &str = "C.UTF-8";
