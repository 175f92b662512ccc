//! The one connection that writes, and the rules of every write.

use crate::{
    lock::StateLock,
    reserve::Reserve,
    trouble::{self, Trouble, breaks, is_full},
};
use model::{
    failure::{Blame, Failure},
    id::Epoch,
};
use rusqlite::{Connection, Transaction, TransactionBehavior, config::DbConfig};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Writes between two times that the log is carried over into the database.
const WRITES_A_CHECKPOINT: u32 = 128;
/// What the log is cut to when it starts again from its beginning.
pub const LOG_BYTES_KEPT: i64 = 4 << 20;

/// The connection, and what every write compares.
pub struct Writer {
    connection: Connection,
    path: PathBuf,
    /// Device and inode of the file that is open.
    file: (u64, u64),
    epoch: Epoch,
    reserve: Reserve,
    broken: Arc<OnceLock<Failure>>,
    writes: u32,
    /// Last, so that it is held until the connection is closed.
    _lock: StateLock,
}

impl Writer {
    /// A writer of this epoch.
    pub fn new(
        connection: Connection,
        path: &Path,
        epoch: Epoch,
        reserve: Reserve,
        lock: StateLock,
    ) -> io::Result<Writer> {
        let file = identity(path)?;
        let (path, broken) = (path.to_path_buf(), Arc::default());
        Ok(Writer { connection, path, file, epoch, reserve, broken, writes: 0, _lock: lock })
    }

    /// The epoch that writes are made under.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The space that is kept for a full disk.
    pub fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    /// Set for good by the first write that failed.
    pub fn broken(&self) -> Arc<OnceLock<Failure>> {
        self.broken.clone()
    }

    /// Reads in one transaction.
    pub fn read<T>(
        &mut self,
        act: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, Failure> {
        read(&self.connection, act)
    }

    /// Writes in one transaction: all of it is durable, or nothing of it was done.
    ///
    /// `act` is done once more where the disk was full and the reserve could be spent.
    pub fn write<T>(
        &mut self,
        act: impl Fn(&Transaction<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Failure> {
        if let Some(failure) = self.broken.get() {
            return Err(failure.clone());
        }
        let mut result = self.attempt(&act);
        if matches!(&result, Err(Trouble::Sql(error)) if self.reserve.spend_on(error)) {
            result = self.attempt(&act);
        }
        let result = result.map_err(|it| self.judge(it))?;
        self.carry_over();
        Ok(result)
    }

    fn attempt<T>(
        &mut self,
        act: impl Fn(&Transaction<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        if identity(&self.path).ok() != Some(self.file) {
            let text = format!("write the journal: {} is not there any more", self.path.display());
            let failure = Failure::new(Blame::Platform, text);
            let hint = "put it back as it was; `cutover doctor` says what else can be done";
            return Err(failure.hint(hint).into());
        }
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        check_epoch(&transaction, self.epoch)?;
        let result = act(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    fn judge(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Refused(failure) => *failure,
            Trouble::Sql(error) if breaks(&error) => self.break_by(&error),
            Trouble::Sql(error) => trouble::failure("write the journal", &error),
        }
    }

    /// After a write or sync that failed, nobody can say what is on disk.
    fn break_by(&self, error: &rusqlite::Error) -> Failure {
        let failure = trouble::failure("write the journal", error)
            .hint("start the controller again once the cause is gone; what serves goes on serving");
        // What may not have reached the disk must not be copied over what did.
        let kept = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        if let Err(error) = self.connection.set_db_config(kept, true) {
            tracing::warn!("the log may be carried over at the end: {error}");
        }
        tracing::error!("failed to {}; nothing more is written", failure.message);
        self.broken.get_or_init(|| failure).clone()
    }

    /// Carries the log over into the database, so that it does not grow for ever.
    fn carry_over(&mut self) {
        self.writes += 1;
        if self.writes < WRITES_A_CHECKPOINT {
            return;
        }
        self.writes = 0;
        let mut result = self.checkpoint();
        if matches!(&result, Err(error) if self.reserve.spend_on(error)) {
            result = self.checkpoint();
        }
        match result {
            // What is in the log stays there, whole, until there is space.
            Err(error) if is_full(&error) => tracing::warn!("the log stays as it is: {error}"),
            Err(error) if breaks(&error) => drop(self.break_by(&error)),
            Err(error) => tracing::warn!("the log stays as it is: {error}"),
            Ok(()) => {}
        }
    }

    fn checkpoint(&self) -> rusqlite::Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }
}

/// Reads in one transaction, so that several statements see one state.
pub fn read<T>(
    connection: &Connection,
    act: impl FnOnce(&Connection) -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let read = || -> Result<T, Trouble> {
        let transaction = connection.unchecked_transaction()?;
        act(&transaction)
    };
    read().map_err(|trouble| match trouble {
        Trouble::Refused(failure) => *failure,
        Trouble::Sql(error) => trouble::failure("read the journal", &error),
    })
}

fn check_epoch(transaction: &Transaction<'_>, ours: Epoch) -> Result<(), Trouble> {
    let mut select = transaction.prepare_cached("SELECT epoch FROM epoch")?;
    let found: u64 = select.query_row([], |it| it.get(0))?;
    if found == ours.0 {
        return Ok(());
    }
    let text = format!(
        "write the journal: a newer controller runs (epoch {found}, this one has {})",
        ours.0
    );
    Err(Failure::new(Blame::Platform, text).hint("end this controller: it was replaced").into())
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|it| (it.dev(), it.ino()))
}
