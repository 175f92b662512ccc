//! Backups on an installation that lives: before a deployment, by hand, and on the way back.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rusqlite::Connection;
use serde_json::Value;
use std::{fs, path::PathBuf};
use testkit::{
    backup_trial::Trial,
    stand::{Layout, Stand, TARGET},
};

/// An installation whose environment has a database of its own.
struct Shop {
    stand: Stand,
    database: PathBuf,
}

impl Shop {
    fn new() -> Shop {
        let layout = Layout { bake_s: 0.3, instances: 1, ..Layout::default() };
        let stand = Stand::new(layout);
        let database = stand.folder.path().join("shop.db");
        let shop = Shop { stand, database };
        let backup = format!(
            "disk_free: 64M, backup: {{ databases: {{ main: {{ kind: sqlite, path: {} }} }} }} }}",
            shop.database.display()
        );
        let text = fs::read_to_string(shop.stand.config()).unwrap();
        let text = text.replace("disk_free: 64M }", &backup);
        assert!(text.contains("sqlite"), "{text}");
        fs::write(shop.stand.config(), text).unwrap();
        shop.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY)");
        shop
    }

    fn sql(&self, text: &str) {
        Connection::open(&self.database).unwrap().execute_batch(text).unwrap();
    }

    fn orders(&self) -> i64 {
        let connection = Connection::open(&self.database).unwrap();
        connection.query_row("SELECT count(*) FROM orders", [], |row| row.get(0)).unwrap()
    }

    fn backups(&self) -> Vec<Value> {
        let ran = self.stand.cutover(&["--json", "backup", "list", TARGET]).expect(0);
        serde_json::from_str::<Vec<Value>>(&ran.out).unwrap_or_else(|_| panic!("{}", ran.text()))
    }
}

#[test]
fn a_rollback_brings_back_the_data_that_its_release_met() {
    let shop = Shop::new();
    shop.stand.deploy("1.0.0", "").expect(0);
    shop.sql("INSERT INTO orders VALUES (1), (2)");
    shop.stand.deploy("2.0.0", "").expect(0);
    shop.sql("INSERT INTO orders VALUES (3); CREATE TABLE migrated (id INTEGER)");
    let made = shop.backups();
    assert_eq!(made.len(), 2, "{made:?}");
    assert_eq!(
        (&made[0]["version"], &made[0]["before"]["version"]),
        (&"1.0.0".into(), &"2.0.0".into())
    );
    let manifest = shop.stand.root.join("projects/shop/production/manifest.json");
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    assert_eq!(manifest["current_deployment"]["backup"], made[0]["name"]);

    shop.stand.cutover(&["rollback", TARGET, "--with-db"]).expect(0);
    assert_eq!(shop.orders(), 2);
    assert_eq!(shop.stand.answers().as_deref(), Some("1.0.0"));
    let kept = shop.backups();
    assert_eq!(kept.len(), 3, "what was replaced is kept: {kept:?}");
    let name = kept[0]["name"].as_str().unwrap();
    shop.stand.cutover(&["backup", "restore", TARGET, name, "--yes", "--only", "db"]).expect(0);
    assert_eq!(shop.orders(), 3);
    // There is no backup of when this one took over from another.
    let ran = shop.stand.cutover(&["rollback", TARGET, "--to", "2.0.0", "--with-db"]).expect(2);
    assert!(ran.text().contains("there is no backup"), "{}", ran.text());
}

