//! PostgreSQL, by its own programs.

use super::{
    Database, Opener, Table,
    conninfo::refused,
    url::Url,
    version::{FIND, version},
};
use crate::{
    backups::bounds::Bounds,
    host::{Command, Finished, pipe},
};
use model::{
    failure::{Blame, Failure},
    name::Name,
};
use std::{
    fs,
    io::{Read, Write},
};

/// Parameters of a URL that `libpq` takes from its environment; others are the application's.
const PARAMETERS: [(&str, &str); 5] = [
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
];
/// When the URL says nothing, in seconds.
const CONNECT_TIMEOUT_S: &str = "20";
/// Databases that a drill makes begin so.
const SCRATCH: &str = "cutover_drill_";

/// Rows of all tables of the user's.
const COUNT: &str = "\
SELECT n.nspname || '.' || c.relname,
  (xpath('/row/c/text()', query_to_xml(
    format('SELECT count(*) AS c FROM ONLY %I.%I', n.nspname, c.relname),
    false, true, '')))[1]::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1";

/// Removes what is there, so that nothing is left that was made since; extensions stay.
const EMPTY: &str = "\
DO $$
DECLARE it record;
BEGIN
  FOR it IN SELECT n.nspname FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = n.oid AND d.deptype = 'e')
      AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.extnamespace = n.oid)
  LOOP EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', it.nspname); END LOOP;
  FOR it IN SELECT n.nspname, c.relname, CASE c.relkind WHEN 'v' THEN 'VIEW'
      WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
      WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.relkind = 'S'
  LOOP
    IF to_regclass(format('%I.%I', it.nspname, it.relname)) IS NOT NULL THEN
      EXECUTE format('DROP %s IF EXISTS %I.%I CASCADE', it.kind, it.nspname, it.relname);
    END IF;
  END LOOP;
  FOR it IN SELECT p.oid::regprocedure AS signature FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  LOOP EXECUTE format('DROP ROUTINE IF EXISTS %s CASCADE', it.signature); END LOOP;
  FOR it IN SELECT n.nspname, t.typname FROM pg_type t
    JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
  LOOP EXECUTE format('DROP TYPE IF EXISTS %I.%I CASCADE', it.nspname, it.typname); END LOOP;
END $$";

/// One database of a server.
pub(super) struct Postgresql {
    /// As the configuration calls it.
    shown: String,
    url: Option<Url>,
    is_scratch: bool,
}

impl Postgresql {
    pub(super) fn new(name: &Name, url: Url) -> Result<Postgresql, Failure> {
        if !matches!(url.scheme.as_str(), "postgres" | "postgresql") {
            let message = format!("reach the database `{name}`: its URL is not PostgreSQL's");
            return Err(Failure::new(Blame::Request, message).hint("look at its `kind`"));
        }
        Ok(Postgresql { shown: name.to_string(), url: Some(url), is_scratch: false })
    }

    /// It can only check dumps.
    pub(super) fn nowhere() -> Postgresql {
        Postgresql { shown: String::new(), url: None, is_scratch: false }
    }

    /// The program, told where the database is by its environment, where no other user reads it.
    fn command(&self, bounds: &Bounds<'_>, program: &str) -> Command {
        let mut command = Command::new(program, bounds.time_limit);
        let Some(url) = &self.url else { return command };
        let port = url.port.map(|it| it.to_string());
        let given = [
            ("PGHOST", url.host.as_deref()),
            ("PGPORT", port.as_deref()),
            ("PGUSER", url.user.as_deref()),
            ("PGPASSWORD", url.password.as_deref()),
            ("PGDATABASE", Some(url.name.as_str())),
            ("PGCONNECT_TIMEOUT", Some(CONNECT_TIMEOUT_S)),
            // A file of passwords of whoever runs this says nothing of the application.
            ("PGPASSFILE", Some("/dev/null")),
            ("PGAPPNAME", Some("cutover backup")),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                command = command.variable(name, value);
            }
        }
        for (parameter, name) in PARAMETERS {
            if let Some(value) = url.parameters.get(parameter) {
                command = command.variable(name, value);
            }
        }
        command
    }

    fn refused(&self, finished: &Finished, doing: &str) -> Failure {
        let password = self.url.as_ref().and_then(|it| it.password.as_deref());
        refused(finished, &format!("{doing} the database `{}`", self.shown), password)
    }

    /// What the server answers to a fixed text of ours.
    fn ask(&self, bounds: &Bounds<'_>, doing: &str, sql: &str) -> Result<String, Failure> {
        let command = self.command(bounds, "psql").arguments([
            "--no-psqlrc",
            "--no-password",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--field-separator=\t",
            "--set=ON_ERROR_STOP=1",
            "--file=-",
        ]);
        let mut feed =
            |to: &mut dyn Write| bounds.written(to.write_all(format!("{sql};\n").as_bytes()));
        let (answer, finished) = pipe(&command, Some(&mut feed), |it| bounds.text(it))?;
        if finished.success { Ok(answer) } else { Err(self.refused(&finished, doing)) }
    }

    /// Lines of a dump's table of contents, without those of extensions that are there already.
    fn wanted(&self, bounds: &Bounds<'_>, from: Opener<'_>) -> Result<String, Failure> {
        let there = "SELECT extname FROM pg_extension";
        let there = self.ask(bounds, "look at the extensions of", there)?;
        let there: Vec<&str> = there.lines().collect();
        let command = Command::new("pg_restore", bounds.time_limit).argument("--list");
        let mut dump = from()?;
        let mut feed = |to: &mut dyn Write| bounds.copied(&mut dump, to);
        let (list, finished) = pipe(&command, Some(&mut feed), |it| bounds.text(it))?;
        if !finished.success {
            return Err(self.refused(&finished, "read the backup of"));
        }
        let is_there = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = words.iter().position(|it| *it == "EXTENSION");
            at.is_some_and(|at| words[at..].iter().any(|it| there.contains(it)))
        };
        let lines = list.lines().filter(|it| it.starts_with(';') || !is_there(it));
        Ok(lines.map(|it| format!("{it}\n")).collect())
    }
}

