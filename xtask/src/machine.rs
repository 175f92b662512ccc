//! On what, and when: figures mean nothing without it.

use crate::program;
use rustix::system::uname;
use std::{fs, process::Command};

/// The machine and the versions, as lines of a list.
pub fn lines() -> Vec<String> {
    let system = uname();
    let release = system.release().to_string_lossy().into_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        format!("date: {}", first_line("date", &["--utc", "+%Y-%m-%d %H:%M UTC"])),
        format!(
            "machine: {cores} cores ({}), {} MiB memory, {} {release}",
            of_file("/proc/cpuinfo", "model name"),
            memory_mib(),
            system.sysname().to_string_lossy(),
        ),
        format!(
            "build: `--profile {}`, commit {}, {}",
            profile(),
            first_line("git", &["describe", "--always", "--dirty"]),
            first_line("rustc", &["--version"]),
        ),
    ]
}

/// Of this very program, and of what it measures beside it.
fn profile() -> &'static str {
    let own = std::env::current_exe().unwrap_or_default();
    if own.parent().is_some_and(|it| it.ends_with("release")) { "release" } else { "dev" }
}

/// The first line that a program prints; `unknown` where it prints none.
pub fn first_line(name: &str, args: &[&str]) -> String {
    let output = Command::new(name).args(args).current_dir(program::root()).output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let line = text.ok().and_then(|it| it.lines().next().map(|it| it.trim().to_owned()));
    line.filter(|it| !it.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

fn of_file(path: &str, key: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|it| it.starts_with(key));
    let value = line.and_then(|it| it.split_once(':')).map(|it| it.1.trim().to_owned());
    value.unwrap_or_else(|| "unknown".to_owned())
}

fn memory_mib() -> u64 {
    let kib = of_file("/proc/meminfo", "MemTotal");
    let number = kib.split_whitespace().next().and_then(|it| it.parse::<u64>().ok());
    number.unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_runs_on() {
        let lines = lines().join("\n");
        assert!(lines.contains("cores") && lines.contains("Linux"), "{lines}");
        assert!(memory_mib() > 0);
        assert_eq!(first_line("no-such-program", &[]), "unknown");
    }
}
