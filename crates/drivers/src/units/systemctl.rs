//! Asks the host's systemd.

use crate::host::{self, Command};
use model::failure::{Blame, Failure};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// A unit's start or stop included.
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// Only there where systemd is the first process.
const RUNNING: &str = "/run/systemd/system";

/// What `systemctl show` says of a unit, by property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown(BTreeMap<String, String>);

impl Shown {
    /// Asks for these properties.
    ///
    /// # Errors
    ///
    /// systemd does not answer.
    pub fn of(unit: &str, properties: &[&str]) -> Result<Shown, Failure> {
        let asked = format!("--property={}", properties.join(","));
        let text = systemctl(&["show", &asked, "--", unit])?;
        Ok(Shown::read(&text))
    }

    /// What was printed.
    fn read(text: &str) -> Shown {
        let pairs = text.lines().filter_map(|it| it.split_once('='));
        Shown(pairs.map(|it| (it.0.to_owned(), it.1.to_owned())).collect())
    }

    /// One property; empty where it was not told.
    pub fn get(&self, property: &str) -> &str {
        self.0.get(property).map_or("", String::as_str)
    }

    /// The first process, while it runs.
    pub fn main_pid(&self) -> Option<u32> {
        self.get("MainPID").parse().ok().filter(|it| *it > 0)
    }
}

/// Whether systemd is this host's first process.
pub fn is_running() -> bool {
    Path::new(RUNNING).is_dir()
}

/// Runs `systemctl` with these words; what it printed.
///
/// # Errors
///
/// It is not there, or ends otherwise than well.
pub fn systemctl(words: &[&str]) -> Result<String, Failure> {
    systemctl_within(words, TIME_LIMIT)
}

/// The same, within this time.
///
/// # Errors
///
/// As [`systemctl`].
pub fn systemctl_within(words: &[&str], limit: Duration) -> Result<String, Failure> {
    let command = Command::new("systemctl", limit)
        .arguments(["--no-pager", "--no-ask-password"])
        .arguments(words.iter().copied());
    let finished = host::run_now(&command)?;
    if finished.success {
        return Ok(finished.text());
    }
    let doing = format!("run `systemctl {}`", words.join(" "));
    Err(finished.failure(Blame::Platform, &doing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read() {
        let shown = Shown::read("MainPID=0\nActiveState=active\nDescription=a=b\n");
        assert_eq!(shown.main_pid(), None);
        assert_eq!(shown.get("Description"), "a=b");
        assert_eq!((shown.get("ActiveState"), shown.get("Result")), ("active", ""));
    }
}
