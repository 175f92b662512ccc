//! MariaDB and MySQL, by their own programs.

use super::{
    Database, Opener, Table,
    conninfo::refused,
    url::Url,
    version::{FIND, version},
};
use crate::{
    backups::{bounds::Bounds, tail::Tail},
    file,
    host::{Command, Finished, PATH, pipe},
};
use model::{
    failure::{Blame, Failure},
    name::Name,
};
use std::{
    io::{self, Read, Write},
    path::Path,
};

/// The last line of every whole dump begins so.
const COMPLETED: &[u8] = b"-- Dump completed";
/// Bytes at the end of a dump in which it stands.
const TAIL_BYTES: usize = 512;
/// Databases that a drill makes begin so.
const SCRATCH: &str = "cutover_drill_";
/// The file by which the programs are told where the database is, and the password.
const OPTIONS: &str = "client.cnf";

const TABLES: &str = "\
SELECT table_name FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
ORDER BY 1";

/// Statements that remove what is there, so that nothing is left that was made since.
const EMPTY: &str = "\
SELECT CONCAT('DROP ',
  IF(table_type = 'VIEW', 'VIEW', IF(table_type = 'SEQUENCE', 'SEQUENCE', 'TABLE')),
  ' IF EXISTS `', REPLACE(table_name, '`', '``'), '`;')
FROM information_schema.tables WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT(
  'DROP ', routine_type, ' IF EXISTS `', REPLACE(routine_name, '`', '``'), '`;')
FROM information_schema.routines WHERE routine_schema = DATABASE()
UNION ALL SELECT CONCAT('DROP EVENT IF EXISTS `', REPLACE(event_name, '`', '``'), '`;')
FROM information_schema.events WHERE event_schema = DATABASE()";

/// One database of a server.
pub(super) struct Mariadb {
    shown: String,
    url: Option<Url>,
    is_scratch: bool,
}

impl Mariadb {
    pub(super) fn new(name: &Name, url: Url) -> Result<Mariadb, Failure> {
        if !matches!(url.scheme.as_str(), "mysql" | "mariadb" | "mysql2") {
            let message = format!("reach the database `{name}`: its URL is not MariaDB's");
            return Err(Failure::new(Blame::Request, message).hint("look at its `kind`"));
        }
        Ok(Mariadb { shown: name.to_string(), url: Some(url), is_scratch: false })
    }

    /// It can only check dumps.
    pub(super) fn nowhere() -> Mariadb {
        Mariadb { shown: String::new(), url: None, is_scratch: false }
    }

    /// The program, told by a file that only we read.
    fn command(&self, bounds: &Bounds<'_>, program: &str) -> Result<Command, Failure> {
        let path = bounds.work.join(OPTIONS);
        let written = file::write(&path, self.options().as_bytes(), file::MODE_PRIVATE);
        written.map_err(|error| file::failure("write", &path, &error))?;
        Ok(Command::new(program, bounds.time_limit)
            .argument(format!("--defaults-extra-file={}", path.display())))
    }

    fn options(&self) -> String {
        let Some(url) = &self.url else { return "[client]\n".to_owned() };
        let mut lines = vec!["[client]".to_owned()];
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                lines.push(format!("{name}=\"{value}\""));
            }
        };
        let host = url.host.as_deref();
        add(if url.is_socket() { "socket" } else { "host" }, host);
        if !url.is_socket() && host.is_some() {
            add("protocol", Some("tcp"));
        }
        add("user", url.user.as_deref());
        add("password", url.password.as_deref());
        add("port", url.port.map(|it| it.to_string()).as_deref());
        lines.push(String::new());
        lines.join("\n")
    }

    fn refused(&self, finished: &Finished, doing: &str) -> Failure {
        let password = self.url.as_ref().and_then(|it| it.password.as_deref());
        refused(finished, &format!("{doing} the database `{}`", self.shown), password)
    }

    fn name(&self) -> &str {
        self.url.as_ref().map(|it| it.name.as_str()).unwrap_or_default()
    }

    fn ask(&self, bounds: &Bounds<'_>, doing: &str, sql: &str) -> Result<String, Failure> {
        let mut feed = |to: &mut dyn Write| bounds.written(to.write_all(sql.as_bytes()));
        self.client(bounds, doing, &mut feed)
    }

    /// Feeds the client, whose own commands are off: of what it reads only SQL is done.
    fn client(
        &self,
        bounds: &Bounds<'_>,
        doing: &str,
        feed: crate::host::Feed<'_>,
    ) -> Result<String, Failure> {
        let command = self
            .command(bounds, found(["mariadb", "mysql"]))?
            .arguments(["--batch", "--skip-column-names", "--raw", "--binary-mode"])
            .arguments(["--connect-timeout=20", "--default-character-set=utf8mb4"])
            .argument(format!("--database={}", self.name()));
        let (told, finished) = pipe(&command, Some(feed), |it| bounds.text(it))?;
        if finished.success { Ok(told) } else { Err(self.refused(&finished, doing)) }
    }
}

