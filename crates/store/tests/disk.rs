//! Full and frozen disks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

#[path = "contract/fixture.rs"]
mod fixture;
mod support;

use engine::port::journal::{Begun, Journal};
use fixture::{environment, id, plan, request};
use model::{
    deployment::Stage,
    failure::{Blame, Failure},
    journal::{Event, Ledger, Outcome, Record},
};
use std::fs;
use store::Store;
use support::Disk;

const RESERVE_BYTES: u64 = 8 << 20;

#[tokio::test]
async fn a_deployment_ends_on_the_reserve_where_the_disk_is_full() {
    let disk = Disk::mount(24);
    let store = store::open(disk.root()).unwrap();
    let reserve = disk.root().join("reserve.bin");
    assert_eq!(fs::metadata(&reserve).unwrap().len(), RESERVE_BYTES);
    assert!(!store.reserve_spent());
    let plan = plan("full", 1, 20_000);
    store.begin(&request("full", 1), 1).await.unwrap();
    store.planned(&plan, &[], 2).await.unwrap();
    disk.fill();

    let mut expected = Ledger::new(&plan);
    let why = Failure::new(Blame::Release, "see it ready").evidence("line\n".repeat(1000));
    for step in 0..plan.steps.len() {
        let events = [Event::Began { attempt: 1 }, Event::Failed(why.clone())];
        for event in events.into_iter().chain([Event::UndoBegan, Event::Undone]) {
            let record = Record::Step(step, event);
            store.record(&plan.deployment, &record, 3).await.unwrap();
            expected = expected.after(&record).unwrap();
        }
    }
    store.finish(&plan.deployment, Outcome::RolledBack, Some(&why), None, 4).await.unwrap();
    assert!(store.reserve_spent());
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 0);
    assert!(!store.top_up().await.unwrap(), "there is no space for it yet");
    drop(store);

    let store = store::open(disk.root()).unwrap();
    assert_eq!(store.ledger(&plan).await.unwrap(), expected);
    let record = store.deployment(&plan.deployment).await.unwrap().unwrap();
    assert_eq!(record.stage, Stage::Ended(Outcome::RolledBack));
    assert!(store.reserve_spent(), "the disk is as full as before");
    disk.empty();
    assert!(store.top_up().await.unwrap());
    assert!(!store.reserve_spent());
    assert_eq!(fs::metadata(&reserve).unwrap().blocks_bytes(), RESERVE_BYTES);
}

#[tokio::test]
async fn a_controller_starts_on_a_full_disk() {
    let disk = Disk::mount(24);
    let store = store::open(disk.root()).unwrap();
    store.begin(&request("full", 1), 1).await.unwrap();
    drop(store);
    disk.fill();
    let store = store::open(disk.root()).unwrap();
    assert!(store.reserve_spent());
    store.finish(&id("full", 1), Outcome::Aborted, None, None, 2).await.unwrap();
}

#[tokio::test]
async fn where_the_reserve_is_gone_too_nothing_more_is_written() {
    let disk = Disk::mount(24);
    let store = store::open(disk.root()).unwrap();
    store.begin(&request("full", 1), 1).await.unwrap();
    let asked = Record::AbortAsked;
    let mut failure = None;
    for _ in 0..10_000 {
        // Somebody else takes what is given back.
        disk.fill();
        if let Err(failed) = store.record(&id("full", 1), &asked, 2).await {
            failure = Some(failed);
            break;
        }
    }
    let failure = failure.expect("the log fits into no disk for ever");
    assert_eq!(failure.blame, Blame::Platform);
    assert!(failure.message.contains("full"), "{}", failure.message);
    disk.empty();
    assert_eq!(store.record(&id("full", 1), &asked, 3).await, Err(failure.clone()));
    assert_eq!(store.begin(&request("other", 1), 3).await, Err(failure.clone()));
    assert_eq!(store.broken(), Some(failure));
    assert_eq!(store.unfinished().await.unwrap().len(), 1, "what is there can be read");
    drop(store);
    let store = store::open(disk.root()).unwrap();
    store.record(&id("full", 1), &asked, 3).await.unwrap();
    assert!(!store.reserve_spent());
}

#[tokio::test]
async fn the_log_does_not_grow_for_ever() {
    let root = tempfile::tempdir().unwrap();
    let store = store::open(root.path()).unwrap();
    store.begin(&request("long", 1), 1).await.unwrap();
    for _ in 0..3000 {
        store.record(&id("long", 1), &Record::AbortAsked, 2).await.unwrap();
    }
    let log = fs::metadata(root.path().join("state.db-wal")).unwrap().len();
    assert!(log < 8 << 20, "the log has {log} bytes");
}

#[tokio::test]
async fn on_a_frozen_disk_writing_ends_and_reading_goes_on() {
    let disk = Disk::mount(24);
    let store = store::open(disk.root()).unwrap();
    begin(&store, 1).await;
    assert!(freeze_fails_while_open(&disk), "a file system with open writers is not frozen");
    drop(store);
    disk.freeze();
    let error = store::open(disk.root()).unwrap_err().to_string();
    assert!(error.contains("Read-only file system"), "{error}");
    let reader = store::read_only(disk.root()).unwrap();
    assert_eq!(reader.history(&environment("frozen"), 9).unwrap().len(), 1);
}

async fn begin(store: &Store, number: u16) {
    let begun = store.begin(&request("frozen", number), 1).await.unwrap();
    assert!(matches!(begun, Begun::Taken { .. }));
}

fn freeze_fails_while_open(disk: &Disk) -> bool {
    let mut command = std::process::Command::new("mount");
    let status = command.args(["-o", "remount,ro"]).arg(disk.root()).status().unwrap();
    !status.success()
}

trait Blocks {
    fn blocks_bytes(&self) -> u64;
}

impl Blocks for fs::Metadata {
    fn blocks_bytes(&self) -> u64 {
        std::os::unix::fs::MetadataExt::blocks(self) * 512
    }
}
