//! What was acknowledged is there after any death, and nothing is half there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

#[path = "contract/fixture.rs"]
mod fixture;
mod support;

use engine::port::journal::{Begun, Journal};
use fixture::{environment, id, request};
use model::journal::{Outcome, Record};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};
use support::{Again, Dice, say};

const NAME: &str = "crash";
const KILLS: u16 = 30;
/// Longer than it takes to open the journal and to carry the log over more than once.
const LIFE_MS_MAX: u64 = 250;
/// Lines before a deployment ends and the next begins.
const LINES_A_DEPLOYMENT: u64 = 100;

#[tokio::test]
async fn what_was_acknowledged_is_there_after_thirty_kills() {
    const TEST: &str = "what_was_acknowledged_is_there_after_thirty_kills";
    if let Some(root) = support::root_of_child() {
        return write_until_killed(&root).await;
    }
    let root = tempfile::tempdir().unwrap();
    let mut dice = Dice::new();
    let seed = dice.0;
    let mut acknowledged = BTreeSet::new();
    for round in 1..=KILLS {
        let mut child = Again::start(TEST, root.path(), &[]);
        let killed_at = Instant::now() + Duration::from_millis(dice.below(LIFE_MS_MAX));
        let mut said = vec![];
        while Instant::now() < killed_at {
            said.extend(child.hear());
        }
        said.extend(child.kill());
        acknowledged.extend(said.iter().map(|it| it.parse::<u64>().unwrap()));

        let written = sequences(root.path()).await;
        let lost: Vec<_> = acknowledged.difference(&written).collect();
        assert!(lost.is_empty(), "seed {seed}, round {round}: lost {lost:?}");
        let unsaid = written.len() - acknowledged.len();
        assert!(unsaid <= usize::from(round), "seed {seed}: at most one a death was not said");
    }
    let lines = acknowledged.len();
    assert!(lines > 1000, "only {lines} lines were written in {KILLS} lives");
}

async fn write_until_killed(root: &Path) {
    let store = store::open(root).unwrap();
    let mut number =
        u16::try_from(store.history(&environment(NAME), 9999).await.unwrap().len()).unwrap().max(1);
    loop {
        match store.begin(&request(NAME, number), 1).await.unwrap() {
            Begun::Taken { sequence } => say(&sequence.to_string()),
            Begun::Known(_) => {}
            Begun::Busy(other) => panic!("{} has the lock", other.id),
            Begun::Kept(mark) => panic!("{} keeps the lock", mark.by),
        }
        for _ in 0..LINES_A_DEPLOYMENT {
            // It may have ended just before the death before.
            match store.record(&id(NAME, number), &Record::AbortAsked, 2).await {
                Ok(sequence) => say(&sequence.to_string()),
                Err(_) => break,
            }
        }
        let outcome = Outcome::Aborted;
        if let Ok(sequence) = store.finish(&id(NAME, number), outcome, None, None, 3).await {
            say(&sequence.to_string());
        }
        number += 1;
    }
}

async fn sequences(root: &Path) -> BTreeSet<u64> {
    let reader = match store::read_only(root) {
        Err(store::OpenError::Missing { .. }) => return BTreeSet::new(),
        reader => reader.unwrap(),
    };
    let mut all = BTreeSet::new();
    for record in reader.history(&environment(NAME), 9999).unwrap() {
        let events = reader.events_after(&record.id, 0).unwrap();
        all.extend(events.iter().map(|it| it.0));
    }
    all
}

