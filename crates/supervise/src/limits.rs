//! What can be enforced on this machine: asked before a deployment, so that nothing is promised.

use crate::{
    cgroup::Cgroup,
    spec::{Limits, User},
};
use rustix::process::{Resource, getrlimit};
use std::fs;

const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
const CAP_SYS_RESOURCE: u32 = 24;

/// What of `limits` and `user` could not be enforced by a `supervise` started by this process, one
/// sentence each; empty where all of it can.
pub fn enforceable(limits: &Limits, user: Option<User>) -> Vec<String> {
    let mut problems = Vec::new();
    if limits.memory_bytes.is_some() || limits.processes.is_some() {
        let probe = Cgroup::open(&format!("probe-{}", std::process::id()));
        if limits.memory_bytes.is_some() && !probe.limits_memory() {
            problems.push(
                "memory cannot be limited here: no memory control group is writable; run as root \
                 or under a systemd unit with Delegate=yes, or leave the limit out"
                    .to_owned(),
            );
        }
        if limits.processes.is_some() && !probe.limits_processes() {
            problems.push(
                "the number of processes cannot be limited here: no pids control group is \
                 writable; run as root or under a systemd unit with Delegate=yes, or leave it out"
                    .to_owned(),
            );
        }
        probe.remove();
    }
    problems.extend(limits.files.and_then(files_problem));
    problems.extend(user.and_then(user_problem));
    problems
}

fn files_problem(files: u64) -> Option<String> {
    let hard = getrlimit(Resource::Nofile).maximum?;
    (files > hard && !has_capability(CAP_SYS_RESOURCE)).then(|| {
        format!(
            "files cannot be limited to {files}: the hard limit is {hard}; raise it or ask less"
        )
    })
}

fn user_problem(user: User) -> Option<String> {
    let same = rustix::process::geteuid().as_raw() == user.uid
        && rustix::process::getegid().as_raw() == user.gid;
    let may = same || (has_capability(CAP_SETUID) && has_capability(CAP_SETGID));
    (!may).then(|| {
        format!(
            "cannot run as user {} and group {}: that needs root; run the controller as root, or \
             as that user",
            user.uid, user.gid
        )
    })
}

fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok())
        .is_some_and(|effective| effective >> number & 1 == 1)
}
