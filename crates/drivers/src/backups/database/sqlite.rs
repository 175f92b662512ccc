//! SQLite, by its own library.

use super::{Database, Opener, Table};
use crate::{backups::bounds::Bounds, file};
use model::{
    failure::{Blame, Failure},
    name::Name,
};
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, chown},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long another's lock is waited for.
const BUSY: Duration = Duration::from_secs(30);
/// Pages that are copied at once.
const PAGES: i32 = 1024;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Of a database's file.
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// One file.
pub(super) struct Sqlite {
    shown: String,
    path: PathBuf,
    is_scratch: bool,
}

impl Sqlite {
    pub(super) fn new(name: &Name, path: PathBuf) -> Sqlite {
        Sqlite { shown: name.to_string(), path, is_scratch: false }
    }

    /// It can only check dumps.
    pub(super) fn nowhere() -> Sqlite {
        Sqlite { shown: String::new(), path: PathBuf::new(), is_scratch: false }
    }

    fn failed(&self, doing: &str, why: impl std::fmt::Display) -> Failure {
        let message = format!("{doing} the database `{}`: {why}", self.shown);
        Failure::new(Blame::Platform, message)
    }

    fn open(&self, flags: OpenFlags, doing: &str) -> Result<Connection, Failure> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // The directory may be reached by a link; the file itself is none.
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        let parent = fs::canonicalize(parent);
        let parent = parent.map_err(|it| file::failure("look at", &self.path, &it))?;
        let path = parent.join(self.path.file_name().unwrap_or_default());
        let opened = Connection::open_with_flags(path, flags);
        let connection = opened.and_then(|it| it.busy_timeout(BUSY).map(|()| it));
        let path = self.path.display().to_string();
        connection.map_err(|it| self.failed(doing, it).evidence(path))
    }

    fn reading(&self, doing: &str) -> Result<Connection, Failure> {
        // A database in WAL mode is not read without its files beside it being written.
        self.open(OpenFlags::SQLITE_OPEN_READ_WRITE, doing)
    }
}

impl Database for Sqlite {
    fn tool(&self, _: &Bounds<'_>) -> Result<String, Failure> {
        Ok(format!("SQLite {}", rusqlite::version()))
    }

    fn is_there(&self) -> Result<bool, Failure> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if found.is_file() => Ok(true),
            Ok(_) => Err(self.failed("read", "it is no plain file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(file::failure("look at", &self.path, &error)),
        }
    }

    /// By way of a copy, which is whole at one instant and as small as can be.
    fn dump(&self, bounds: &Bounds<'_>, to: &mut dyn Write) -> Result<(), Failure> {
        let copy = Removed(bounds.work.join("snapshot.db"));
        let _ = file::remove(&copy.0);
        let doing = "back up";
        let source = self.reading(doing)?;
        let text = copy.0.to_string_lossy().into_owned();
        source.execute("VACUUM INTO ?1", [text]).map_err(|it| self.failed(doing, it))?;
        drop(source);
        sound(&copy.0).map_err(|why| self.failed("back up", why))?;
        let mut file = File::open(&copy.0).map_err(|it| file::failure("read", &copy.0, &it))?;
        bounds.copied(&mut file, to)
    }

