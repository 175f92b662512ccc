//! One suite for every kind of database.

use super::{Kept, forge, spec, sqlite};
use model::backup::{BackupSpec, DatabaseKind, DatabasePlace, DatabaseSpec};
use std::{fs, process::Command};
use testkit::argv::Watch;
use testkit::database::{PASSWORD, Server, said};

/// A database, and how a person works on it.
struct Subject<'s> {
    spec: DatabaseSpec,
    url: String,
    sql: &'s dyn Fn(&str) -> String,
    /// Its rows, in order.
    rows: &'s str,
    /// Tables, and databases beside it.
    tables: &'s str,
    databases: Option<&'s str>,
    /// Of which one is sure to be seen while they run.
    programs: &'s [&'s str],
}

/// What each kind must do.
fn conforms(subject: &Subject<'_>) {
    let wanted = BackupSpec { databases: vec![subject.spec.clone()], ..spec() };
    let kept = Kept::new(wanted, &[("DATABASE_URL", &subject.url)]);
    let look = || ((subject.sql)(subject.rows), (subject.sql)(subject.tables));
    let beside = || subject.databases.map(|it| (subject.sql)(it));
    let (before, databases) = (look(), beside());
    assert!(before.0.lines().count() >= 300, "{before:?}");

    let watch = Watch::begin(PASSWORD);
    let made = kept.make().unwrap();
    assert!(made.opened_after_writing);
    assert!(kept.is_whole(&made.name));
    let drilled = kept.backups.drill(&made.name, &kept.by, None).unwrap();
    let table = drilled[0].tables.iter().find(|it| it.name.ends_with("orders")).unwrap();
    assert_eq!(table.rows, 300);
    assert_eq!((look(), beside()), (before.clone(), databases), "a drill leaves nothing");

    // Rows that go, change and come, and a table that leans on another.
    (subject.sql)("DELETE FROM orders WHERE id % 3 = 0");
    (subject.sql)("UPDATE orders SET note = 'altered' WHERE id = 1");
    (subject.sql)(
        "CREATE TABLE made_since (id INTEGER PRIMARY KEY, orders_id INTEGER REFERENCES orders(id))",
    );
    assert_ne!(look(), before);

    // A dump that ends too early, although all hashes fit: nothing is touched.
    let changed = look();
    let whole = fs::read(kept.part(&made, 0)).unwrap();
    let told = fs::read(kept.part(&made, 0).with_file_name("metadata.json")).unwrap();
    for keep in [0.2, 0.6, 0.95] {
        forge(&kept, &made, 0, |plain| plain.truncate((plain.len() as f64 * keep) as usize));
        assert!(!kept.is_whole(&made.name), "{keep}");
        assert!(kept.put_back(&made.name).is_err(), "{keep}");
        assert_eq!(look(), changed);
        fs::write(kept.part(&made, 0), &whole).unwrap();
        fs::write(kept.part(&made, 0).with_file_name("metadata.json"), &told).unwrap();
    }
    kept.put_back(&made.name).unwrap();
    assert_eq!(look(), before, "the same rows and tables, and none that was made since");
    kept.put_back(&made.name).unwrap();
    assert_eq!(look(), before, "it may be repeated");
    let seen = watch.seen();
    assert!(seen.telling.is_empty(), "everybody can read it: {:?}", seen.telling);
    let was_seen = subject.programs.iter().any(|it| seen.programs.contains(*it));
    assert!(was_seen || subject.programs.is_empty(), "{:?}", seen.programs);
}

/// Names that a shell would run, or a program take for something else, are names.
fn names_are_names(kind: DatabaseKind, make: &dyn Fn(&str), url: &dyn Fn(&str) -> String) {
    let place = tempfile::Builder::new().prefix("c").tempdir_in("/tmp").unwrap();
    let canary = place.path().join("p");
    let at = canary.display().to_string();
    let spec = || {
        let place = DatabasePlace::Variable("DATABASE_URL".into());
        let database = DatabaseSpec { name: "main".parse().unwrap(), kind, place };
        BackupSpec { databases: vec![database], ..spec() }
    };
    for name in [
        format!(";touch {at}"),
        format!("$(touch {at})"),
        format!("`touch {at}`"),
        format!("x|touch {at}"),
        "host=nowhere user=nobody".to_owned(),
        "a'b\"c".to_owned(),
    ] {
        make(&name);
        let kept = Kept::new(spec(), &[("DATABASE_URL", &url(&name))]);
        let made = kept.make().unwrap_or_else(|it| panic!("{name}: {it:?}"));
        kept.put_back(&made.name).unwrap_or_else(|it| panic!("{name}: {it:?}"));
        kept.backups
            .drill(&made.name, &kept.by, None)
            .unwrap_or_else(|it| panic!("{name}: {it:?}"));
    }
    for name in ["-rf", "--help", "a\nb"] {
        let kept = Kept::new(spec(), &[("DATABASE_URL", &url(name))]);
        let failure = kept.make().unwrap_err();
        assert!(failure.message.contains("`main`"), "{name}: {failure:?}");
    }
    assert!(!canary.exists(), "a shell was asked");
}

const VALUES: &str = "'a ''quoted'' \"word\" \\ back, Ünïcode ✓'";

#[test]
fn sqlite_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let path = path.to_str().unwrap();
    let client = || {
        let mut client = Command::new("sqlite3");
        client.arg(path);
        client
    };
    let sql = |text: &str| said(client(), text);
    sql("PRAGMA journal_mode = WAL");
    sql("CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT, data BLOB)");
    sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO orders SELECT i, {VALUES} || i, randomblob(900) FROM n"
    ));
    sql("CREATE VIEW recent AS SELECT * FROM orders WHERE id > 290");
    conforms(&Subject {
        spec: sqlite(path),
        url: String::new(),
        sql: &sql,
        rows: "SELECT id, note, hex(data) FROM orders ORDER BY id",
        tables: "SELECT name FROM sqlite_master ORDER BY name",
        databases: None,
        programs: &[],
    });
}

