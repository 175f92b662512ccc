//! Who may open the journal, and what of.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

#[path = "contract/fixture.rs"]
mod fixture;
mod support;

use engine::port::journal::Journal;
use fixture::{environment, id, request};
use model::{
    id::Epoch,
    journal::{Outcome, Record},
};
use rusqlite::Connection;
use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};
use store::{HolderState, OpenError, Position};
use support::{Again, contents, eventually, say};

#[tokio::test]
async fn a_second_controller_is_refused_and_told_of_the_first() {
    const TEST: &str = "a_second_controller_is_refused_and_told_of_the_first";
    if let Some(root) = support::root_of_child() {
        let _store = store::open(&root).unwrap();
        say("open");
        loop {
            std::thread::park();
        }
    }
    let root = tempfile::tempdir().unwrap();
    let mut child = Again::start(TEST, root.path(), &[]);
    assert_eq!(child.hear().as_deref(), Some("open"));
    let refused = || match store::open(root.path()) {
        Err(OpenError::Locked { pid, state }) => (pid, state),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(), (child.pid(), HolderState::Running));
    let text = store::open(root.path()).unwrap_err().to_string();
    assert!(text.contains(&format!("pid {}, running", child.pid())), "{text}");
    child.stop();
    eventually("the first is stopped", || refused() == (child.pid(), HolderState::Stopped));
    child.kill();
    let store = store::open(root.path()).unwrap();
    assert_eq!(store.epoch(), Epoch(2), "the refused took no epoch");
}

#[tokio::test]
async fn where_the_lock_was_unlinked_the_older_controller_can_write_no_more() {
    let root = tempfile::tempdir().unwrap();
    let older = store::open(root.path()).unwrap();
    older.begin(&request("lock", 1), 1).await.unwrap();
    fs::remove_file(root.path().join("state.lock")).unwrap();
    let newer = store::open(root.path()).unwrap();
    assert_eq!((older.epoch(), newer.epoch()), (Epoch(1), Epoch(2)));
    let asked = Record::AbortAsked;
    for _ in 0..2 {
        let failure = older.record(&id("lock", 1), &asked, 2).await.unwrap_err();
        assert!(failure.message.contains("a newer controller runs"), "{}", failure.message);
        older
            .set_standing(
                &environment("lock"),
                &model::id::ReleaseId("r".to_owned()),
                "1",
                model::release::Standing::Accepted,
                2,
            )
            .await
            .unwrap_err();
        newer.record(&id("lock", 1), &asked, 3).await.unwrap();
    }
    assert_eq!(newer.events_after(&id("lock", 1), 0).await.unwrap().len(), 3);
    assert_eq!(newer.standings(&environment("lock")).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_journal_that_was_taken_away_is_not_written() {
    let root = tempfile::tempdir().unwrap();
    let store = store::open(root.path()).unwrap();
    let path = root.path().join("state.db");
    fs::copy(&path, root.path().join("yesterday")).unwrap();
    fs::rename(root.path().join("yesterday"), &path).unwrap();
    let failure = store.begin(&request("gone", 1), 1).await.unwrap_err();
    assert!(failure.message.contains("is not there any more"), "{}", failure.message);
}

#[test]
fn a_newer_journal_is_refused_and_not_touched() {
    let root = tempfile::tempdir().unwrap();
    drop(store::open(root.path()).unwrap());
    Connection::open(root.path().join("state.db"))
        .unwrap()
        .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA user_version = 7;")
        .unwrap();
    fs::remove_file(root.path().join("state.lock")).unwrap();
    let before = contents(root.path());
    assert_eq!(before.len(), 2, "{:?}", before.keys());
    let refused = [store::open(root.path()).err(), store::read_only(root.path()).err()];
    for error in refused.map(Option::unwrap) {
        let text = error.to_string();
        assert!(matches!(error, OpenError::Newer { found: 7, known: 3, .. }), "{text}");
        assert!(text.contains("version 7") && text.contains("up to 3"), "{text}");
    }
    assert_eq!(contents(root.path()), before);
}

type Damage = fn(&Path);

#[test]
fn a_damaged_journal_is_refused_in_clear_words() {
    let damages: [(&str, Damage); 3] = [
        ("a page is overwritten", |path| {
            let mut file = File::options().write(true).open(path).unwrap();
            file.seek(SeekFrom::Start(2 * 4096)).unwrap();
            file.write_all(&[0xa5; 4096]).unwrap();
        }),
        ("the end is cut off", |path| {
            let file = File::options().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() - 3 * 4096).unwrap();
        }),
        ("it is something else", |path| fs::write(path, [b'x'; 9000]).unwrap()),
    ];
    for (what, damage) in damages {
        let root = tempfile::tempdir().unwrap();
        drop(store::open(root.path()).unwrap());
        let path = root.path().join("state.db");
        damage(&path);
        let before = fs::read(&path).unwrap();
        let error = store::open(root.path()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, OpenError::Damaged { .. }), "{what}: {text}");
        assert!(text.contains("state.db is damaged"), "{what}: {text}");
        assert_eq!(fs::read(&path).unwrap(), before, "{what}: it is left as it was");
    }
}

