//! The tables, by version.

use rusqlite::{Connection, TransactionBehavior};

/// The version this build reads and writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// In the header of `state.db`: "cuto".
pub const APPLICATION_ID: i64 = 0x6375_746f;

/// From version N to N+1, each in one transaction.  What is released is never changed again.
const MIGRATIONS: [&str; 3] =
    [include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// Brings the tables from version `from` to [`VERSION`].
///
/// In rollback mode, for then the version is in the file itself at once, where a build that does
/// not know it finds it by looking only.
pub fn migrate(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    let mode = "PRAGMA journal_mode = DELETE";
    let mode: String = connection.query_row(mode, [], |it| it.get(0))?;
    if mode != "delete" {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, Some(format!("it stayed in {mode}"))));
    }
    for (at, migration) in (0i64..).zip(MIGRATIONS) {
        if at < from {
            continue;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", at + 1)?;
        transaction.commit()?;
    }
    Ok(())
}