#[test]
fn postgresql_conforms() {
    let server = Server::postgresql();
    said(server.postgresql_client("postgres"), "CREATE DATABASE \"shop'\\db\"");
    let sql = |text: &str| said(server.postgresql_client("shop'\\db"), text);
    sql("CREATE TABLE orders (id SERIAL PRIMARY KEY, note TEXT, data BYTEA)");
    sql(&format!(
        "INSERT INTO orders (note, data) SELECT {} || i, decode(repeat(md5(i::text), 40), 'hex')
         FROM generate_series(1, 300) i",
        VALUES
    ));
    sql("CREATE VIEW recent AS SELECT * FROM orders WHERE id > 290");
    sql("CREATE SCHEMA archive; CREATE TYPE archive.state AS ENUM ('new', 'old')");
    sql("CREATE TABLE archive.\"Past Orders\" (state archive.state)");
    sql("CREATE FUNCTION twice(n int) RETURNS int AS 'SELECT n * 2' LANGUAGE sql");
    conforms(&Subject {
        spec: DatabaseSpec {
            name: "main".parse().unwrap(),
            kind: DatabaseKind::Postgresql,
            place: DatabasePlace::Variable("DATABASE_URL".into()),
        },
        url: url("postgresql", "shop", server.directory().to_str().unwrap(), "shop'\\db", "host"),
        sql: &sql,
        rows: "SELECT id, note, md5(data) FROM orders ORDER BY id",
        tables: "SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n
                 ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'archive') ORDER BY 1, 2",
        databases: Some("SELECT datname FROM pg_database ORDER BY 1"),
        programs: &["pg_dump", "pg_restore", "psql"],
    });
    let socket = server.directory().to_str().unwrap();
    let make = |name: &str| {
        let quoted = name.replace('"', "\"\"");
        said(server.postgresql_client("postgres"), &format!("CREATE DATABASE \"{quoted}\""));
    };
    names_are_names(DatabaseKind::Postgresql, &make, &|it| {
        url("postgresql", "shop", socket, it, "host")
    });
    let wrong = url("postgresql", "nobody", server.directory().to_str().unwrap(), "x", "host");
    refuses(DatabaseKind::Postgresql, &wrong);
}

#[test]
fn mariadb_conforms() {
    let server = Server::mariadb();
    let literal = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
    let root = |text: &str| said(server.mariadb_client("root", ""), text);
    root("CREATE DATABASE `shop-db` CHARACTER SET utf8mb4");
    root(&format!("CREATE USER shop@localhost IDENTIFIED BY '{literal}'"));
    root("GRANT ALL ON *.* TO shop@localhost");
    let sql = |text: &str| said(server.mariadb_client("root", "shop-db"), text);
    sql("CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT, data BLOB)");
    let note = VALUES.replace('\\', "\\\\");
    sql(&format!(
        "INSERT INTO orders (note, data) SELECT CONCAT({note}, seq), UNHEX(REPEAT(MD5(seq), 20))
         FROM seq_1_to_300"
    ));
    sql("CREATE VIEW recent AS SELECT * FROM orders WHERE id > 290");
    sql("CREATE PROCEDURE nothing() SELECT 1");
    let socket = server.directory().join("socket");
    conforms(&Subject {
        spec: DatabaseSpec {
            name: "main".parse().unwrap(),
            kind: DatabaseKind::Mariadb,
            place: DatabasePlace::Variable("DATABASE_URL".into()),
        },
        url: url("mysql", "shop", socket.to_str().unwrap(), "shop-db", "socket"),
        sql: &sql,
        rows: "SELECT id, HEX(note), MD5(data) FROM orders ORDER BY id",
        tables: "SELECT table_name, table_type FROM information_schema.tables
                 WHERE table_schema = DATABASE() ORDER BY 1",
        databases: Some("SHOW DATABASES"),
        programs: &["mariadb-dump", "mariadb"],
    });
    let make = |name: &str| drop(root(&format!("CREATE DATABASE `{}`", name.replace('`', "``"))));
    names_are_names(DatabaseKind::Mariadb, &make, &|it| {
        url("mysql", "shop", socket.to_str().unwrap(), it, "socket")
    });
    refuses(
        DatabaseKind::Mariadb,
        &url("mysql", "nobody", socket.to_str().unwrap(), "x", "socket"),
    );
}

/// A server that lets nobody in is told of, and the password is not.
fn refuses(kind: DatabaseKind, url: &str) {
    let place = DatabasePlace::Variable("DATABASE_URL".into());
    let database = DatabaseSpec { name: "main".parse().unwrap(), kind, place };
    let kept =
        Kept::new(BackupSpec { databases: vec![database], ..spec() }, &[("DATABASE_URL", url)]);
    let failure = kept.make().unwrap_err();
    assert!(failure.message.contains("database `main`"), "{failure:?}");
    assert!(!failure.evidence.is_empty() && !format!("{failure:?}").contains(PASSWORD));
    assert!(kept.backups.list(&kept.world.environment).unwrap().is_empty());
}

fn url(scheme: &str, user: &str, socket: &str, name: &str, key: &str) -> String {
    let coded = |text: &str| text.bytes().map(|it| format!("%{it:02x}")).collect::<String>();
    format!("{scheme}://{user}:{}@/{}?{key}={}", coded(PASSWORD), coded(name), coded(socket))
}
