//! What people say of an environment by hand.

use crate::{
    trouble::{Trouble, refused},
    word::word,
};
use model::{
    control::{Mark, Marks, Said},
    name::EnvironmentId,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Marks that are remembered of each environment, those that were taken back included.
const REMEMBERED_MAX: i64 = 1000;

/// What holds now.
pub fn all(connection: &Connection, environment: &EnvironmentId) -> Result<Marks, Trouble> {
    // Whoever only reads may find what an earlier build wrote.
    if !connection.table_exists(None, "mark")? {
        return Ok(Marks::default());
    }
    Ok(Marks {
        lock: current(connection, environment, Said::Lock)?,
        freeze: current(connection, environment, Said::Freeze)?,
    })
}

/// Environments of which something was said, in no order.
pub fn environments(connection: &Connection) -> Result<Vec<EnvironmentId>, Trouble> {
    if !connection.table_exists(None, "mark")? {
        return Ok(vec![]);
    }
    let mut select = connection.prepare_cached("SELECT DISTINCT environment FROM mark")?;
    let rows = select.query_map([], |it| it.get::<_, String>(0))?;
    rows.map(|it| super::deployment::environment(&it?)).collect()
}

/// Says it; whoever said it before is named instead.
pub fn set(
    transaction: &Transaction<'_>,
    environment: &EnvironmentId,
    said: Said,
    mark: &Mark,
) -> Result<(), Trouble> {
    if let Some(before) = current(transaction, environment, said)? {
        let what = match said {
            Said::Lock => format!("keep the lock of {environment}: it is kept by"),
            Said::Freeze => format!("freeze {environment}: it is frozen by"),
        };
        let verb = if said == Said::Lock { "unlock" } else { "unfreeze" };
        let hint = format!("`cutover {verb} {environment}` takes that back");
        return refused(format!("{what} {}", before.told()), hint);
    }
    add(transaction, environment, said, true, mark)
}

/// Takes it back; gives what held.
pub fn lift(
    transaction: &Transaction<'_>,
    environment: &EnvironmentId,
    said: Said,
    by: &Mark,
) -> Result<Mark, Trouble> {
    match current(transaction, environment, said)? {
        Some(before) => {
            add(transaction, environment, said, false, by)?;
            Ok(before)
        }
        None => {
            let what = match said {
                Said::Lock => format!("unlock {environment}: nobody keeps it by hand"),
                Said::Freeze => format!("unfreeze {environment}: it is not frozen"),
            };
            refused(what, format!("`cutover lock {environment}` shows who has the lock"))
        }
    }
}

/// What holds of one kind.
pub fn current(
    connection: &Connection,
    environment: &EnvironmentId,
    said: Said,
) -> Result<Option<Mark>, Trouble> {
    let mut select = connection.prepare_cached(
        "SELECT holds, said_by, reason, at_ms FROM mark WHERE environment = ?1 AND said = ?2 \
         ORDER BY place DESC LIMIT 1",
    )?;
    let found = select
        .query_row(params![environment.to_string(), word(&said)?], |it| {
            let mark = Mark { by: it.get(1)?, reason: it.get(2)?, since_ms: it.get(3)? };
            Ok((it.get::<_, bool>(0)?, mark))
        })
        .optional()?;
    Ok(found.filter(|it| it.0).map(|it| it.1))
}

fn add(
    transaction: &Transaction<'_>,
    environment: &EnvironmentId,
    said: Said,
    holds: bool,
    mark: &Mark,
) -> Result<(), Trouble> {
    let (environment, said) = (environment.to_string(), word(&said)?);
    let mut insert = transaction.prepare_cached(
        "INSERT INTO mark (environment, said, holds, said_by, reason, at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![environment, said, holds, mark.by, mark.reason, mark.since_ms])?;
    let mut forget = transaction.prepare_cached(
        "DELETE FROM mark WHERE environment = ?1 AND said = ?2 AND place <= \
         (SELECT place FROM mark WHERE environment = ?1 AND said = ?2 \
         ORDER BY place DESC LIMIT 1 OFFSET ?3)",
    )?;
    forget.execute(params![environment, said, REMEMBERED_MAX])?;
    Ok(())
}
