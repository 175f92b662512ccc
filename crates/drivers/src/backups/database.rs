//! Kinds of databases, behind one trait.

mod conninfo;
mod mariadb;
mod postgresql;
mod sqlite;
mod url;
mod version;

use super::{bounds::Bounds, path::within};
use crate::layout::Layout;
use model::{
    backup::{DatabaseKind, DatabasePlace, DatabaseSpec},
    failure::{Blame, Failure},
    service::EnvironmentSpec,
};
use serde::Serialize;
use std::io::{Read, Write};

/// Reads a dump from its beginning; may be asked more than once.
pub(super) type Opener<'o> = &'o dyn Fn() -> Result<Box<dyn Read + Send>, Failure>;

/// One database.
///
/// Contract: `dump` writes the database as it was at one instant, while others read and write it;
/// what it writes, `check` accepts.  `check` reads a dump to its end and refuses one that ends too
/// early, whatever the program that made it said.  `load` makes the database what the dump says:
/// afterwards it has the same tables and rows, and nothing that was made since.  Where `load` fails
/// the database may be empty, never silently old.  A password is in no argument, no error, and no
/// file but in the bounds' own directory.  All block, and end at the bounds' time limit.
pub(super) trait Database: Send + Sync {
    /// What makes the dump, with its version.
    fn tool(&self, bounds: &Bounds<'_>) -> Result<String, Failure>;
    /// Whether there is anything to dump; where the server does not answer that is a failure.
    fn is_there(&self) -> Result<bool, Failure> {
        Ok(true)
    }
    /// Writes a dump.
    fn dump(&self, bounds: &Bounds<'_>, to: &mut dyn Write) -> Result<(), Failure>;
    /// Reads a dump, and asks whether it is whole.
    fn check(&self, bounds: &Bounds<'_>, from: &mut (dyn Read + Send)) -> Result<(), Failure>;
    /// Replaces everything by what the dump holds.
    fn load(&self, bounds: &Bounds<'_>, from: Opener<'_>) -> Result<(), Failure>;
    /// Rows of each table, by name.
    fn count(&self, bounds: &Bounds<'_>) -> Result<Vec<Table>, Failure>;
    /// Makes an empty database of the same kind beside it; `discard` must follow.
    fn scratch(&self, bounds: &Bounds<'_>, name: &str) -> Result<Box<dyn Database>, Failure>;
    /// Removes a database that `scratch` made, and only such.
    fn discard(&self, bounds: &Bounds<'_>) -> Result<(), Failure>;
}

/// One table of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Its name, with its schema where there are several.
    pub name: String,
    /// In it.
    pub rows: u64,
}

/// The database that is meant, by the configuration and the variables of a release.
pub(super) fn database(
    layout: &Layout,
    by: &EnvironmentSpec,
    spec: &DatabaseSpec,
) -> Result<Box<dyn Database>, Failure> {
    let name = &spec.name;
    let url = match &spec.place {
        DatabasePlace::Path(path) => {
            let path = within(layout, &by.id, path)?;
            return Ok(Box::new(sqlite::Sqlite::new(name, path)));
        }
        DatabasePlace::Variable(variable) => by.variable(variable).ok_or_else(|| {
            let message = format!("reach the database `{name}`: {variable} is not set");
            Failure::new(Blame::Request, message)
                .hint("set it under `env` or `secrets`, and deploy with it")
        })?,
    };
    let url = url::Url::parse(url).map_err(|why| {
        let message = format!("reach the database `{name}`: its URL {why}");
        Failure::new(Blame::Request, message)
            .hint("write it as `postgresql://user:password@host:5432/name`")
    })?;
    match spec.kind {
        DatabaseKind::Postgresql => Ok(Box::new(postgresql::Postgresql::new(name, url)?)),
        DatabaseKind::Mariadb => Ok(Box::new(mariadb::Mariadb::new(name, url)?)),
        DatabaseKind::Sqlite => {
            let message = format!("reach the database `{name}`: SQLite has a path, not a URL");
            Err(Failure::new(Blame::Request, message))
        }
    }
}

/// What checks a dump where its database is not configured any more: nothing is reached.
pub(super) fn checker(kind: DatabaseKind) -> Box<dyn Database> {
    match kind {
        DatabaseKind::Postgresql => Box::new(postgresql::Postgresql::nowhere()),
        DatabaseKind::Mariadb => Box::new(mariadb::Mariadb::nowhere()),
        DatabaseKind::Sqlite => Box::new(sqlite::Sqlite::nowhere()),
    }
}
