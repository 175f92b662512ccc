//! Descriptors and memory of the three roles that stay, and what stays when all has ended.

use crate::{control, memory};
use anyhow::{Context, Result};
use std::{fs, thread, time::Duration, time::Instant};
use testkit::{stand::Stand, time::within, tree::Snapshot};

/// A count that has not changed for so long has settled.
const QUIET: Duration = Duration::from_secs(5);
/// Kept connections to instances and warm instances have ended by then.
const SETTLE_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After `down` has returned.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// The processes that live as long as the installation.
#[derive(Debug)]
pub struct Roles {
    all: Vec<(&'static str, u32)>,
}

/// Descriptors by role.
pub type Descriptors = Vec<(&'static str, usize)>;

/// KiB by role.
pub type Memory = Vec<(&'static str, u64)>;

impl Roles {
    /// Finds them.
    ///
    /// # Errors
    /// If one of them does not run.
    pub fn of(stand: &Stand) -> Result<Self> {
        let role = |name: &'static str, word: &str| {
            let pid = stand.pid_of(word).with_context(|| format!("no {name} runs"))?;
            anyhow::Ok((name, pid))
        };
        let proxy = control::status(&stand.root)?.pid;
        let all = vec![role("daemon", "daemon")?, ("proxy", proxy), role("holder", "--holder")?];
        Ok(Self { all })
    }

    /// Which processes they are: another one later means that one died.
    pub fn pids(&self) -> Vec<u32> {
        self.all.iter().map(|it| it.1).collect()
    }

    /// Their open descriptors, once these stay the same.
    pub fn settled(&self) -> Descriptors {
        let began = Instant::now();
        let (mut last, mut since) = (self.descriptors(), Instant::now());
        while since.elapsed() < QUIET && began.elapsed() < SETTLE_MAX {
            thread::sleep(LOOK_EVERY);
            let now = self.descriptors();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        last
    }

    /// As [`Self::settled`], once they are back at what they were, or the most patience is spent:
    /// a kept connection may stay idle for longer than a count needs to look settled.
    pub fn settled_to(&self, before: &Descriptors) -> Descriptors {
        let back = within(SETTLE_MAX, || {
            let now = self.descriptors();
            now.iter().zip(before).all(|(now, before)| now.1 <= before.1).then_some(now)
        });
        back.unwrap_or_else(|| self.settled())
    }

    fn descriptors(&self) -> Descriptors {
        let count = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        self.all.iter().map(|(name, pid)| (*name, count(*pid))).collect()
    }

    /// Their own memory: what is shared counts in part.
    pub fn memory(&self) -> Memory {
        self.all.iter().map(|(name, pid)| (*name, memory::pss_kib(*pid))).collect()
    }
}

/// Processes that name the stand's folder after its end, in words.
pub fn left(stand: &Stand) -> Vec<String> {
    let look = || match Snapshot::take(stand.folder.path(), &[]) {
        Ok(snapshot) => snapshot.processes().into_iter().map(described).collect(),
        Err(error) => vec![format!("/proc cannot be read: {error}")],
    };
    let none = within(GONE_WITHIN, || look().is_empty().then_some(()));
    if none.is_some() { vec![] } else { look() }
}

fn described(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    format!("{pid} {}", words.trim())
}
