//! Makes this process independent of who started it.

use crate::{RoleError, own_log, signals};
use rustix::{
    fs::{Mode, OFlags},
    process::{Resource, Rlimit},
};
use std::path::Path;

/// A session of its own, `/` as directory, umask 077, default signals, stdin from nowhere, stdout
/// and stderr to `log`.
pub(crate) fn begin(log: &Path) -> Result<(), RoleError> {
    begin_with(log, 0)
}

/// The same, but leaves so many inherited descriptors after stderr open.
pub(crate) fn begin_with(log: &Path, kept: usize) -> Result<(), RoleError> {
    signals::close_inherited_descriptors(kept);
    signals::settle();
    // Fails only where we lead a process group, which is as good: nobody else's signals reach it.
    let _ = rustix::process::setsid();
    rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::chdir("/").map_err(|error| failed("chdir /", error))?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| failed("/dev/null", error))?;
    rustix::stdio::dup2_stdin(&nothing).map_err(|error| failed("stdin", error))?;
    let log = own_log::open(log)?;
    rustix::stdio::dup2_stdout(&log).map_err(|error| failed("stdout", error))?;
    rustix::stdio::dup2_stderr(&log).map_err(|error| failed("stderr", error))?;
    Ok(())
}

/// Descendants whose parent ends become our children, none may gain privileges, none dumps core.
pub(crate) fn guard_descendants() -> Result<(), RoleError> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| failed("becoming a sub-reaper", error))?;
    rustix::thread::set_no_new_privs(true).map_err(|error| failed("no_new_privs", error))?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none).map_err(|error| failed("RLIMIT_CORE", error))
}

fn failed(what: &str, error: rustix::io::Errno) -> RoleError {
    RoleError::failed(format!("{what}: {error}"))
}
