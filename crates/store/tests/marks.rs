//! What people say of an environment by hand.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "contract/fixture.rs"]
mod fixture;

use engine::port::journal::{Begun, Journal};
use fixture::{environment, id, request};
use model::{
    control::{Mark, Marks, Said},
    journal::Outcome,
};

fn mark(by: &str, since_ms: u64) -> Mark {
    Mark { by: by.to_owned(), reason: "stock-taking".to_owned(), since_ms }
}

#[tokio::test]
async fn a_lock_kept_by_hand_keeps_everybody_out_until_it_is_given_back() {
    let root = tempfile::tempdir().unwrap();
    let store = store::open(root.path()).unwrap();
    let shop = environment("kept");
    assert_eq!(store.mark(&shop, Said::Lock, true, &mark("ann", 7)).await.unwrap(), None);

    // Another says it again, and hears who said it first.
    let again = store.mark(&shop, Said::Lock, true, &mark("bob", 8)).await.unwrap_err();
    assert!(again.message.contains("kept by ann since"), "{}", again.message);

    let begun = store.begin(&request("kept", 1), 9).await.unwrap();
    assert_eq!(begun, Begun::Kept(Box::new(mark("ann", 7))));
    assert_eq!(store.deployment(&id("kept", 1)).await.unwrap(), None, "nothing was begun");
    // Others are not kept.
    assert!(matches!(store.begin(&request("open", 1), 9).await.unwrap(), Begun::Taken { .. }));

    // It is passed by who asks for that, and stays.
    let mut passing = request("kept", 2);
    passing.overrides.break_lock = true;
    assert!(matches!(store.begin(&passing, 10).await.unwrap(), Begun::Taken { .. }));
    let record = store.deployment(&id("kept", 2)).await.unwrap().unwrap();
    assert!(record.overrides.break_lock);
    store.finish(&id("kept", 2), Outcome::Aborted, None, None, 11).await.unwrap();
    assert!(matches!(store.begin(&request("kept", 3), 12).await.unwrap(), Begun::Kept(_)));

    let before = store.mark(&shop, Said::Lock, false, &mark("bob", 13)).await.unwrap();
    assert_eq!(before, Some(mark("ann", 7)));
    assert!(store.mark(&shop, Said::Lock, false, &mark("bob", 14)).await.is_err());
    assert!(matches!(store.begin(&request("kept", 3), 15).await.unwrap(), Begun::Taken { .. }));
}

#[tokio::test]
async fn marks_outlive_the_controller_and_are_read_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let shop = environment("frozen");
    let store = store::open(root.path()).unwrap();
    store.mark(&shop, Said::Freeze, true, &mark("ann", 7)).await.unwrap();
    drop(store);
    let store = store::open(root.path()).unwrap();
    let expected = Marks { lock: None, freeze: Some(mark("ann", 7)) };
    assert_eq!(store.marks(&shop).await.unwrap(), expected);
    let read = store::read_only(root.path()).unwrap();
    assert_eq!(read.marks(&shop).unwrap(), expected);
    assert_eq!(read.environments().unwrap(), [shop], "also where nothing was deployed");
}
