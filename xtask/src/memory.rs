//! Memory of a process.

use std::fs;

/// Its proportional share in KiB: pages that several processes have count in part.  0 where it has
/// ended, or may not be looked at.
pub fn pss_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|it| it.strip_prefix("Pss:"));
    let number = line.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_some() {
        assert!(pss_kib(std::process::id()) > 100);
        assert_eq!(pss_kib(0), 0);
    }
}