    /// Its first page says how many there are.
    fn check(&self, _: &Bounds<'_>, from: &mut (dyn Read + Send)) -> Result<(), Failure> {
        let doing = "read back the copy of";
        let mut header = [0; HEADER_BYTES];
        let read = from.read_exact(&mut header);
        let rest = read.and_then(|()| io::copy(from, &mut io::sink()));
        let rest = rest.map_err(|error| self.failed(doing, error).hint("it is not whole"))?;
        let number = |at: usize| {
            u64::from(u32::from_be_bytes([
                header[at],
                header[at + 1],
                header[at + 2],
                header[at + 3],
            ]))
        };
        // 1 stands for 65,536, which does not fit.
        let page = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
            1 => 65_536,
            page => page,
        };
        let whole = number(28).saturating_mul(page) == rest + HEADER_BYTES as u64;
        if header.starts_with(MAGIC) && whole {
            return Ok(());
        }
        Err(self
            .failed(doing, "it is not what SQLite writes, or not all of it")
            .hint("it is not whole"))
    }

    /// Page by page into the file that others may have open, as one transaction.
    fn load(&self, bounds: &Bounds<'_>, from: Opener<'_>) -> Result<(), Failure> {
        let doing = "restore";
        let copy = Removed(bounds.work.join("restore.db"));
        let opened =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&copy.0);
        let mut file = opened.map_err(|it| file::failure("write", &copy.0, &it))?;
        bounds.copied(&mut *from()?, &mut file)?;
        drop(file);
        sound(&copy.0).map_err(|why| self.failed(doing, why))?;
        let is_new = !self.is_there()?;
        let source = Connection::open(&copy.0).map_err(|it| self.failed(doing, it))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut target = self.open(flags, doing)?;
        if is_new {
            self.give_to_owner()?;
        }
        let backup = Backup::new(&source, &mut target).map_err(|it| self.failed(doing, it))?;
        let until = Instant::now() + BUSY;
        loop {
            match backup.step(PAGES).map_err(|it| self.failed(doing, it))? {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                _ if Instant::now() < until => thread::sleep(PAUSE),
                _ => {
                    return Err(self
                        .failed(doing, "another keeps it locked")
                        .hint("end what works on it, then try again"));
                }
            }
        }
    }

    fn count(&self, _: &Bounds<'_>) -> Result<Vec<Table>, Failure> {
        let doing = "count the rows of";
        let connection = self.reading(doing)?;
        let list = "SELECT name FROM sqlite_master WHERE type = 'table' \
                    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
        let named = || -> rusqlite::Result<Vec<Table>> {
            let mut statement = connection.prepare(list)?;
            let names: Vec<String> =
                statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            let count = |name: String| {
                let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
                let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
                Ok(Table { name, rows: rows.unsigned_abs() })
            };
            names.into_iter().map(count).collect()
        };
        named().map_err(|it| self.failed(doing, it))
    }

    fn scratch(&self, bounds: &Bounds<'_>, name: &str) -> Result<Box<dyn Database>, Failure> {
        let path = bounds.work.join(format!("drill-{name}.db"));
        Ok(Box::new(Sqlite { shown: self.shown.clone(), path, is_scratch: true }))
    }

    fn discard(&self, _: &Bounds<'_>) -> Result<(), Failure> {
        if !self.is_scratch {
            return Err(Failure::new(Blame::Us, "remove a database that no drill made"));
        }
        file::remove(&self.path).map_err(|it| file::failure("remove", &self.path, &it))
    }
}

impl Sqlite {
    /// A file that is made anew belongs to whom its directory belongs.
    fn give_to_owner(&self) -> Result<(), Failure> {
        let given = |path: &Path| -> io::Result<()> {
            let directory = fs::metadata(path.parent().unwrap_or(Path::new("/")))?;
            let own = fs::metadata(path)?;
            if (own.uid(), own.gid()) == (directory.uid(), directory.gid()) {
                return Ok(());
            }
            chown(path, Some(directory.uid()), Some(directory.gid()))
        };
        given(&self.path).map_err(|it| file::failure("give away", &self.path, &it))
    }
}

/// Why a copy is not what it should be.
fn sound(path: &Path) -> Result<(), String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let ask = || -> rusqlite::Result<String> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
    };
    match ask() {
        Ok(told) if told == "ok" => Ok(()),
        Ok(told) => Err(format!("it is damaged: {told}")),
        Err(error) => Err(error.to_string()),
    }
}

/// A file that goes, however the call ends.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = file::remove(&self.0);
    }
}
