//! Holds child processes: one small process per instance, and one that holds the proxy's listeners.
//!
//! No async runtime; it is dispatched before anything else of the program starts.

mod arguments;
pub mod becoming;
mod before_exec;
mod cgroup;
pub mod client;
mod clock;
mod ended;
pub mod exec;
mod family;
mod holder;
pub mod holder_spec;
mod instance;
pub mod kin;
pub mod limits;
mod listen;
pub mod message;
pub mod notify;
mod output;
mod own_log;
mod place;
pub mod port;
mod process;
mod program;
mod session;
mod signals;
mod socket;
pub mod spec;
mod wait;
mod whole_file;

pub use holder::{HolderAnswer, HolderAsk, HolderState, HolderStatus, run_holder};
pub use instance::run_instance;
pub use limits::enforceable;
pub use output::{Timed, append_handed};

use std::{ffi::OsString, io::Write, process::ExitCode};

/// The role could not do its work.
pub const EXIT_FAILED: u8 = 1;
/// The holder could not bind an address; `holder-status.json` says which and why.
pub const EXIT_NOT_BOUND: u8 = 2;
/// Another process already has this role for the same instance or root.
pub const EXIT_TAKEN: u8 = 3;

/// Why a role ended otherwise than it was asked to.
#[derive(Debug)]
pub struct RoleError {
    /// For an operator.
    pub message: String,
    /// The exit code of the process.
    pub code: u8,
}

impl RoleError {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: EXIT_FAILED }
    }
}

impl std::fmt::Display for RoleError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for RoleError {}

/// Runs the role that `arguments` name: `supervise --root ROOT --instance ID [--adopt | --become |
/// --ended]`
/// or `supervise --root ROOT --holder`, without the program's own name.  To be called before
/// anything else of the program starts: it takes the whole process over.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let result = arguments::parse(arguments).and_then(|role| match role {
        arguments::Role::Instance { root, instance, adopt } => {
            run_instance(&root, &instance, adopt)
        }
        arguments::Role::Become { root, instance } => becoming::run(&root, &instance),
        arguments::Role::Ended { root, instance } => ended::note(&root, &instance),
        arguments::Role::Holder { root } => run_holder(&root),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when stderr is gone too.
            let _ = writeln!(std::io::stderr(), "cutover supervise: {error}");
            ExitCode::from(error.code)
        }
    }
}
