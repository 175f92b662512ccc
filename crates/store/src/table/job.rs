//! What is remembered of jobs that run by the clock.

use crate::{trouble::Trouble, word};
use model::{
    name::{EnvironmentId, Name},
    schedule::Memory,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// What is remembered of one; none: nobody ever looked at it.
pub fn of(
    connection: &Connection,
    environment: &EnvironmentId,
    service: &Name,
) -> Result<Option<Memory>, Trouble> {
    // Whoever only reads may find what an earlier build wrote.
    if !connection.table_exists(None, "job")? {
        return Ok(None);
    }
    let mut select = connection
        .prepare_cached("SELECT body FROM job WHERE environment = ?1 AND service = ?2")?;
    let body: Option<String> = select
        .query_row(params![environment.to_string(), service.as_str()], |it| it.get(0))
        .optional()?;
    Ok(body.map(|it| serde_json::from_str(&it)).transpose()?)
}

/// Remembers it; the last word counts.
pub fn set(
    transaction: &Transaction<'_>,
    environment: &EnvironmentId,
    service: &Name,
    memory: &Memory,
) -> Result<(), Trouble> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO job (environment, service, body) VALUES (?1, ?2, ?3) \
         ON CONFLICT (environment, service) DO UPDATE SET body = excluded.body",
    )?;
    let body = word::json(Some(memory))?;
    insert.execute(params![environment.to_string(), service.as_str(), body])?;
    Ok(())
}
