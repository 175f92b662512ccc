//! What a child does between fork and exec: only system calls, nothing is allocated.

#![allow(unsafe_code, reason = "std sets no limits, joins no cgroups and seats no descriptors")]

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    os::unix::process::CommandExt,
    process::Command,
};

/// The first descriptor after stderr: where seated descriptors begin.
pub(crate) const FIRST_SEAT: RawFd = 3;

/// What the child does to itself before it becomes the program.
#[derive(Debug, Default)]
pub(crate) struct BeforeExec {
    /// Opened `cgroup.procs` files to join; opened before the user changes.
    pub(crate) cgroups: Vec<OwnedFd>,
    /// It is somebody's guest: it gains no privileges, and ends with who starts it.
    pub(crate) guest: bool,
    /// It leads a session of its own, on the terminal that is its stdin.
    pub(crate) leads_terminal: bool,
    /// RLIMIT_NOFILE, both soft and hard.
    pub(crate) files_max: Option<u64>,
    /// Descriptors that become 3, 4, … and stay open.  Their own numbers, and those of anything
    /// else that this process has open, must lie beyond the last seat: see `holder::seats`.
    pub(crate) seated: Vec<OwnedFd>,
}

impl BeforeExec {
    pub(crate) fn add_to(self, command: &mut Command) {
        let act = move || self.act();
        // SAFETY: `act` makes system calls on memory and descriptors that it owns, and allocates
        // and locks nothing, so it is safe in the child of a fork.
        unsafe {
            command.pre_exec(act);
        }
    }

    fn act(&self) -> io::Result<()> {
        for cgroup in &self.cgroups {
            // A cgroup that was removed meanwhile limits nothing; the app starts all the same.
            let _ = rustix::io::write(cgroup, b"0");
        }
        if self.guest {
            rustix::thread::set_no_new_privs(true)?;
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        }
        if self.leads_terminal {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        if let Some(files) = self.files_max {
            setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: Some(files) })?;
        }
        for (seat, descriptor) in (FIRST_SEAT..).zip(&self.seated) {
            // SAFETY: both are plain numbers in a process that is about to exec; the seat has no
            // owner in this child but a placeholder that ends with it.
            if unsafe { libc::dup2(descriptor.as_raw_fd(), seat) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}