/// One failed sync, and every one after it succeeds: what may not be on disk is never trusted.
#[tokio::test]
async fn a_failed_sync_stops_all_writing_and_loses_nothing_acknowledged() {
    const TEST: &str = "a_failed_sync_stops_all_writing_and_loses_nothing_acknowledged";
    if let Some(root) = support::root_of_child() {
        return write_until_refused(&root).await;
    }
    let mut broken = 0;
    for nth in (1..=61).step_by(4) {
        let root = tempfile::tempdir().unwrap();
        drop(store::open(root.path()).unwrap());
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth}");
        let lead = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
        let mut child = Again::start(TEST, root.path(), &lead);
        let mut acknowledged = BTreeSet::new();
        let verdict = loop {
            let said = child.hear().expect("it says how it ends");
            match said.parse::<u64>() {
                Ok(sequence) => drop(acknowledged.insert(sequence)),
                Err(_) => break said,
            }
        };
        child.wait();
        broken += u32::from(verdict.starts_with("broken"));
        assert!(verdict.contains("disk I/O error") || verdict.contains("os error 5"), "{verdict}");
        let store = store::open(root.path()).unwrap();
        assert_eq!(store.broken(), None, "the next life starts anew");
        let written = sequences(root.path()).await;
        assert!(acknowledged.is_subset(&written), "sync {nth}: {verdict}");
    }
    assert!(broken > 10, "only {broken} of the faults met a write");
}

/// The log is carried over into the database: SQLite itself would keep this error to itself.
#[tokio::test]
async fn a_failed_sync_of_the_database_stops_all_writing_too() {
    const TEST: &str = "a_failed_sync_of_the_database_stops_all_writing_too";
    if let Some(root) = support::root_of_child() {
        return write_until_refused(&root).await;
    }
    let root = tempfile::tempdir().unwrap();
    drop(store::open(root.path()).unwrap());
    let database = root.path().join("state.db");
    let inject = "inject=fsync,fdatasync:error=EIO:when=1";
    let only = database.to_str().unwrap();
    let lead = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", only, "-e", inject];
    let mut child = Again::start(TEST, root.path(), &lead);
    let said: Vec<String> = std::iter::from_fn(|| child.hear()).collect();
    child.wait();
    let (verdict, acknowledged) = said.split_last().unwrap();
    assert!(verdict.starts_with("broken") && verdict.contains("disk I/O error"), "{verdict}");
    assert!(acknowledged.len() > 100, "writes before the first time it is carried over");
    let written = sequences(root.path()).await;
    assert!(acknowledged.iter().all(|it| written.contains(&it.parse().unwrap())));
}

async fn write_until_refused(root: &Path) {
    let store = match store::open(root) {
        Ok(store) => store,
        Err(error) => return say(&format!("not opened: {error}")),
    };
    let mut failures = vec![];
    if let Err(failure) = store.begin(&request(NAME, 1), 1).await {
        failures.push(failure);
    }
    for _ in 0..2000 {
        match store.record(&id(NAME, 1), &Record::AbortAsked, 2).await {
            Ok(sequence) => say(&sequence.to_string()),
            Err(failure) => failures.push(failure),
        }
        if failures.len() == 3 {
            break;
        }
    }
    assert_eq!(failures.len(), 3, "the store went on writing");
    assert!(failures.iter().all(|it| *it == failures[0]), "{failures:?}");
    assert_eq!(store.broken().as_ref(), Some(&failures[0]));
    store.unfinished().await.expect("what is there can still be read");
    say(&format!("broken: {}", failures[0].message));
}

/// Killed at each call that changes a file, from nothing to the first epoch.
#[tokio::test]
async fn a_first_start_that_was_killed_anywhere_is_made_good_by_the_next() {
    const TEST: &str = "a_first_start_that_was_killed_anywhere_is_made_good_by_the_next";
    if let Some(root) = support::root_of_child() {
        drop(store::open(&root).unwrap());
        return say("opened");
    }
    let mut killed = 0;
    for nth in 1..=60 {
        let root = tempfile::tempdir().unwrap();
        let calls = "inject=pwrite64,fsync,fdatasync,unlink,ftruncate,fchmod,chmod";
        let inject = format!("{calls}:signal=KILL:when={nth}");
        let lead = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
        let mut child = Again::start(TEST, root.path(), &lead);
        killed += u32::from(child.hear().is_none());
        child.wait();
        let store = store::open(root.path()).unwrap_or_else(|it| panic!("call {nth}: {it}"));
        assert!((1..=2).contains(&store.epoch().0), "call {nth}");
        let begun = store.begin(&request(NAME, 1), 1).await.unwrap();
        assert_eq!(begun, Begun::Taken { sequence: 1 }, "call {nth}");
    }
    assert!(killed > 20, "only {killed} of the kills met the start");
}