#[test]
fn a_backup_that_fails_changes_nothing_and_may_be_left_out() {
    let shop = Shop::new();
    shop.stand.deploy("1.0.0", "").expect(0);
    fs::write(&shop.database, "this is no database, and it is longer than a header").unwrap();
    let ran = shop.stand.deploy("2.0.0", "").expect(2);
    assert!(ran.text().contains("database `main`"), "{}", ran.text());
    assert_eq!(shop.stand.answers().as_deref(), Some("1.0.0"));
    let directory = shop.stand.root.join("projects/shop/production/backups");
    let left = fs::read_dir(directory).unwrap().map(|it| it.unwrap().file_name());
    let left: Vec<_> = left.filter(|it| it != ".lock").collect();
    assert_eq!(left.len(), 1, "only that of the first deployment: {left:?}");
    let from = shop.stand.folder.path().join("v2.0.0").display().to_string();
    let words = ["deploy", TARGET, "2.0.0", "--from", &from, "--skip-backup"];
    let ran = shop.stand.cutover(&words).expect(0);
    assert!(ran.text().contains("--skip-backup"), "{}", ran.text());
    let shown = shop.stand.cutover(&["show", "latest"]).expect(0);
    assert!(shown.text().contains("--skip-backup"), "{}", shown.text());
}

#[test]
fn backups_are_made_verified_tried_and_deleted_by_hand() {
    let shop = Shop::new();
    let words = |verb: &'static str| ["backup", verb, TARGET];
    assert!(shop.stand.cutover(&words("create")).expect(1).text().contains("nothing was deployed"));
    shop.stand.deploy("1.0.0", "").expect(0);
    shop.sql("INSERT INTO orders VALUES (1), (2), (3)");
    let noted = ["--json", "backup", "create", TARGET, "--note", "by hand", "--pin"];
    let made: Value = serde_json::from_str(&shop.stand.cutover(&noted).expect(0).out).unwrap();
    assert_eq!((&made["pinned"], &made["note"]), (&true.into(), &"by hand".into()));
    let listed = shop.stand.cutover(&words("list")).expect(0);
    assert!(listed.text().contains("pinned") && listed.text().contains("by hand"));
    shop.stand.cutover(&words("verify")).expect(0);
    let drilled = shop.stand.cutover(&words("drill")).expect(0);
    assert!(drilled.text().contains("1 table, 3 rows"), "{}", drilled.text());
    let name = made["name"].as_str().unwrap();
    let part = format!("projects/shop/production/backups/{name}/database-main.dump.zst");
    let part = shop.stand.root.join(part);
    let mut bytes = fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&part, bytes).unwrap();
    shop.stand.cutover(&words("verify")).expect(1);
    let ran = shop.stand.cutover(&["backup", "restore", TARGET, name, "--yes"]).expect(1);
    assert!(ran.text().contains("not what it was"), "{}", ran.text());
    shop.stand.cutover(&["backup", "delete", TARGET, name]).expect(1);
    shop.stand.cutover(&["backup", "delete", TARGET, name, "--yes"]).expect(0);
    assert_eq!(shop.backups().len(), 1);
    for hostile in ["../../../etc", "backup_20260131_235900/..", "-rf"] {
        shop.stand.cutover(&["backup", "show", TARGET, "--", hostile]).expect(1);
    }
}

#[test]
fn a_large_database_is_backed_up_and_comes_back_in_little_memory() {
    const MEMORY_KIB_MAX: u64 = 64 << 10;
    let trial = Trial::new(50_000_000);
    let rows = trial.rows();
    let directory = trial.stand.release("1.0.0", "").display().to_string();
    trial.watched(&["deploy", TARGET, "1.0.0", "--from", &directory]).ran.expect(0);
    let controller = trial.controller_peak_kib();
    assert!((1..=MEMORY_KIB_MAX).contains(&controller), "{controller} KiB");
    let name = trial.newest();
    trial.sql("DELETE FROM orders WHERE id % 3 = 0");
    let words = ["backup", "restore", TARGET, &name, "--yes", "--only", "db"];
    let restored = trial.watched(&words);
    restored.ran.expect(0);
    let peak = restored.peak_kib;
    assert!((1..=MEMORY_KIB_MAX).contains(&peak), "{peak} KiB");
    assert_eq!(trial.rows(), rows);
    let said = trial.refuses_key(&name);
    assert!(said.contains("decrypt"), "{said}");
    let contents = trial.opened_by_stock_tools(&name);
    assert!(contents.iter().any(|it| it.contains("TABLE DATA public orders")), "{contents:?}");
}
