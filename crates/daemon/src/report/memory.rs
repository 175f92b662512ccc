//! How much memory an instance takes.

use std::fs;

/// Descendants that are looked at, at most.
const PROCESSES_MAX: usize = 1024;

/// Resident bytes of a process and its descendants; none where it is gone.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let mut sum = own_resident_bytes(pid)?;
    let mut open = children(pid);
    let mut seen = 0;
    while let Some(next) = open.pop() {
        seen += 1;
        if seen > PROCESSES_MAX {
            break;
        }
        sum += own_resident_bytes(next).unwrap_or(0);
        open.extend(children(next));
    }
    Some(sum)
}

fn own_resident_bytes(pid: u32) -> Option<u64> {
    // Size and resident set, in pages.
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    text.unwrap_or_default().split_whitespace().filter_map(|it| it.parse().ok()).collect()
}
