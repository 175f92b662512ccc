//! The store keeps the journal's contract, within one life and over many.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod contract;

use engine::port::journal::Journal;
use model::id::Epoch;
use store::Store;

macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                let root = tempfile::tempdir().unwrap();
                let store = store::open(root.path()).unwrap();
                contract::$case(&store).await;
            }
        )*
    };
}

cases!(
    suite,
    the_lock_is_taken_once_and_freed_by_the_end,
    asking_again_with_the_same_id_finds_what_there_is,
    environments_do_not_wait_for_each_other,
    a_plan_makes_the_record_whole,
    the_ledger_is_the_sum_of_the_lines,
    steps_remember_when_and_why,
    what_does_not_fit_writes_nothing,
    needing_attention_keeps_no_lock_and_is_superseded,
    needing_attention_is_taken_up_again,
    history_is_newest_first_and_bounded,
    generations_are_given_out_once,
    ports_stay_leased_until_they_are_freed,
    a_fixed_port_passes_from_instance_to_instance,
    the_standing_that_changed_last_is_first,
    retired_instances_are_claimed_once,
);

#[tokio::test]
async fn every_life_has_a_higher_epoch_and_finds_what_the_last_one_wrote() {
    let root = tempfile::tempdir().unwrap();
    let open = || -> Store { store::open(root.path()).unwrap() };
    for life in 1..=3 {
        let store = open();
        assert_eq!(Journal::epoch(&store), Epoch(life));
        if life == 1 {
            contract::suite(&store).await;
        }
        let name = contract::fixture::environment("history");
        assert_eq!(store.history(&name, 9).await.unwrap().len(), 3);
        assert_eq!(store.unfinished().await.unwrap().len(), 1, "the one that needs attention");
        assert_eq!(store.ports_leased().await.unwrap(), LEFT_LEASED);
        let above = model::id::Generation(0);
        let next = store.reserve_generations(&name, above, 1).await.unwrap();
        assert_eq!(next.0, life);
    }
}

/// By the cases that do not end with the freeing of their ports.
const LEFT_LEASED: [u16; 6] = [20_100, 20_110, 20_120, 20_130, 20_140, 20_150];
