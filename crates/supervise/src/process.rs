//! What `/proc` says of processes.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::{fs, os::fd::OwnedFd};

/// One process, named so that a recycled pid is not taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// Field 22 of `/proc/PID/stat`.
    pub(crate) start_ticks: u64,
    /// It has ended, and its parent has not asked how.
    pub(crate) zombie: bool,
}

/// None where there is no such process, or it may not be seen.
pub(crate) fn read(pid: u32) -> Option<Process> {
    parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Every process that may be seen.
pub(crate) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect()
}

/// The program's name, of at most 15 bytes.
pub(crate) fn name(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

/// The value with which it was executed; none also where we may not look.
pub(crate) fn environment_value(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}

/// The variable that carries an instance's token.
pub(crate) const TOKEN: &str = "CUTOVER_TOKEN";

/// Whether it was executed with this instance's token.
pub(crate) fn has_token(pid: u32, token: &str) -> bool {
    environment_value(pid, TOKEN).is_some_and(|value| value == token)
}

/// Differs after every boot.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// A descriptor that is readable once it has ended; none if it is not the same process any more.
pub(crate) fn watch(process: Process) -> Option<OwnedFd> {
    let descriptor = pidfd_open(number(process.pid)?, PidfdFlags::empty()).ok()?;
    let still = read(process.pid)?;
    (still.start_ticks == process.start_ticks).then_some(descriptor)
}

/// Whether it was there to get it.
pub(crate) fn send(process: Process, signal: Signal) -> bool {
    watch(process).is_some_and(|descriptor| pidfd_send_signal(descriptor, signal).is_ok())
}

pub(crate) fn number(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn parse(pid: u32, stat: &[u8]) -> Option<Process> {
    // The name is in parentheses and may itself hold any of them, so the last one ends it.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 2..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    const FIELDS_FROM_PARENT_TO_START: usize = 17;
    let start_ticks = fields.nth(FIELDS_FROM_PARENT_TO_START)?.parse().ok()?;
    Some(Process { pid, parent, start_ticks, zombie: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_read() {
        let stat = b"77 (a) b (c) S 12 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 4096 1";
        let expected = Process { pid: 77, parent: 12, start_ticks: 98_765, zombie: false };
        assert_eq!(parse(77, stat), Some(expected));
    }

    #[test]
    fn we_see_ourselves() {
        let pid = std::process::id();
        let ourselves = read(pid).unwrap();
        assert!(all().contains(&ourselves));
        assert!(watch(ourselves).is_some());
        assert!(watch(Process { start_ticks: ourselves.start_ticks + 1, ..ourselves }).is_none());
    }
}
