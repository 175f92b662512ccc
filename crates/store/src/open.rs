//! Opens the journal for the one process that may write it.

use crate::{
    lock::{self, HolderState, StateLock, Taken},
    look,
    position::Position,
    reserve::Reserve,
    schema,
    store::Store,
    trouble::Trouble,
    writer::{LOG_BYTES_KEPT, Writer},
};
use model::id::Epoch;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// The journal under the state directory.
pub const FILE_NAME: &str = "state.db";
/// What to do about a journal that cannot be used.
pub const WAY_OUT: &str = "put the newest copy of it back, with its -wal if there is one, or let \
    `cutover doctor --rebuild` make a new one from the route files and run directories";
const LOCK_NAME: &str = "state.lock";

/// Earlier ones could corrupt a database under a rare race with its write-ahead log.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// SQLite takes names of up to 512 bytes; `/state.db-journal` and some room go off that.
const ROOT_BYTES_MAX: usize = 480;
/// For somebody who reads while the journal is being opened.
const OPEN_PATIENCE: Duration = Duration::from_secs(2);

/// Why the journal cannot be opened.  Nothing that serves depends on it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has it.
    #[error(
        "another controller has the journal: pid {pid}, {state}; end it, or take over with \
         `cutover daemon start --take-over`"
    )]
    Locked {
        /// Its process; 0: it has not said.
        pid: u32,
        /// Whether it runs.
        state: HolderState,
    },
    /// A later version of this program wrote it.
    #[error(
        "{} has schema version {found}, and this program knows versions up to {known}: nothing was \
         changed; run the newer program again", path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// There is none.
    #[error("there is no journal at {}: nothing was deployed under this root yet", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// It is a database, but not ours.
    #[error("{} is another program's database: choose another --root", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// Its pages are not sound.
    #[error(
        "{} is damaged ({what}): what is served is not touched, and nothing was changed; {WAY_OUT}",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        what: String,
    },
    /// It is older than what it is the journal of.
    #[error(
        "{} is not the newest ({what}): what is served is not touched, and nothing was changed; \
         {WAY_OUT}", path.display()
    )]
    Behind {
        /// The database.
        path: PathBuf,
        /// What it does not know.
        what: String,
    },
    /// The SQLite library is too old to be trusted.
    #[error("this program was linked with SQLite {linked}, and needs 3.51.3 or later")]
    Library {
        /// Its version.
        linked: &'static str,
    },
    /// SQLite could not do it.
    #[error("failed to {doing} {}: {what}", path.display())]
    Sqlite {
        /// What was tried.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What it said.
        what: String,
    },
    /// The system refused.
    #[error("failed to {doing} {}: {source}", path.display())]
    Platform {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn platform(doing: &'static str, path: &Path, source: io::Error) -> OpenError {
        OpenError::Platform { doing, path: path.into(), source }
    }

    pub(crate) fn sql(doing: &'static str, path: &Path, error: &rusqlite::Error) -> OpenError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let (path, what) = (path.into(), error.to_string());
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => OpenError::Damaged { path, what },
            _ => OpenError::Sqlite { doing, path, what },
        }
    }
}

/// Opens the journal of the state directory, or makes it, and begins a new epoch.
///
/// # Errors
///
/// Where another daemon has it, a newer program wrote it, it is damaged, or the disk does not take
/// a write.  A newer or damaged database is left as it is.
pub fn open(root: &Path) -> Result<Store, OpenError> {
    open_if(root, |_| Ok(()))
}

/// The same, if it has come as far as it must: `accept` says in words what it does not know.  It is
/// asked under the lock, and before anything is written.
///
/// # Errors
///
/// As for [`open`], and [`OpenError::Behind`].
pub fn open_if(
    root: &Path,
    accept: impl Fn(&Position) -> Result<(), String>,
) -> Result<Store, OpenError> {
    let root = checked_root(root)?;
    // Before anything is made or locked; and again, since whoever had the lock may have migrated.
    look::version(&root.join(FILE_NAME))?;
    let lock = take_lock(&root)?;
    begin(&root, lock, None, accept)
}

