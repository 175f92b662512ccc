//! `backup delete`, `backup prune`

use super::{now_ms, one, place};
use crate::{command::confirm, halt::Halt, session::Session, ui::backup as printed};

/// What is typed before one is deleted.
const WORD: &str = "delete";

/// Deletes one.
///
/// # Errors
///
/// Where it was not confirmed, or cannot be removed.
pub async fn delete(session: &Session, words: &[String], yes: bool) -> Result<u8, Halt> {
    let (place, found) = one(session, words).await?;
    if !yes {
        if !session.ui.can_ask() {
            return Err(confirm::refused(WORD));
        }
        confirm::typed(WORD, &format!("{} of {} is removed.", found.name, place.environment))?;
    }
    place.backups.delete(&place.environment, &found.name)?;
    session.ui.done(&format!("{} of {} is removed", found.name, place.environment));
    Ok(0)
}

/// Removes those beyond what is kept.
///
/// # Errors
///
/// Where one cannot be removed.
pub async fn prune(session: &Session, words: &[String], dry_run: bool) -> Result<u8, Halt> {
    let place = place(session, words).await?.expect_backup()?;
    let Some(spec) = &place.by.spec.backup else { return Ok(0) };
    let gone = place.backups.thin_out(&place.environment, spec, now_ms(), dry_run)?;
    if session.ui.is_json() {
        session.ui.object(&gone.iter().map(|it| &it.name).collect::<Vec<_>>());
    } else {
        session.ui.line(&printed::gone(&gone, dry_run));
    }
    Ok(0)
}
