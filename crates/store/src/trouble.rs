//! Why a call came to nothing, and whether that breaks the store.

use crate::open::WAY_OUT;
use model::failure::{Blame, Failure};
use rusqlite::ErrorCode;

/// Why a call came to nothing.
#[derive(Debug)]
pub enum Trouble {
    /// What was asked does not fit what is there.  Nothing was written, and the store is well.
    Refused(Box<Failure>),
    /// SQLite.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Sql(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Refused(Box::new(failure))
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Trouble {
        Failure::new(Blame::Us, format!("make sense of a row of the journal: {error}")).into()
    }
}

/// A refusal that a correct caller never meets.
pub fn ours<T>(message: impl Into<String>) -> Result<T, Trouble> {
    Err(Failure::new(Blame::Us, message).into())
}

/// A refusal that the asker can do something about.
pub fn refused<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Trouble> {
    Err(Failure::new(Blame::Request, message).hint(hint).into())
}

/// Whether the disk is full, as SQLite saw it.
pub fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Whether the disk, or what is on it, can be trusted no more.
pub fn breaks(error: &rusqlite::Error) -> bool {
    let Some(code) = error.sqlite_error_code() else { return false };
    matches!(
        code,
        ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory
            | ErrorCode::InternalMalfunction
    )
}

/// What an operator is told of it.  `doing` reads on from "failed to".
pub fn failure(doing: &str, error: &rusqlite::Error) -> Failure {
    let blame = if breaks(error) || is_busy(error) { Blame::Platform } else { Blame::Us };
    let failure = Failure::new(blame, format!("{doing}: {error}"));
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => failure.hint("free space on the file system of --root"),
        Some(ErrorCode::ReadOnly) => failure.hint("mount the file system of --root for writing"),
        Some(ErrorCode::SystemIoFailure) => {
            failure.hint("look at the disk: `dmesg` says what the kernel saw")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => failure.hint(WAY_OUT),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            failure.hint("end the other program that has state.db open for writing, and try again")
        }
        Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            failure.hint("run as the user who owns the state directory, or choose another --root")
        }
        _ => failure,
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
