//! What is remembered of jobs that run by the clock.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "contract/fixture.rs"]
mod fixture;

use engine::port::job_book::JobBook;
use fixture::environment;
use model::{
    id::InstanceId,
    schedule::{Memory, Run},
};

fn memory(decided_ms: u64) -> Memory {
    let id = InstanceId(format!("shop.production.report.run.{decided_ms}"));
    let last = Run { id, version: "1.0.0".into(), due_ms: decided_ms, ended: None };
    Memory { decided_ms, queued: true, skipped: 2, last: Some(last) }
}

#[tokio::test]
async fn a_job_is_remembered_by_its_service_and_environment_beyond_the_controller() {
    let root = tempfile::tempdir().unwrap();
    let (shop, other) = (environment("shop"), environment("other"));
    let (report, mail) = ("report".parse().unwrap(), "mail".parse().unwrap());
    let store = store::open(root.path()).unwrap();
    assert_eq!(store.job(&shop, &report).await.unwrap(), None);
    store.set_job(&shop, &report, &memory(7)).await.unwrap();
    store.set_job(&shop, &mail, &memory(8)).await.unwrap();
    store.set_job(&other, &report, &memory(9)).await.unwrap();
    // The last word counts, and is not added.
    store.set_job(&shop, &report, &memory(10)).await.unwrap();
    drop(store);

    let store = store::open(root.path()).unwrap();
    assert_eq!(store.job(&shop, &report).await.unwrap(), Some(memory(10)));
    assert_eq!(store.job(&shop, &mail).await.unwrap(), Some(memory(8)));
    assert_eq!(store.job(&other, &report).await.unwrap(), Some(memory(9)));
    let read = store::read_only(root.path()).unwrap();
    assert_eq!(read.job(&shop, &report).unwrap(), Some(memory(10)));
    assert_eq!(read.job(&other, &mail).unwrap(), None);
}
