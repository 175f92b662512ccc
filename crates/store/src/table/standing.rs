//! How releases stand.

use crate::{
    trouble::Trouble,
    word::{from_word, word},
};
use model::{id::ReleaseId, name::EnvironmentId, release::Standing};
use rusqlite::{Connection, Transaction, params};

/// Says how a release stands from now on, and puts it before all others of its environment.
pub fn set(
    transaction: &Transaction<'_>,
    environment: &EnvironmentId,
    release: &ReleaseId,
    version: &str,
    standing: Standing,
    at_ms: u64,
) -> Result<(), Trouble> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO standing (environment, release, version, standing, at_ms, change) \
         VALUES (?1, ?2, ?3, ?4, ?5, (SELECT coalesce(max(change), 0) + 1 FROM standing)) \
         ON CONFLICT (environment, release) DO UPDATE SET version = excluded.version, \
         standing = excluded.standing, at_ms = excluded.at_ms, change = excluded.change",
    )?;
    let standing = word(&standing)?;
    insert.execute(params![environment.to_string(), release.0, version, standing, at_ms])?;
    Ok(())
}

/// All releases of the environment, the one that was set last first.
pub fn all(
    connection: &Connection,
    environment: &EnvironmentId,
) -> Result<Vec<(ReleaseId, String, Standing)>, Trouble> {
    let mut select = connection.prepare_cached(
        "SELECT release, version, standing FROM standing WHERE environment = ?1 \
         ORDER BY change DESC",
    )?;
    let rows = select
        .query_map([environment.to_string()], |it| Ok((it.get(0)?, it.get(1)?, it.get(2)?)))?;
    rows.map(|row| {
        let (release, version, standing) = row?;
        Ok((ReleaseId(release), version, from_word(standing)?))
    })
    .collect()
}
