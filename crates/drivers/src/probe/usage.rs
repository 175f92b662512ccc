//! What the processes of an instance take of the machine.

use super::ports::pids_with;
use std::{fs, thread};

const TOKEN: &[u8] = b"CUTOVER_TOKEN=";

/// What all processes of an instance took until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident.
    pub memory_bytes: u64,
    /// Of all processors, since the processes began.
    pub cpu_ms: u64,
}

impl Usage {
    /// Of the process and all that have its token; none: it is gone, or is not ours to look at.  A
    /// worker of PM2's cluster does not show its token: it is measured alone.
    pub fn of(pid: u32) -> Option<Usage> {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let Some(token) = environment.split(|it| *it == 0).find_map(|it| it.strip_prefix(TOKEN))
        else {
            return one(pid);
        };
        let all = pids_with(std::str::from_utf8(token).ok()?);
        let sum = all.into_iter().filter_map(one).fold(Usage::default(), |sum, it| Usage {
            memory_bytes: sum.memory_bytes + it.memory_bytes,
            cpu_ms: sum.cpu_ms + it.cpu_ms,
        });
        Some(sum)
    }
}

fn one(pid: u32) -> Option<Usage> {
    // Size and resident set, in pages.
    let sizes = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = sizes.split(' ').nth(1)?.parse().ok()?;
    let memory_bytes = pages * rustix::param::page_size() as u64;
    Some(Usage { memory_bytes, cpu_ms: cpu_ms(pid)? })
}

fn cpu_ms(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in brackets, and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // In user and kernel mode, of itself and of its children that ended.
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|it| it.parse::<u64>().ok()).sum();
    Some(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// Of the whole machine.
pub fn machine_memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|it| it.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Processors that may be used: a quota counts.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
