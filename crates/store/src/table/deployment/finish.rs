//! Ends a deployment, and takes one that needs attention up again.

use super::{found, row::Row};
use crate::{
    line::{self, Line},
    table::retired,
    trouble::{Trouble, ours, refused},
    word::{json, word},
};
use model::{
    deployment::{Stage, Traffic},
    failure::Failure,
    id::DeploymentId,
    journal::{Outcome, Record},
    name::EnvironmentId,
    plan::ReleaseLabel,
};
use rusqlite::{Connection, Transaction, params};

/// Ends the deployment, and with it its lock.
pub fn finish(
    transaction: &Transaction<'_>,
    id: &DeploymentId,
    outcome: Outcome,
    failure: Option<&Failure>,
    traffic: Option<Traffic>,
    at_ms: u64,
) -> Result<u64, Trouble> {
    let row = found(transaction, id)?;
    if let Stage::Ended(before) = row.stage {
        return ours(format!("end deployment {id}: it has ended before ({before:?})"));
    }
    let mut update = transaction.prepare_cached(
        "UPDATE deployment SET stage = 'ended', outcome = ?2, failure = ?3, traffic = ?4, \
         ended_at_ms = ?5 WHERE place = ?1",
    )?;
    let (failure_text, traffic_text) = (json(failure)?, json(traffic.as_ref())?);
    update.execute(params![row.place, word(&outcome)?, failure_text, traffic_text, at_ms])?;
    let line = Line::Ended {
        outcome,
        failure: failure.cloned(),
        traffic,
        serving: serving(transaction, &row, outcome)?,
        warm: retired::of(transaction, &row.environment)?,
    };
    line::add(transaction, row.place, &line, at_ms)
}

/// Takes a deployment that needs attention back to running; `abort` records the asking as well.
pub fn reopen(
    transaction: &Transaction<'_>,
    id: &DeploymentId,
    abort: bool,
    at_ms: u64,
) -> Result<(), Trouble> {
    let row = found(transaction, id)?;
    if row.stage != Stage::Ended(Outcome::NeedsAttention) {
        let hint = "`cutover history` says how each deployment ended";
        return refused(format!("take deployment {id} up: it does not need attention"), hint);
    }
    if let Some(by) = &row.superseded_by {
        let hint = format!("`cutover show {by}` shows what came of that one");
        return refused(format!("take deployment {id} up: {by} took over from it"), hint);
    }
    let active = "environment = ?1 AND stage <> 'ended'";
    if let Some(active) = Row::all(transaction, active, [row.environment.to_string()])?.pop() {
        let (busy, hint) = (&active.id, format!("`cutover attach {}` shows it", active.id));
        return refused(format!("take deployment {id} up: {busy} is under way"), hint);
    }
    let mut update = transaction.prepare_cached(
        "UPDATE deployment SET stage = ?2, outcome = NULL, failure = NULL, traffic = NULL, \
         ended_at_ms = NULL WHERE place = ?1",
    )?;
    let stage = if row.has_plan() { "running" } else { "planning" };
    update.execute(params![row.place, stage])?;
    line::add(transaction, row.place, &Line::Reopened, at_ms)?;
    if abort {
        let line = Line::Record { record: Record::AbortAsked };
        line::add(transaction, row.place, &line, at_ms)?;
    }
    Ok(())
}

/// What serves after such an outcome; none where nothing does, or nobody can say from here.
fn serving(
    connection: &Connection,
    row: &Row,
    outcome: Outcome,
) -> Result<Option<ReleaseLabel>, Trouble> {
    match outcome {
        Outcome::Deployed | Outcome::DeployedUntidy => Ok(row.to.clone()),
        Outcome::NeedsAttention => Ok(None),
        Outcome::Refused | Outcome::Aborted | Outcome::RolledBack if row.has_plan() => {
            Ok(row.from.clone())
        }
        Outcome::Refused | Outcome::Aborted | Outcome::RolledBack => {
            last_served(connection, &row.environment)
        }
    }
}

/// What the last deployment that changed anything left serving.
fn last_served(
    connection: &Connection,
    environment: &EnvironmentId,
) -> Result<Option<ReleaseLabel>, Trouble> {
    let condition = "environment = ?1 AND outcome IN \
                     ('deployed', 'deployed_untidy', 'needs_attention') \
                     ORDER BY place DESC LIMIT 1";
    let last = Row::all(connection, condition, [environment.to_string()])?.pop();
    let told = |it: &Row| it.stage != Stage::Ended(Outcome::NeedsAttention);
    Ok(last.filter(told).and_then(|it| it.to))
}
