//! Takes an environment's lock.

use super::row::Row;
use crate::{
    line::{self, Line},
    table::mark,
    trouble::Trouble,
    word::{json, word},
};
use engine::port::journal::Begun;
use model::{
    control::Said,
    deployment::{Change, Request},
    plan::Kind,
};
use rusqlite::{Transaction, params};

/// Ended deployments that are remembered of each environment.
const HISTORY_MAX: i64 = 1000;

/// Takes the lock for the request, unless the request is known or another has the lock.
pub fn begin(
    transaction: &Transaction<'_>,
    request: &Request,
    at_ms: u64,
) -> Result<Begun, Trouble> {
    if let Some(known) = Row::by_id(transaction, &request.deployment)? {
        return Ok(Begun::Known(Box::new(known.record(transaction)?)));
    }
    let environment = request.environment.to_string();
    let active = "environment = ?1 AND stage <> 'ended'";
    if let Some(active) = Row::all(transaction, active, [&environment])?.pop() {
        return Ok(Begun::Busy(Box::new(active.record(transaction)?)));
    }
    if !request.overrides.break_lock
        && let Some(kept) = mark::current(transaction, &request.environment, Said::Lock)?
    {
        return Ok(Begun::Kept(Box::new(kept)));
    }
    let kind = kind(transaction, request)?;
    // It observes the world as it is, and so takes over what the other left open.
    let mut supersede = transaction.prepare_cached(
        "UPDATE deployment SET superseded_by = ?2 WHERE environment = ?1 \
         AND outcome = 'needs_attention' AND superseded_by IS NULL",
    )?;
    supersede.execute(params![environment, request.deployment.0])?;
    forget_oldest(transaction, &environment)?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO deployment \
         (id, environment, kind, stage, asked_by, reason, overrides, started_at_ms) \
         VALUES (?1, ?2, ?3, 'planning', ?4, ?5, ?6, ?7) RETURNING place",
    )?;
    let values = params![
        request.deployment.0,
        environment,
        word(&kind)?,
        request.by,
        request.reason,
        json(Some(&request.overrides))?,
        at_ms,
    ];
    let place: i64 = insert.query_row(values, |it| it.get(0))?;
    Ok(Begun::Taken { sequence: line::add(transaction, place, &Line::Accepted, at_ms)? })
}

/// As far as it is known before the plan says it.
fn kind(transaction: &Transaction<'_>, request: &Request) -> Result<Kind, Trouble> {
    Ok(match request.change {
        Change::Deploy { .. } => {
            let mut select = transaction.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM standing \
                 WHERE environment = ?1 AND standing = 'accepted')",
            )?;
            let before = select.query_row([request.environment.to_string()], |it| it.get(0))?;
            if before { Kind::Update } else { Kind::Initial }
        }
        Change::Rollback { .. } => Kind::Rollback,
        Change::Restart => Kind::Restart,
        Change::Scale { .. } => Kind::Scale,
        Change::Stop => Kind::Stop,
        Change::Start => Kind::Start,
    })
}

fn forget_oldest(transaction: &Transaction<'_>, environment: &str) -> Result<(), Trouble> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM deployment WHERE environment = ?1 AND stage = 'ended' AND place <= \
         (SELECT place FROM deployment WHERE environment = ?1 \
         ORDER BY place DESC LIMIT 1 OFFSET ?2)",
    )?;
    delete.execute(params![environment, HISTORY_MAX - 1])?;
    Ok(())
}
