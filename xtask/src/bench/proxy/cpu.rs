//! Processor time, as the scheduler counts it: in nanoseconds, of every thread.

use std::{collections::BTreeSet, fs};

/// The process and all that descend from it.
pub fn family(pid: u32) -> Vec<u32> {
    let mut found = BTreeSet::from([pid]);
    let mut next = vec![pid];
    while let Some(parent) = next.pop() {
        for thread in threads(parent) {
            let path = format!("/proc/{parent}/task/{thread}/children");
            let text = fs::read_to_string(path).unwrap_or_default();
            let children = text.split_whitespace().filter_map(|it| it.parse::<u32>().ok());
            next.extend(children.filter(|it| found.insert(*it)));
        }
    }
    found.into_iter().collect()
}

/// What the threads that live now have used.
pub fn used_ns(pids: &[u32]) -> u64 {
    let of_thread = |pid: u32, thread: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat"));
        let first = text.ok().and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
        first.unwrap_or(0)
    };
    pids.iter().flat_map(|pid| threads(*pid).into_iter().map(move |it| of_thread(*pid, it))).sum()
}

fn threads(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return vec![] };
    entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_some() {
        let own = std::process::id();
        let before = used_ns(&family(own));
        let mut sum = 0_u64;
        while used_ns(&[own]) <= before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(family(own).contains(&own) && before > 0);
    }
}
