//! Databases that are migrated before the new release starts: under load, failing, hanging, and
//! killed in the middle.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use testkit::{
    database::{PASSWORD, Server, said},
    stand::{Layout, Ran, Stand, TARGET, assert_clean, kill},
    time::eventually,
};

const REFUSED: i32 = 2;
const ABORTED: i32 = 3;
const ATTENTION: i32 = 5;
const BUSY: i32 = 6;
const SOON: Duration = Duration::from_secs(60);
const ORDERS: (&str, &str) = ("1_orders.sql", "CREATE TABLE orders (id int, note text)");

/// An installation whose service has a database of PostgreSQL.
struct Shop {
    stand: Stand,
    server: Server,
    begun: PathBuf,
}

impl Shop {
    fn new(limits: &str, backup: &str) -> Shop {
        let server = Server::postgresql();
        let migrate = format!(
            "migrate: {{ command: [sh, migrate.sh, up], status: [sh, migrate.sh, status], \
             undo: [sh, migrate.sh, undo, \"{{}}\"], directory: migrations, {limits} }}"
        );
        let layout = Layout { bake_s: 0.3, instances: 1, more: vec![migrate], ..Layout::default() };
        let stand = Stand::new(layout);
        let begun = stand.folder.path().join("begun");
        let (host, begun_at) = (server.directory().display(), begun.display());
        let url = format!("postgresql://shop:{}@/postgres?host={host}", encoded(PASSWORD));
        let env = format!(
            "env: {{ PGHOST: {host}, PGUSER: shop, PGDATABASE: postgres, PGPASSWORD: {}, \
             DATABASE_URL: {url:?}, BEGUN: {begun_at}, POST_LOG",
            serde_json::to_string(PASSWORD).unwrap()
        );
        let text = fs::read_to_string(stand.config()).unwrap();
        let text = text.replace("env: { POST_LOG", &env);
        let text = text.replace("disk_free: 64M }", &format!("disk_free: 64M{backup} }}"));
        fs::write(stand.config(), text).unwrap();
        Shop { stand, server, begun }
    }

    fn sql(&self, text: &str) -> String {
        said(self.server.postgresql_client("postgres"), text).trim().to_owned()
    }

    fn release(&self, version: &str, migrations: &[(&str, &str)]) -> String {
        let directory = self.stand.release(version, "");
        fs::write(directory.join("migrate.sh"), include_str!("migrate.sh")).unwrap();
        fs::create_dir_all(directory.join("migrations")).unwrap();
        for (name, text) in migrations {
            fs::write(directory.join("migrations").join(name), text).unwrap();
        }
        directory.display().to_string()
    }

    fn deploy(&self, version: &str, migrations: &[(&str, &str)], words: &[&str]) -> Ran {
        let from = self.release(version, migrations);
        let all = [&["deploy", TARGET, version, "--from", &from], words].concat();
        self.stand.cutover_within(&all, Duration::from_secs(120))
    }

    fn status(&self, words: &[&str]) -> Value {
        let ran = self.stand.cutover(&[&["--json", "migrate", "status", TARGET], words].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.text()))
    }

    /// Ends the connections that sleep so.
    fn end(&self, asleep: &str) {
        let theirs = format!(
            "FROM pg_stat_activity WHERE query LIKE '%{asleep}%' AND pid <> pg_backend_pid()"
        );
        self.sql(&format!("SELECT pg_terminate_backend(pid) {theirs}"));
        let count = format!("SELECT count(*) {theirs}");
        eventually("they are closed", SOON, || (self.sql(&count) == "0").then_some(()));
    }

    fn begun(&self) -> usize {
        fs::read_to_string(&self.begun).unwrap_or_default().lines().count()
    }
}

/// As part of a URL.
fn encoded(text: &str) -> String {
    text.bytes().map(|it| format!("%{it:02X}")).collect()
}