#[test]
fn a_journal_that_has_not_come_far_enough_is_refused_and_not_written() {
    let root = tempfile::tempdir().unwrap();
    let behind = |it: &Position| match it.epoch {
        7.. => Ok(()),
        epoch => Err(format!("it ends at {epoch}")),
    };
    let refused = || match store::open_if(root.path(), behind) {
        Err(error @ OpenError::Behind { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused().contains("it ends at 0"), "there is none");
    assert!(!root.path().join("state.db").exists(), "and none was made");
    drop(store::open(root.path()).unwrap());
    let before = fs::read(root.path().join("state.db")).unwrap();
    let text = refused();
    assert!(text.contains("it ends at 1") && text.contains("doctor --rebuild"), "{text}");
    assert_eq!(fs::read(root.path().join("state.db")).unwrap(), before);
    assert_eq!(store::open(root.path()).unwrap().epoch(), Epoch(2), "the refused took no epoch");
}

#[tokio::test]
async fn a_new_journal_is_above_the_old_one_which_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let old = store::open(root.path()).unwrap();
    old.begin(&request("lock", 1), 1).await.unwrap();
    let locked = store::anew(root.path(), "mark", Epoch(40));
    assert!(matches!(locked, Err(OpenError::Locked { .. })), "a controller has it");
    drop(old);
    let (new, aside) = store::anew(root.path(), "mark", Epoch(40)).unwrap();
    assert_eq!(new.epoch(), Epoch(41));
    assert_eq!(new.environments().await.unwrap(), []);
    assert!(aside.contains(&root.path().canonicalize().unwrap().join("state.db.mark")));
    drop(new);
    let twice = store::anew(root.path(), "mark", Epoch(50));
    assert!(matches!(twice, Err(OpenError::Platform { .. })), "nothing is written over");
    assert_eq!(store::open(root.path()).unwrap().epoch(), Epoch(42));
}

#[test]
fn another_programs_database_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (it)").unwrap();
    let before = fs::read(&path).unwrap();
    let error = store::open(root.path()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_empty_file_becomes_a_journal() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("state.db"), "").unwrap();
    assert!(matches!(store::read_only(root.path()), Err(OpenError::Missing { .. })));
    assert_eq!(store::open(root.path()).unwrap().epoch(), Epoch(1));
}

#[tokio::test]
async fn a_long_root_and_odd_letters_work() {
    let directory = tempfile::tempdir().unwrap();
    let mut root = directory.path().join("a ?odd%20#name");
    while root.as_os_str().len() < 200 {
        root.push("a-directory-more");
    }
    fs::create_dir_all(&root).unwrap();
    let store = store::open(&root).unwrap();
    store.begin(&request("long", 1), 1).await.unwrap();
    let reader = store::read_only(&root).unwrap();
    assert_eq!(reader.unfinished().unwrap().len(), 1);

    while root.as_os_str().len() < 500 {
        root.push("a-directory-more");
    }
    fs::create_dir_all(&root).unwrap();
    let text = store::open(&root).unwrap_err().to_string();
    assert!(text.contains("its name is over 480 bytes long"), "{text}");
}

#[test]
fn nobody_else_may_read_its_files() {
    let root = tempfile::tempdir().unwrap();
    let _store = store::open(root.path()).unwrap();
    let mut names = vec![];
    for entry in fs::read_dir(root.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let expected = ["reserve.bin", "state.db", "state.db-shm", "state.db-wal", "state.lock"];
    assert_eq!(names, expected);
}

#[test]
fn where_there_is_no_journal_the_reader_says_so_and_makes_none() {
    let root = tempfile::tempdir().unwrap();
    for path in [root.path().to_path_buf(), root.path().join("nowhere")] {
        let error = store::read_only(&path).unwrap_err();
        assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn readers_and_the_writer_do_not_wait_for_each_other() {
    let root = tempfile::tempdir().unwrap();
    let store = store::open(root.path()).unwrap();
    let mut readers = vec![];
    for number in 1..=5u16 {
        readers.push(store::read_only(root.path()).unwrap());
        store.begin(&request("read", number), 1).await.unwrap();
        for reader in &readers {
            let history = reader.history(&environment("read"), 9).unwrap();
            assert_eq!(history.len(), usize::from(number));
            assert_eq!(reader.unfinished().unwrap(), store.unfinished().await.unwrap());
        }
        store.finish(&id("read", number), Outcome::Deployed, None, None, 2).await.unwrap();
    }
    drop(store);
    let late = store::read_only(root.path()).unwrap();
    for reader in readers.iter().chain([&late]) {
        assert_eq!(reader.environments().unwrap(), [environment("read")]);
        assert_eq!(reader.history(&environment("read"), 9).unwrap().len(), 5);
        assert_eq!(reader.deployment(&id("read", 6)).unwrap(), None);
    }
    assert_eq!(store::open(root.path()).unwrap().epoch(), Epoch(2), "readers take no epoch");
}