impl Database for Postgresql {
    fn tool(&self, bounds: &Bounds<'_>) -> Result<String, Failure> {
        version("pg_dump", bounds)?.map_err(|it| self.refused(&it, FIND))
    }

    fn dump(&self, bounds: &Bounds<'_>, to: &mut dyn Write) -> Result<(), Failure> {
        // Compressed by us, once.
        let arguments =
            ["--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=60s"];
        let command = self.command(bounds, "pg_dump").arguments(arguments);
        let (_, finished) = pipe(&command, None, |it| bounds.copied(it, to))?;
        if finished.success { Ok(()) } else { Err(self.refused(&finished, "back up")) }
    }

    /// Its table of contents stands first: only reading all of it says that all of it is there.
    fn check(&self, bounds: &Bounds<'_>, from: &mut (dyn Read + Send)) -> Result<(), Failure> {
        let command = Command::new("pg_restore", bounds.time_limit)
            .arguments(["--format=custom", "--file=/dev/null"]);
        let mut feed = |to: &mut dyn Write| bounds.copied(from, to);
        let (_, finished) = pipe(&command, Some(&mut feed), |it| bounds.text(it))?;
        if finished.success {
            return Ok(());
        }
        Err(self.refused(&finished, "read back the dump of").hint("the dump is not whole"))
    }

    fn load(&self, bounds: &Bounds<'_>, from: Opener<'_>) -> Result<(), Failure> {
        let wanted = self.wanted(bounds, from)?;
        let list = bounds.work.join("restore.list");
        bounds.written(fs::write(&list, wanted))?;
        self.ask(bounds, "empty", EMPTY)?;
        let name = self.url.as_ref().map(|it| it.name.as_str()).unwrap_or_default();
        let quoted = name.replace('\\', "\\\\").replace('\'', "\\'");
        let command = self
            .command(bounds, "pg_restore")
            .arguments(["--no-password", "--clean", "--if-exists", "--exit-on-error"])
            .arguments(["--single-transaction".to_owned()])
            .argument(format!("--use-list={}", list.display()))
            .argument(format!("--dbname=dbname='{quoted}'"));
        let mut dump = from()?;
        let mut feed = |to: &mut dyn Write| bounds.copied(&mut dump, to);
        let (_, finished) = pipe(&command, Some(&mut feed), |it| bounds.text(it))?;
        if finished.success { Ok(()) } else { Err(self.refused(&finished, "restore")) }
    }

    fn count(&self, bounds: &Bounds<'_>) -> Result<Vec<Table>, Failure> {
        let told = self.ask(bounds, "count the rows of", COUNT)?;
        let row = |line: &str| {
            let (name, rows) = line.rsplit_once('\t')?;
            Some(Table { name: name.to_owned(), rows: rows.parse().ok()? })
        };
        Ok(told.lines().filter_map(row).collect())
    }

    fn scratch(&self, bounds: &Bounds<'_>, name: &str) -> Result<Box<dyn Database>, Failure> {
        let name = format!("{SCRATCH}{name}");
        let made = self.ask(bounds, "make a database beside", &format!("CREATE DATABASE {name}"));
        made.map_err(|it| it.hint("a drill needs a user with CREATEDB"))?;
        let url = self.url.clone().map(|url| Url { name, ..url });
        Ok(Box::new(Postgresql { shown: self.shown.clone(), url, is_scratch: true }))
    }

    fn discard(&self, bounds: &Bounds<'_>) -> Result<(), Failure> {
        let Some(url) =
            self.url.as_ref().filter(|it| self.is_scratch && it.name.starts_with(SCRATCH))
        else {
            return Err(Failure::new(Blame::Us, "remove a database that no drill made"));
        };
        // Another database to be connected to while this one goes.
        let beside = Url { name: "postgres".into(), ..url.clone() };
        let beside = Postgresql { shown: self.shown.clone(), url: Some(beside), is_scratch: false };
        let sql = format!("DROP DATABASE IF EXISTS {}", url.name);
        beside.ask(bounds, "remove the scratch copy of", &sql).map(|_| ())
    }
}