#[test]
fn an_update_migrates_under_load_and_code_does_not_go_back_past_what_it_took() {
    let backup = ", backup: { databases: { main: { kind: postgresql, url_from: DATABASE_URL } } }";
    let shop = Shop::new("timeout: 30s", backup);
    shop.deploy("1.0.0", &[ORDERS], &[]).expect(0);
    shop.sql("INSERT INTO orders VALUES (1, 'one')");
    let load = shop.stand.load();
    let dropped = ("2_drop.sql", "ALTER TABLE orders DROP COLUMN note");
    let back = ("2_drop.down", "ALTER TABLE orders ADD note text");
    let plan = shop.release("2.0.0", &[ORDERS, dropped, back]);
    let plan = shop.stand.cutover(&["plan", TARGET, "2.0.0", "--from", &plan]).expect(0).text();
    assert!(plan.contains("Migrate the database of web"), "{plan}");
    let ran = shop.deploy("2.0.0", &[ORDERS, dropped, back], &[]).expect(0).text();
    assert!(ran.contains("migrate | applying 2_drop"), "{ran}");
    assert!(ran.contains("2_drop.sql: `drop column`"), "{ran}");
    assert_clean(&load.stop().unwrap());
    assert_eq!(shop.begun(), 2);
    let status = shop.status(&[]);
    assert_eq!((&status["state"], &status["version"]), (&"done".into(), &"2.0.0".into()));
    let shown = shop.stand.cutover(&["show", "latest"]).expect(0).text();
    assert!(shown.contains("migrations are applied"), "{shown}");

    let refused = shop.stand.cutover(&["rollback", TARGET]).expect(REFUSED).text();
    assert!(refused.contains("2_drop.sql") && refused.contains("--accept-schema"), "{refused}");
    assert_eq!(shop.stand.serving(), ["2.0.0"]);
    shop.stand.cutover(&["rollback", TARGET, "--with-db"]).expect(0);
    assert_eq!(shop.sql("SELECT note FROM orders"), "one");
    // Forward again, by hand; and back, by the tool.
    shop.stand.cutover(&["rollback", TARGET, "--to", "2.0.0"]).expect(0);
    assert_eq!(shop.status(&[])["state"], "done");
    shop.stand.cutover(&["migrate", "undo", TARGET]).expect(1);
    shop.stand.cutover(&["migrate", "undo", TARGET, "--yes"]).expect(0);
    let status = shop.status(&[]);
    assert_eq!((&status["state"], &status["out"]), (&"pending".into(), &"1_orders\n".into()));
    // What was taken back stands in no way, until it is brought forward again.
    shop.stand.cutover(&["rollback", TARGET]).expect(0);
    shop.stand.cutover(&["rollback", TARGET, "--to", "2.0.0"]).expect(0);
    shop.stand.cutover(&["rollback", TARGET]).expect(REFUSED);
    shop.stand.cutover(&["migrate", "undo", TARGET, "--yes"]).expect(0);
    shop.stand.cutover(&["migrate", "up", TARGET]).expect(0);
    shop.stand.cutover(&["rollback", TARGET]).expect(REFUSED);
    shop.stand.cutover(&["rollback", TARGET, "--accept-schema"]).expect(0);
    let shown = shop.stand.cutover(&["show", "latest"]).expect(0).text();
    assert!(shown.contains("--accept-schema"), "{shown}");
    assert_eq!(shop.begun(), 5, "once a deployment, and once by hand");
    let slow = ("4_slow.sql", "SELECT pg_sleep(5)");
    let skipped = shop.deploy("3.0.0", &[ORDERS, slow], &["--skip-migrate"]).expect(0).text();
    assert!(skipped.contains("--skip-migrate"), "{skipped}");
    assert_eq!(shop.begun(), 5);
    one_at_a_time(&shop, &[ORDERS, slow]);
}

/// While somebody migrates by hand nothing else does; who waits comes after it.
fn one_at_a_time(shop: &Shop, migrations: &[(&str, &str)]) {
    let (mut by_hand, ..) = shop.stand.start(&["migrate", "up", TARGET]);
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(5)%' AND \
                  pid <> pg_backend_pid()";
    eventually("it is in the middle", SOON, || (shop.sql(asleep) != "0").then_some(()));
    let refused = shop.deploy("4.0.0", migrations, &[]).expect(BUSY).text();
    assert!(refused.contains("by hand") && refused.contains("--wait"), "{refused}");
    shop.stand.cutover(&["migrate", "up", TARGET]).expect(BUSY);
    shop.stand.cutover(&["rollback", TARGET, "--accept-schema"]).expect(BUSY);
    shop.deploy("4.0.0", migrations, &["--wait"]).expect(0);
    assert_eq!(by_hand.ended(SOON).code(), Some(0));
    assert_eq!(shop.begun(), 7, "once by hand, and once by the deployment");
}