/// Begins a life, in an epoch above `after`.
pub fn begin(
    root: &Path,
    lock: StateLock,
    after: Option<Epoch>,
    accept: impl Fn(&Position) -> Result<(), String>,
) -> Result<Store, OpenError> {
    let path = root.join(FILE_NAME);
    let accept = |position: &Position| {
        accept(position).map_err(|what| OpenError::Behind { path: path.clone(), what })
    };
    if look::version(&path)?.unwrap_or(0) == 0 {
        accept(&Position::default())?;
    }
    make_file(root, &path).map_err(|it| OpenError::platform("make", &path, it))?;
    let reserve = Reserve::find(root);
    let life = || begin_life(&path, after, &accept);
    let begun = match life() {
        // A controller that starts on a full disk has work to end as well.
        Err(Unready::Sqlite(error)) if reserve.spend_on(&error) => life(),
        begun => begun,
    };
    let (connection, epoch) = begun.map_err(|it| match it {
        Unready::Sqlite(error) => OpenError::sql("open", &path, &error),
        Unready::Refused(error) => error,
    })?;
    if let Err(error) = reserve.top_up() {
        tracing::warn!("no space is reserved for the journal: {error}");
    }
    let idle = connection.busy_timeout(Duration::ZERO);
    idle.map_err(|it| OpenError::sql("open", &path, &it))?;
    let writer = Writer::new(connection, &path, epoch, reserve, lock);
    let writer = writer.map_err(|it| OpenError::platform("look at", &path, it))?;
    Store::start(writer).map_err(|it| OpenError::platform("start the thread of", &path, it))
}

/// The state directory by its full name, and the library as it must be.
pub fn checked_root(root: &Path) -> Result<PathBuf, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::Library { linked: rusqlite::version() });
    }
    let full = match fs::canonicalize(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(OpenError::Missing { path: root.join(FILE_NAME) });
        }
        full => full.map_err(|it| OpenError::platform("find", root, it))?,
    };
    if full.as_os_str().len() > ROOT_BYTES_MAX {
        let source = io::Error::other(format!("its name is over {ROOT_BYTES_MAX} bytes long"));
        return Err(OpenError::platform("keep a journal under", &full, source));
    }
    Ok(full)
}

/// One controller a state directory.
pub fn take_lock(root: &Path) -> Result<StateLock, OpenError> {
    let path = root.join(LOCK_NAME);
    match lock::take(&path).map_err(|it| OpenError::platform("lock", &path, it))? {
        Taken::Ours(lock) => Ok(lock),
        Taken::Theirs(pid) => Err(OpenError::Locked { pid, state: lock::holder_state(pid) }),
    }
}

/// Makes the file with its mode, since what SQLite makes beside it takes the mode over.
fn make_file(root: &Path, path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => {
            made?.sync_all()?;
            File::open(root)?.sync_all()?;
        }
    }
    fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// Why a life could not begin.
enum Unready {
    /// Maybe for want of space.
    Sqlite(rusqlite::Error),
    /// For good.
    Refused(OpenError),
}

impl From<rusqlite::Error> for Unready {
    fn from(error: rusqlite::Error) -> Unready {
        Unready::Sqlite(error)
    }
}

/// Looks the pages through, brings the tables up to date, and takes the next epoch, durably.
fn begin_life(
    path: &Path,
    after: Option<Epoch>,
    accept: &impl Fn(&Position) -> Result<(), OpenError>,
) -> Result<(Connection, Epoch), Unready> {
    let mut connection = connect(path)?;
    // What the first look saw may have been a migration that was cut short and is now undone.
    let from = look::checked_version(&connection, path).map_err(Unready::Refused)?;
    if from > 0 {
        let position = Position::of(&connection).map_err(|it| unreadable(path, it))?;
        accept(&position).map_err(Unready::Refused)?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    if from < schema::VERSION {
        schema::migrate(&mut connection, from)?;
    }
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let next = "UPDATE epoch SET epoch = max(epoch, ?1) + 1 RETURNING epoch";
    let epoch = transaction.query_row(next, [after.map_or(0, |it| it.0)], |it| it.get(0))?;
    transaction.commit()?;
    Ok((connection, Epoch(epoch)))
}

fn unreadable(path: &Path, trouble: Trouble) -> Unready {
    match trouble {
        Trouble::Sql(error) => Unready::Sqlite(error),
        Trouble::Refused(failure) => {
            Unready::Refused(OpenError::Damaged { path: path.into(), what: failure.message })
        }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(OPEN_PATIENCE)?;
    // Until it is known to be the one to go on with, its files stay as they lie there.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // The writer checkpoints by itself: SQLite keeps an error of its own checkpoints to itself.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    check_pages(&connection)?;
    Ok(connection)
}

/// An error where a page, or what pages say of each other, is not sound.
pub fn check_pages(connection: &Connection) -> rusqlite::Result<()> {
    let check = "PRAGMA quick_check(1)";
    let found: String = connection.query_row(check, [], |it| it.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(found)))
}
