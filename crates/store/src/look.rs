//! A look at the database that changes nothing, not even by files that SQLite makes beside it.

use crate::{
    open::OpenError,
    schema::{APPLICATION_ID, VERSION},
};
use rusqlite::{Connection, OpenFlags};
use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The schema's version; none: there is no database, or an empty file.
///
/// The version is read from the file itself, past a write-ahead log that may lie beside it:
/// migrations change it in rollback mode only, so that it is always in the file.
///
/// # Errors
///
/// Where it is no database of ours, or a newer one.
pub fn version(path: &Path) -> Result<Option<i64>, OpenError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::platform("look at", path, source)),
        Ok(found) if found.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    match frozen(path).and_then(|it| checked_version(&it, path)) {
        // A first migration that a crash cut short is taken back by the next who may write.
        Err(OpenError::Damaged { .. } | OpenError::Foreign { .. }) if has(path, "-journal") => {
            Ok(Some(0))
        }
        found => found.map(Some),
    }
}

/// The schema's version, as this connection sees it; 0: the database is blank.
///
/// # Errors
///
/// Where it is no database of ours, or a newer one.
pub fn checked_version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let pragma = |name| connection.pragma_query_value(None, name, |it| it.get::<_, i64>(0));
    let sql = |error| OpenError::sql("look at", path, &error);
    let found = pragma("user_version").map_err(sql)?;
    if pragma("application_id").map_err(sql)? != APPLICATION_ID {
        let blank = found == 0 && tables(connection).map_err(sql)? == 0;
        return if blank { Ok(0) } else { Err(OpenError::Foreign { path: path.into() }) };
    }
    if found > VERSION {
        return Err(OpenError::Newer { path: path.into(), found, known: VERSION });
    }
    Ok(found)
}

/// Whether SQLite's file of this suffix lies beside the database, and is not empty.
pub fn has(database: &Path, suffix: &str) -> bool {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    fs::metadata(PathBuf::from(name)).is_ok_and(|it| it.len() > 0)
}

/// A connection that takes the file as it lies there: no lock, no log, nothing made.
pub fn frozen(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let uri = format!("file:{}?immutable=1", escaped(path));
    Connection::open_with_flags(uri, flags).map_err(|it| OpenError::sql("open", path, &it))
}

fn tables(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |it| it.get(0))
}

fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