#[test]
fn what_fails_or_hangs_leaves_the_old_and_says_how_far_it_came() {
    let shop = Shop::new("timeout: 4s, lock_timeout: 500ms", "");
    let warned = shop.deploy("1.0.0", &[ORDERS], &[]).expect(0).text();
    assert!(warned.contains("no database is backed up before"), "{warned}");
    let more = ("2_total.sql", "ALTER TABLE orders ADD total int");
    let bad = ("3_bad.sql", "ALTER TABLE orders ADD more int; SELECT 1/0");

    let failed = shop.deploy("2.0.0", &[ORDERS, bad], &[]).expect(ABORTED).text();
    assert!(failed.contains("division by zero"), "{failed}");
    assert!(failed.contains("nothing was applied"), "{failed}");
    assert_eq!((shop.stand.serving(), shop.sql("SELECT * FROM applied")), old());

    let (holder, blocked) = (Holder::of(&shop), [ORDERS, more]);
    let locked = shop.deploy("3.0.0", &blocked, &[]).expect(ABORTED).text();
    assert!(locked.contains("lock timeout") && locked.contains("lock_timeout"), "{locked}");
    let text = fs::read_to_string(shop.stand.config()).unwrap();
    fs::write(shop.stand.config(), text.replace("lock_timeout: 500ms", "lock_timeout: 0")).unwrap();
    let hung = shop.deploy("4.0.0", &blocked, &[]).expect(ABORTED).text();
    assert!(hung.contains("did not end within 4000 ms"), "{hung}");
    shop.end("pg_sleep(600)");
    drop(holder);
    assert_eq!((shop.stand.serving(), shop.sql("SELECT * FROM applied")), old());
    assert_eq!(processes_of(&shop.begun), Vec::<u32>::new(), "something of it runs");

    let partial = shop.deploy("5.0.0", &[ORDERS, more, bad], &[]).expect(ATTENTION).text();
    assert!(partial.contains("it may be applied in part"), "{partial}");
    assert!(partial.contains("--release 5.0.0"), "{partial}");
    assert_eq!(shop.stand.serving(), ["1.0.0"]);
    assert_eq!(shop.status(&["--release", "5.0.0"])["out"], "1_orders\n2_total\n");
    shop.stand.cutover(&["abort", TARGET]).expect(0);
    let mended = ("3_bad.sql", "ALTER TABLE orders ADD more int");
    shop.deploy("6.0.0", &[ORDERS, more, mended], &[]).expect(0);
    assert_eq!(shop.stand.serving(), ["6.0.0"]);
}

#[test]
fn a_controller_that_is_killed_in_the_middle_runs_nothing_twice() {
    let shop = Shop::new("timeout: 60s", "");
    shop.deploy("1.0.0", &[ORDERS], &[]).expect(0);
    let slow = ("2_slow.sql", "SELECT pg_sleep(3); ALTER TABLE orders ADD total int");
    let more = ("3_more.sql", "SELECT pg_sleep(60)");

    // It goes on by itself, and the next life of the controller hears how it ended.
    begin(&shop, "2.0.0", &[ORDERS, slow], "applying 2_slow");
    kill(shop.stand.pid_of("daemon").unwrap(), Signal::KILL);
    shop.stand.cutover(&["daemon", "start"]).expect(0);
    eventually("it went on", SOON, || (shop.stand.serving() == ["2.0.0"]).then_some(()));
    assert_eq!(shop.begun(), 2);

    // All of it is killed, as when the machine goes down: the tool says that nothing was done.
    begin(&shop, "3.0.0", &[ORDERS, slow, more], "applying 3_more");
    kill_all(&shop);
    assert_eq!(ended(&shop), ("Aborted".into(), vec!["2.0.0".to_owned()]));
    assert_eq!(shop.begun(), 3);

    // Half of it was done.
    let third = ("3_third.sql", "ALTER TABLE orders ADD third int");
    let fourth = ("4_fourth.sql", "SELECT pg_sleep(60)");
    begin(&shop, "4.0.0", &[ORDERS, slow, third, fourth], "applying 4_fourth");
    kill_all(&shop);
    assert_eq!(ended(&shop), ("NeedsAttention".into(), vec!["2.0.0".to_owned()]));
    assert_eq!(shop.begun(), 4);
}