impl Database for Mariadb {
    fn tool(&self, bounds: &Bounds<'_>) -> Result<String, Failure> {
        let program = found(["mariadb-dump", "mysqldump"]);
        version(program, bounds)?.map_err(|it| self.refused(&it, FIND))
    }

    fn dump(&self, bounds: &Bounds<'_>, to: &mut dyn Write) -> Result<(), Failure> {
        let command = self
            .command(bounds, found(["mariadb-dump", "mysqldump"]))?
            .arguments(["--single-transaction", "--quick", "--routines", "--events", "--triggers"])
            .arguments(["--hex-blob", "--no-tablespaces", "--default-character-set=utf8mb4"])
            .arguments(["--", self.name()]);
        let (_, finished) = pipe(&command, None, |it| bounds.copied(it, to))?;
        if finished.success { Ok(()) } else { Err(self.refused(&finished, "back up")) }
    }

    fn check(&self, _: &Bounds<'_>, from: &mut (dyn Read + Send)) -> Result<(), Failure> {
        let mut tail = Tail::new(TAIL_BYTES);
        let read = io::copy(from, &mut tail);
        let message =
            |why: &str| format!("read back the dump of the database `{}`: {why}", self.shown);
        read.map_err(|error| Failure::new(Blame::Platform, message(&error.to_string())))?;
        let mut lines = tail.bytes().rsplit(|it| *it == b'\n').filter(|it| !it.is_empty());
        if lines.next().is_some_and(|it| it.starts_with(COMPLETED)) {
            return Ok(());
        }
        Err(Failure::new(Blame::Platform, message("it ends before its end"))
            .hint("the dump is not whole"))
    }

    fn load(&self, bounds: &Bounds<'_>, from: Opener<'_>) -> Result<(), Failure> {
        let statements = self.ask(bounds, "look at", EMPTY)?;
        let sql = format!("SET FOREIGN_KEY_CHECKS = 0;\n{statements}");
        self.ask(bounds, "empty", &sql)?;
        let mut dump = from()?;
        let mut feed = |to: &mut dyn Write| bounds.copied(&mut dump, to);
        self.client(bounds, "restore", &mut feed).map(|_| ())
    }

    fn count(&self, bounds: &Bounds<'_>) -> Result<Vec<Table>, Failure> {
        let names = self.ask(bounds, "list the tables of", TABLES)?;
        let names: Vec<&str> = names.lines().collect();
        let count = |name: &&str| format!("SELECT COUNT(*) FROM `{}`;\n", name.replace('`', "``"));
        let counts: String = names.iter().map(count).collect();
        let counts = self.ask(bounds, "count the rows of", &counts)?;
        let rows = counts.lines().map(|it| it.trim().parse().unwrap_or(0));
        let table = |(name, rows): (&&str, u64)| Table { name: (*name).to_owned(), rows };
        Ok(names.iter().zip(rows).map(table).collect())
    }

    fn scratch(&self, bounds: &Bounds<'_>, name: &str) -> Result<Box<dyn Database>, Failure> {
        let name = format!("{SCRATCH}{name}");
        let sql = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        let made = self.ask(bounds, "make a database beside", &sql);
        made.map_err(|it| it.hint("a drill needs a user who may create databases"))?;
        let url = self.url.clone().map(|url| Url { name, ..url });
        Ok(Box::new(Mariadb { shown: self.shown.clone(), url, is_scratch: true }))
    }

    fn discard(&self, bounds: &Bounds<'_>) -> Result<(), Failure> {
        if !self.is_scratch || !self.name().starts_with(SCRATCH) {
            return Err(Failure::new(Blame::Us, "remove a database that no drill made"));
        }
        let sql = format!("DROP DATABASE IF EXISTS {}", self.name());
        self.ask(bounds, "remove the scratch copy of", &sql).map(|_| ())
    }
}

/// The first of the programs that is there; else the first, which is then said to be missing.
fn found(programs: [&'static str; 2]) -> &'static str {
    let is_there = |it: &&&str| PATH.split(':').any(|place| Path::new(place).join(it).is_file());
    programs.iter().find(is_there).copied().unwrap_or(programs[0])
}
