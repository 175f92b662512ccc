//! Deployments: the lock, and what each of them came to.

mod begin;
mod finish;
mod row;

use crate::{
    fold,
    line::{self, Line},
    trouble::{Trouble, ours, refused},
    word::{json, word},
};
pub use begin::begin;
pub use finish::{finish, reopen};
use model::{
    deployment::{DeploymentRecord, Finding, Stage},
    id::DeploymentId,
    journal::{Ledger, Record},
    name::EnvironmentId,
    plan::Plan,
};
pub use row::{Row, environment};
use rusqlite::{Connection, Transaction, params};

/// Makes the plan durable, with the leases of its ports and generations.
pub fn planned(
    transaction: &Transaction<'_>,
    plan: &Plan,
    overridden: &[Finding],
    at_ms: u64,
) -> Result<u64, Trouble> {
    let id = &plan.deployment;
    let row = found(transaction, id)?;
    if row.environment != plan.environment {
        return ours(format!("journal a plan for {}: {id} has another lock", plan.environment));
    }
    if row.stage != Stage::Planning {
        return ours(format!("journal a plan: deployment {id} is past its planning"));
    }
    super::port::lease(transaction, plan)?;
    super::generation::keep(transaction, plan)?;
    let mut update = transaction.prepare_cached(
        "UPDATE deployment SET stage = 'running', kind = ?2, from_release = ?3, to_release = ?4, \
         plan = ?5, overridden = ?6 WHERE place = ?1",
    )?;
    update.execute(params![
        row.place,
        word(&plan.kind)?,
        json(plan.from.as_ref())?,
        json(plan.to.as_ref())?,
        json(Some(plan))?,
        json(Some(&overridden))?,
    ])?;
    line::add(transaction, row.place, &Line::Planned, at_ms)
}

/// Adds what was done, or asked, to a deployment that has not ended.
pub fn record(
    transaction: &Transaction<'_>,
    id: &DeploymentId,
    record: &Record,
    at_ms: u64,
) -> Result<u64, Trouble> {
    let row = found(transaction, id)?;
    match (&row.stage, record) {
        (Stage::Ended(_), Record::AbortAsked) => {
            let hint = "`cutover rollback` goes back to the release before";
            return refused(format!("abort deployment {id}: it has ended"), hint);
        }
        (Stage::Ended(_), _) => return ours(format!("add to deployment {id}: it has ended")),
        (Stage::Planning, Record::Step(..) | Record::Baked { .. }) => {
            return ours(format!("add to deployment {id}: it has no plan yet"));
        }
        (Stage::Planning, Record::AbortAsked) | (Stage::Running, _) => {}
    }
    let line = Line::Record { record: record.clone() };
    line::add(transaction, row.place, &line, at_ms)
}

/// The sum of the lines of the plan's deployment.
pub fn ledger(connection: &Connection, plan: &Plan) -> Result<Ledger, Trouble> {
    let row = found(connection, &plan.deployment)?;
    fold::ledger(plan, &line::all(connection, row.place)?)
}

/// One deployment's record.
pub fn get(
    connection: &Connection,
    id: &DeploymentId,
) -> Result<Option<DeploymentRecord>, Trouble> {
    let row = Row::by_id(connection, id)?;
    row.map(|it| it.record(connection)).transpose()
}

/// Those that are not ended, and those that need attention and were not superseded, oldest first.
pub fn unfinished(connection: &Connection) -> Result<Vec<DeploymentRecord>, Trouble> {
    let condition = "stage <> 'ended' OR (outcome = 'needs_attention' AND superseded_by IS NULL) \
                     ORDER BY place";
    records(connection, Row::all(connection, condition, params![])?)
}

/// The environment's deployments, newest first.
pub fn history(
    connection: &Connection,
    environment: &EnvironmentId,
    limit: usize,
) -> Result<Vec<DeploymentRecord>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let condition = "environment = ?1 ORDER BY place DESC LIMIT ?2";
    let values = params![environment.to_string(), limit];
    records(connection, Row::all(connection, condition, values)?)
}

/// All environments that were ever deployed to, by name.
pub fn environments(connection: &Connection) -> Result<Vec<EnvironmentId>, Trouble> {
    let mut select = connection.prepare_cached(
        "SELECT environment FROM deployment UNION SELECT environment FROM standing ORDER BY 1",
    )?;
    let rows = select.query_map([], |it| it.get::<_, String>(0))?;
    let mut all: Vec<EnvironmentId> =
        rows.map(|it| row::environment(&it?)).collect::<Result<_, _>>()?;
    all.extend(super::mark::environments(connection)?);
    all.sort();
    all.dedup();
    Ok(all)
}

/// The row of a deployment that must be there.
pub fn found(connection: &Connection, id: &DeploymentId) -> Result<Row, Trouble> {
    match Row::by_id(connection, id)? {
        Some(row) => Ok(row),
        None => {
            let hint = "`cutover history` lists the deployments";
            refused(format!("find deployment `{id}`"), hint)
        }
    }
}

fn records(connection: &Connection, rows: Vec<Row>) -> Result<Vec<DeploymentRecord>, Trouble> {
    rows.into_iter().map(|it| it.record(connection)).collect()
}
