//! What the system says of a process: whether it still does something.

use std::fs;

/// Whether it is there and has not ended; one that has ended and is not waited for does nothing
/// any more.
pub fn is_alive(pid: u32) -> bool {
    letter(pid).is_some_and(|it| !matches!(it, 'Z' | 'X'))
}

/// Whether a signal or a tracer keeps it from running.
pub fn is_halted(pid: u32) -> bool {
    letter(pid).is_some_and(|it| matches!(it, 'T' | 't'))
}

fn letter(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in brackets, and may hold anything.
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{process::Command, thread};

    #[test]
    fn a_process_is_alive_then_halted_then_gone() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        assert!(is_alive(pid) && !is_halted(pid));
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();
        while !is_halted(pid) {
            thread::yield_now();
        }
        assert!(is_alive(pid));
        child.kill().unwrap();
        // Not waited for yet: it has ended all the same.
        while is_alive(pid) {
            thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!is_alive(pid) && !is_halted(pid));
    }
}
