//! The processes of an instance that somebody else supervises: whoever was executed with its token,
//! and their descendants.

use crate::{
    family,
    process::{self, Process},
};
use rustix::process::Signal;
use std::{collections::HashSet, fs};

/// One of them: another process that gets its number later is not taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kin {
    process: Process,
    /// It was executed with the token itself, and is no mere descendant.
    pub holder: bool,
}

impl Kin {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Its parent's process id.
    pub fn parent(&self) -> u32 {
        self.process.parent
    }

    /// Whether it was there to get the signal, which is a number of Linux.
    pub fn send(&self, signal: i32) -> bool {
        Signal::from_named_raw(signal).is_some_and(|it| process::send(self.process, it))
    }
}

/// All that live.  The token may stand anywhere in the environment: Node's cluster module hands
/// it on within other text.
pub fn of_token(token: &str) -> Vec<Kin> {
    if token.is_empty() {
        return vec![];
    }
    let all = process::all();
    let ourselves = std::process::id();
    let holds = |pid: u32| pid != ourselves && has_text(pid, token.as_bytes());
    let holders: HashSet<u32> = all.iter().map(|it| it.pid).filter(|it| holds(*it)).collect();
    let mut members = holders.clone();
    family::add_descendants(&mut members, &all);
    members.remove(&ourselves);
    all.into_iter()
        .filter(|it| !it.zombie && members.contains(&it.pid))
        .map(|process| Kin { process, holder: holders.contains(&process.pid) })
        .collect()
}

fn has_text(pid: u32, text: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.windows(text.len()).any(|it| it == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn holders_are_found_and_may_be_ended() {
        let token = format!("{:032x}", u128::from(std::process::id()) << 64 | 0x00c0_ffee);
        let mut child = Command::new("sleep")
            .arg("600")
            .env("SOME_JSON", format!("{{\"token\":\"{token}\"}}"))
            .spawn()
            .unwrap();
        let found = of_token(&token);
        assert_eq!(found.iter().map(Kin::pid).collect::<Vec<_>>(), [child.id()]);
        assert!(found[0].holder && found[0].send(9));
        child.wait().unwrap();
        assert_eq!(of_token(&token), []);
        assert_eq!(of_token(""), []);
    }
}
