//! Instances that may be ended later, and are until then a quick way back.

use crate::{trouble::Trouble, word};
use model::{id::InstanceId, instance::Instance, name::EnvironmentId};
use rusqlite::{Connection, Transaction, params};

/// Records that it may be ended from then on; the last word counts.
pub fn retire(
    transaction: &Transaction<'_>,
    instance: &Instance,
    not_before_ms: u64,
) -> Result<(), Trouble> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO retired (instance, environment, body, not_before_ms) \
         VALUES (?1, ?2, ?3, ?4) ON CONFLICT (instance) DO UPDATE SET \
         environment = excluded.environment, body = excluded.body, \
         not_before_ms = excluded.not_before_ms",
    )?;
    let (environment, body) = (instance.environment.to_string(), word::json(Some(instance))?);
    insert.execute(params![instance.id.0, environment, body, not_before_ms])?;
    Ok(())
}

/// Takes those back that are retired; returns them in the order they were asked for.
pub fn claim(
    transaction: &Transaction<'_>,
    instances: &[InstanceId],
) -> Result<Vec<InstanceId>, Trouble> {
    let mut claimed = vec![];
    for instance in instances {
        if forget(transaction, instance)? {
            claimed.push(instance.clone());
        }
    }
    Ok(claimed)
}

/// Forgets it; returns whether it was retired.
pub fn forget(transaction: &Transaction<'_>, instance: &InstanceId) -> Result<bool, Trouble> {
    let mut delete = transaction.prepare_cached("DELETE FROM retired WHERE instance = ?1")?;
    Ok(delete.execute([&instance.0])? > 0)
}

/// All, the one that may be ended first first.
pub fn all(connection: &Connection) -> Result<Vec<(Instance, u64)>, Trouble> {
    let mut select = connection.prepare_cached(
        "SELECT body, not_before_ms FROM retired ORDER BY not_before_ms, instance",
    )?;
    let rows = select.query_map([], |it| Ok((it.get::<_, String>(0)?, it.get(1)?)))?;
    rows.map(|row| {
        let (body, not_before_ms) = row?;
        Ok((serde_json::from_str(&body)?, not_before_ms))
    })
    .collect()
}

/// Those of one environment, with when they may be ended.
pub fn of(
    connection: &Connection,
    environment: &EnvironmentId,
) -> Result<Vec<(InstanceId, u64)>, Trouble> {
    let mut select = connection.prepare_cached(
        "SELECT instance, not_before_ms FROM retired WHERE environment = ?1 ORDER BY instance",
    )?;
    let rows = select
        .query_map([environment.to_string()], |it| Ok((InstanceId(it.get(0)?), it.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
