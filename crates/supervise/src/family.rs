//! Everybody who belongs to an instance: descendants, holders of its token, members of its cgroup.

use crate::{
    cgroup::Cgroup,
    process::{self, Process},
};
use rustix::process::Signal;
use std::collections::HashSet;

/// How the members of one instance are found.
#[derive(Debug)]
pub(crate) struct Family {
    token: String,
    cgroup: Cgroup,
}

impl Family {
    pub(crate) fn new(token: String, cgroup: Cgroup) -> Self {
        Self { token, cgroup }
    }

    pub(crate) fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// All that live.  `child` also counts where it is not our own child: it was adopted.
    pub(crate) fn members(&self, child: Option<u32>) -> Vec<Process> {
        let all = process::all();
        let ourselves = std::process::id();
        let in_cgroup: HashSet<u32> = self.cgroup.members().into_iter().collect();
        let mut members: HashSet<u32> = all
            .iter()
            .filter(|one| {
                Some(one.pid) == child
                    || one.parent == ourselves
                    || in_cgroup.contains(&one.pid)
                    || process::has_token(one.pid, &self.token)
            })
            .map(|one| one.pid)
            .collect();
        add_descendants(&mut members, &all);
        members.remove(&ourselves);
        all.into_iter().filter(|one| !one.zombie && members.contains(&one.pid)).collect()
    }

    /// Whether this process belongs to the instance, whose child is `child`.
    pub(crate) fn holds(&self, pid: u32, child: u32) -> bool {
        let ourselves = std::process::id();
        let mut next = pid;
        // The chain of parents is as long as it is; the bound is for a table read while it changes.
        for _ in 0..ANCESTORS_MAX {
            if next == child || next == ourselves || process::has_token(next, &self.token) {
                return true;
            }
            match process::read(next) {
                Some(one) if one.parent > 1 => next = one.parent,
                _ => return false,
            }
        }
        false
    }

    /// The oldest of the token's holders that is not another one's child.
    pub(crate) fn eldest(&self) -> Option<Process> {
        let holders: Vec<Process> = process::all()
            .into_iter()
            .filter(|one| !one.zombie && process::has_token(one.pid, &self.token))
            .collect();
        let pids: HashSet<u32> = holders.iter().map(|one| one.pid).collect();
        holders
            .into_iter()
            .filter(|one| !pids.contains(&one.parent))
            .min_by_key(|one| one.start_ticks)
    }

    /// Kills every one; repeated by the caller until nobody is left.
    pub(crate) fn kill(&self, members: &[Process]) {
        self.cgroup.kill();
        for member in members {
            process::send(*member, Signal::KILL);
        }
    }
}

/// Longest chain of parents that is followed.
const ANCESTORS_MAX: usize = 1_024;

/// Adds the children of members until none is new.
pub(crate) fn add_descendants(members: &mut HashSet<u32>, all: &[Process]) {
    loop {
        let known = members.len();
        for one in all {
            if members.contains(&one.parent) {
                members.insert(one.pid);
            }
        }
        if members.len() == known {
            return;
        }
    }
}
