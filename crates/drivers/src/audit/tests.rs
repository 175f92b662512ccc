use super::*;
use tempfile::tempdir;

fn entry(what: &str) -> Entry {
    Entry {
        at_ms: 7,
        uid: Some(0),
        by: Some("anna".to_owned()),
        environment: None,
        deployment: None,
        happened: Happened::Asked { what: what.to_owned(), reason: None },
    }
}

fn three(root: &Path) -> AuditLog {
    let log = AuditLog::open(root).unwrap();
    for what in ["deploy 1.0.0", "restart", "stop"] {
        log.write(entry(what)).unwrap();
    }
    log
}

#[test]
fn what_is_written_is_read_and_goes_on_after_a_restart() {
    let root = tempdir().unwrap();
    drop(three(root.path()));
    let seal = read(root.path()).unwrap().last_seal().unwrap().to_owned();
    AuditLog::open(root.path()).unwrap().write(entry("start")).unwrap();
    let audit = read(root.path()).unwrap();
    assert_eq!(audit.broken, [""; 0]);
    let numbers: Vec<u64> = audit.entries.iter().map(|it| it.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(audit.entries[3].1, entry("start"));
    assert!(audit.holds(&seal) && audit.holds(&seal[..12]) && !audit.holds("abc"));
    assert!(!audit.holds(""));
}

#[test]
fn a_changed_removed_moved_or_invented_line_is_found() {
    let root = tempdir().unwrap();
    drop(three(root.path()));
    let path = root.path().join(NAME);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let changed = text.replace("restart", "promote");
    let removed = format!("{}\n{}\n", lines[0], lines[2]);
    let moved = format!("{}\n{}\n{}\n", lines[0], lines[2], lines[1]);
    let doubled = format!("{text}{}\n", lines[2]);
    let invented = format!("{text}{}\n", lines[2].replace("\"number\":3", "\"number\":4"));
    let added = format!("{text}{}\n", "{\"number\":4}");
    let first = format!("{}\n{}\n", lines[0].replace("anna", "otto"), lines[1]);
    for broken in [changed, removed, moved, doubled, invented, added, first] {
        fs::write(&path, &broken).unwrap();
        let audit = read(root.path()).unwrap();
        assert!(!audit.broken.is_empty(), "{broken}");
    }
    fs::write(&path, &text).unwrap();
    assert!(read(root.path()).unwrap().broken.is_empty());
}

#[test]
fn what_was_cut_off_at_the_end_is_missed_by_a_seal_that_was_noted() {
    let root = tempdir().unwrap();
    drop(three(root.path()));
    let seal = read(root.path()).unwrap().last_seal().unwrap().to_owned();
    let path = root.path().join(NAME);
    let text = fs::read_to_string(&path).unwrap();
    let shorter: String = text.lines().take(2).map(|it| format!("{it}\n")).collect();
    fs::write(&path, shorter).unwrap();
    let audit = read(root.path()).unwrap();
    assert!(audit.broken.is_empty() && !audit.holds(&seal));
}

#[test]
fn a_part_of_a_line_that_a_power_cut_left_is_taken_away() {
    let root = tempdir().unwrap();
    drop(three(root.path()));
    let path = root.path().join(NAME);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    assert_eq!(read(root.path()).unwrap().broken, ["audit.log:3: a part of a line"]);
    AuditLog::open(root.path()).unwrap().write(entry("start")).unwrap();
    let audit = read(root.path()).unwrap();
    assert_eq!((audit.entries.len(), audit.broken.len()), (3, 0));
    assert_eq!(audit.entries[2].1, entry("start"));
}

#[test]
fn large_files_are_moved_aside_and_few_are_kept_and_all_follow_each_other() {
    let root = tempdir().unwrap();
    let log = three(root.path());
    for number in 0..10 {
        log.last.lock().unwrap().bytes = FILE_BYTES_MAX + 1;
        log.write(entry(&format!("scale {number}"))).unwrap();
    }
    let kept = fs::read_dir(root.path()).unwrap().count();
    assert_eq!(kept, FILES_KEPT as usize + 1);
    let audit = read(root.path()).unwrap();
    assert_eq!(audit.broken, [""; 0]);
    assert_eq!(audit.entries.last().unwrap().0, 13);
    drop(log);
    fs::remove_file(root.path().join(NAME)).unwrap();
    AuditLog::open(root.path()).unwrap().write(entry("start")).unwrap();
    assert!(read(root.path()).unwrap().broken.is_empty(), "it follows the newest aside");
}
