//! Numbers of generations: each is given out once.

use crate::trouble::{Trouble, ours};
use model::{
    id::Generation,
    name::EnvironmentId,
    plan::{Plan, Step},
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::BTreeMap;

/// SQLite's integers are signed.
const HIGHEST_MAX: u64 = i64::MAX.cast_unsigned();

/// The first of so many numbers above `above` and above all that were ever given out.
pub fn reserve(
    transaction: &Transaction<'_>,
    environment: &EnvironmentId,
    above: Generation,
    count: u64,
) -> Result<Generation, Trouble> {
    let before = highest(transaction, environment)?.max(above.0);
    match before.checked_add(count) {
        Some(highest) if highest < HIGHEST_MAX => raise(transaction, environment, highest)?,
        _ => return ours(format!("reserve {count} generations above {before}")),
    }
    Ok(Generation(before + 1))
}

/// Keeps what the plan names from being given out again.
pub fn keep(transaction: &Transaction<'_>, plan: &Plan) -> Result<(), Trouble> {
    let named = plan.steps.iter().flat_map(named).map(|it| it.0).max().unwrap_or(0);
    if named > highest(transaction, &plan.environment)? {
        raise(transaction, &plan.environment, named)?;
    }
    Ok(())
}

/// By environment, the highest number that was given out.
pub fn all(connection: &Connection) -> Result<BTreeMap<EnvironmentId, u64>, Trouble> {
    let mut select = connection.prepare_cached("SELECT environment, highest FROM generation")?;
    let rows = select.query_map([], |it| Ok((it.get::<_, String>(0)?, it.get(1)?)))?;
    let named = rows.map(|row| {
        let (environment, highest) = row?;
        match environment.parse() {
            Ok(environment) => Ok((environment, highest)),
            Err(error) => ours(format!("read a generation's environment: {error}")),
        }
    });
    named.collect()
}

fn named(step: &Step) -> Vec<Generation> {
    match step {
        Step::StageRoutes { staged } => staged.iter().map(|it| it.routes.generation).collect(),
        Step::Hold { from, held, back } => vec![*from, *held, *back],
        Step::Switch { from, to, back } => vec![*from, *to, *back],
        Step::Confirm { confirms, by } => vec![*confirms, by.generation],
        // The others name what these install.
        _ => vec![],
    }
}

fn highest(transaction: &Transaction<'_>, environment: &EnvironmentId) -> Result<u64, Trouble> {
    let select = "SELECT highest FROM generation WHERE environment = ?1";
    let mut select = transaction.prepare_cached(select)?;
    let found = select.query_row([environment.to_string()], |it| it.get(0)).optional()?;
    Ok(found.unwrap_or(0))
}

fn raise(
    transaction: &Transaction<'_>,
    environment: &EnvironmentId,
    highest: u64,
) -> Result<(), Trouble> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO generation (environment, highest) VALUES (?1, ?2) \
         ON CONFLICT (environment) DO UPDATE SET highest = max(highest, excluded.highest)",
    )?;
    insert.execute(params![environment.to_string(), highest])?;
    Ok(())
}
