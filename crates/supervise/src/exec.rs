//! Another process beside the one of an instance: as the same user, with the same variables, in the
//! same place and control groups.  It belongs to who starts it, and ends with it.

use crate::{before_exec::BeforeExec, cgroup, client, place, process, program, spec::InstanceSpec};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use std::{
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Such a process.
#[derive(Debug)]
pub struct Beside {
    /// It.
    pub child: Child,
    /// Our end of its terminal, if it has one.
    pub terminal: Option<OwnedFd>,
}

/// Starts `command` beside a running instance.  With a terminal its standard streams are that, and
/// `TERM` is set; else they are ours.  It is killed when the thread ends that called this.
///
/// # Errors
///
/// The instance does not run, the program is not found, or the system refuses.
pub fn beside(
    root: &Path,
    instance: &str,
    command: &[String],
    terminal: Option<&str>,
) -> io::Result<Beside> {
    let file = place::of_instance(root, instance).join(place::SPEC);
    let spec: InstanceSpec = serde_json::from_slice(&std::fs::read(file)?)?;
    let status = client::read_status(root, instance);
    let child = status.and_then(|it| it.child).filter(|it| {
        process::read(it.pid).is_some_and(|now| now.start_ticks == it.start_ticks && !now.zombie)
    });
    let not_running = || io::Error::new(io::ErrorKind::NotFound, "its process does not run");
    let pid = child.ok_or_else(not_running)?.pid;
    let (name, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let program = program::find(name, &spec.directory, &spec.environment)
        .map_err(|why| io::Error::new(io::ErrorKind::NotFound, why))?;
    let mut command = Command::new(program);
    command.arg0(name).args(arguments).current_dir(&spec.directory);
    command.env_clear().envs(&spec.environment);
    if let Some(user) = spec.user {
        command.uid(user.uid).gid(user.gid);
    }
    let ours = match terminal {
        None => None,
        Some(kind) => {
            let (ours, its) = pair()?;
            command.env("TERM", kind);
            command.stdin(its.try_clone()?).stdout(its.try_clone()?).stderr(its);
            Some(ours)
        }
    };
    if ours.is_none() {
        command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    }
    BeforeExec {
        cgroups: cgroup::doors_of(pid),
        files_max: spec.limits.files,
        guest: true,
        leads_terminal: ours.is_some(),
        ..BeforeExec::default()
    }
    .add_to(&mut command);
    Ok(Beside { child: command.spawn()?, terminal: ours })
}

/// Both ends of a new terminal.
fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let its = ioctl_tiocgptpeer(&ours, flags)?;
    Ok((ours, its))
}
