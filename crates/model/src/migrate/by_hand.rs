//! What is migrated by hand, and what that leaves of what releases did to their database.

use super::Migrated;
use crate::{id::InstanceId, name::Name, one_off::Ended, release::Release};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What somebody has a tool do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByHand {
    /// It brings the database forward.
    Up,
    /// It takes back so many migrations.
    Undo(u32),
}

impl Migrated {
    /// Keeps what a tool did by hand with this release's code; whether that says anything new.
    /// Ids of processes are in the order in which they were begun: one that was kept already, or
    /// came before that, is not counted again.
    pub fn settle(&mut self, by: &InstanceId, done: ByHand, ended: &Ended) -> bool {
        if self.settled.as_ref().is_some_and(|it| it >= by) {
            return false;
        }
        self.undone = match done {
            // One that failed may have come a part of the way: all of it counts.
            ByHand::Up => 0,
            ByHand::Undo(count) if ended.code == Some(0) && !ended.timed_out => {
                self.undone.saturating_add(count)
            }
            ByHand::Undo(_) => return false,
        };
        self.settled = Some(by.clone());
        true
    }
}

/// What releases' migrations took away and nobody took back, each with its version.  Releases are
/// in any order; only those count that `counts` says.
///
/// What is taken back by hand is the newest first.  Of a release of which only a part was taken
/// back all of it still counts: which part that was the tools do not say.
pub fn taken_away(releases: &[&Release], counts: impl Fn(&Release) -> bool) -> Vec<String> {
    let mut newest_first = releases.to_vec();
    newest_first.sort_by(|a, b| (b.created_at_ms, &b.id).cmp(&(a.created_at_ms, &a.id)));
    newest_first.dedup_by(|a, b| a.id == b.id);
    let services: BTreeSet<&Name> = newest_first.iter().flat_map(|it| it.migrated.keys()).collect();
    let mut all = vec![];
    for service in services {
        // What the newest code brought forward again is not undone by what was undone before it.
        let mut left: Option<u32> = None;
        for release in &newest_first {
            let Some(done) = release.migrated.get(service).filter(|it| !it.restored) else {
                continue;
            };
            let left = left.get_or_insert(done.undone);
            let brought = u32::try_from(done.brought.len()).unwrap_or(u32::MAX);
            let is_gone = brought > 0 && *left >= brought;
            *left = left.saturating_sub(brought);
            if !is_gone && counts(release) {
                all.extend(done.destructive.iter().map(|it| format!("{}: {it}", release.version)));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32) -> Ended {
        Ended { code: Some(code), ..Ended::default() }
    }

    fn id(number: u32) -> InstanceId {
        InstanceId(format!("shop.production.web.run.{number}"))
    }

    fn brought(files: &[&str]) -> Migrated {
        Migrated {
            brought: files.iter().map(|it| (*it).to_owned()).collect(),
            destructive: files
                .iter()
                .filter(|it| it.contains("drop"))
                .map(|it| (*it).to_owned())
                .collect(),
            ..Migrated::default()
        }
    }

    #[test]
    fn each_process_counts_once_and_only_what_ended_well_takes_back() {
        let mut done = brought(&["1", "2_drop"]);
        assert!(!done.settle(&id(1), ByHand::Undo(1), &ended(1)));
        assert_eq!(done.undone, 0);
        assert!(done.settle(&id(2), ByHand::Undo(1), &ended(0)));
        assert!(!done.settle(&id(2), ByHand::Undo(1), &ended(0)), "it is counted already");
        assert!(done.settle(&id(3), ByHand::Undo(2), &ended(0)));
        assert_eq!(done.undone, 3);
        assert!(done.settle(&id(4), ByHand::Up, &ended(1)), "it may have come a part of the way");
        assert!(!done.settle(&id(3), ByHand::Undo(2), &ended(0)), "it came before");
        assert_eq!(done.undone, 0);
    }

    #[test]
    fn what_was_read_of_an_earlier_build_says_nothing_of_it() {
        let old = r#"{"applied":[],"brought":["1_drop"],"destructive":["1_drop"]}"#;
        let read: Migrated = serde_json::from_str(old).unwrap();
        assert_eq!(read, brought(&["1_drop"]));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }
}
