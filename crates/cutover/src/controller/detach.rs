//! Makes a child independent of who started it.

#![allow(unsafe_code, reason = "a new session can only be begun between fork and exec")]

use std::{os::unix::process::CommandExt, process::Command};

/// The child begins a session of its own, with umask 077, default signals, and no descriptor of
/// ours but stdin, stdout and stderr.
pub fn detached(command: &mut Command) -> &mut Command {
    // SAFETY: what runs between fork and exec makes system calls only: it takes no lock and
    // allocates nothing.
    unsafe { command.pre_exec(begin_session) }
}

fn begin_session() -> std::io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the default action is no function of ours.  Some signals cannot be set, and
        // some numbers are the C library's own: these keep their action.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: marking descriptors closes none before exec, so that std's own pipe still works.
    // An old kernel does not know the call: then what we inherited is inherited on.
    unsafe { libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) };
    Ok(())
}