fn old() -> (Vec<String>, String) {
    (vec!["1.0.0".to_owned()], "1_orders".to_owned())
}

/// Begins a deployment, and waits until its migration says so.
fn begin(shop: &Shop, version: &str, migrations: &[(&str, &str)], says: &str) {
    let from = shop.release(version, migrations);
    let words = ["deploy", TARGET, version, "--from", &from, "--detach", "--wait"];
    shop.stand.cutover(&words).expect(0);
    eventually("it is in the middle", SOON, || logged(&shop.stand).contains(says).then_some(()));
}

/// The controller first, so that it sees nothing of it; then all of the migration.
fn kill_all(shop: &Shop) {
    kill(shop.stand.pid_of("daemon").unwrap(), Signal::KILL);
    let words = shop.stand.processes();
    let is_its = |it: &&(u32, Vec<String>)| it.1.iter().any(|word| word.contains(".run."));
    words.iter().filter(is_its).for_each(|it| kill(it.0, Signal::KILL));
    processes_of(&shop.begun).into_iter().for_each(|it| kill(it, Signal::KILL));
    let gone = || processes_of(&shop.begun).is_empty().then_some(());
    eventually("nothing of it runs", SOON, gone);
    shop.end("pg_sleep(60)");
    shop.stand.cutover(&["daemon", "start"]).expect(0);
}

/// How the last deployment ended, and what serves.
fn ended(shop: &Shop) -> (String, Vec<String>) {
    let stage = || {
        let environment = shop.stand.environment();
        let mut all = environment["last"].as_array().cloned().unwrap_or_default();
        all.extend(environment["attention"].as_object().map(|it| Value::Object(it.clone())));
        let newest = all.into_iter().max_by_key(|it| it["started_at_ms"].as_u64())?;
        environment["active"].is_null().then(|| newest["stage"].to_string())
    };
    let stage = eventually("it ended", SOON, stage);
    let word = if stage.contains("needs_attention") { "NeedsAttention" } else { "Aborted" };
    assert!(stage.contains("aborted") || stage.contains("needs_attention"), "{stage}");
    (word.to_owned(), shop.stand.serving())
}

/// What all deployments said.
fn logged(stand: &Stand) -> String {
    let logs = fs::read_dir(stand.root.join("projects/shop/production/logs/deployments")).unwrap();
    let texts =
        logs.map(|it| it.unwrap().path()).filter(|it| it.extension().is_some_and(|it| it == "log"));
    texts.map(|it| fs::read_to_string(it).unwrap_or_default()).collect()
}

/// Those that have the file in their environment and are of a migration.
fn processes_of(begun: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(|it| it.ok());
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    let variable = format!("BEGUN={}", begun.display());
    let has = |pid: &u32, file: &str, part: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(part)
    };
    let is_its = |pid: &u32| {
        has(pid, "environ", &variable)
            && has(pid, "environ", "CUTOVER_VERSION")
            && has(pid, "environ", ".run.")
    };
    pids.filter(is_its).collect()
}

/// Somebody who has read a table, and does not end his transaction.
struct Holder(Child);

impl Holder {
    fn of(shop: &Shop) -> Holder {
        let mut client = shop.server.postgresql_client("postgres");
        client.arg("BEGIN; SELECT count(*) FROM orders; SELECT pg_sleep(600)");
        let holder = Holder(spawned(&mut client));
        let held = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                    WHERE c.relname = 'orders'";
        eventually("the table is held", SOON, || (shop.sql(held) != "0").then_some(()));
        holder
    }
}

fn spawned(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
