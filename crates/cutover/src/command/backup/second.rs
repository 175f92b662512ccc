//! `backup list --second-place`, `backup fetch`

use super::{LATEST, blocking, named, place};
use crate::{halt::Halt, session::Session, ui::backup as printed};
use model::backup::BackupName;

/// Lists what lies there.
///
/// # Errors
///
/// Where there is no such place, or it cannot be asked.
pub async fn list(session: &Session, words: &[String]) -> Result<u8, Halt> {
    let place = place(session, words).await?;
    let (backups, spec) = (place.backups, place.by.spec);
    let work = move |_: &dyn Fn(String)| backups.elsewhere(&spec);
    let names = blocking(session, "the second place to answer", work).await?;
    if session.ui.is_json() {
        session.ui.object(&names);
    } else {
        session.ui.line(&printed::names(&names));
    }
    Ok(0)
}

/// Brings one back.
///
/// # Errors
///
/// Where it is here, or is not there, or is not what it was.
pub async fn fetch(session: &Session, words: &[String]) -> Result<u8, Halt> {
    let (place, name) = named(session, words).await?;
    let wanted = name.filter(|it| *it != LATEST).map(str::parse::<BackupName>).transpose();
    let wanted = wanted.map_err(|error| Halt::usage(format!("find a backup: {error}")))?;
    let (backups, spec) = (place.backups, place.by.spec);
    let work = move |_: &dyn Fn(String)| {
        let newest = || Ok(backups.elsewhere(&spec)?.into_iter().next());
        let Some(name) = wanted.map_or_else(newest, |it| Ok(Some(it)))? else { return Ok(None) };
        backups.fetch(&spec, &name).map(Some)
    };
    let Some(found) = blocking(session, "the backup to come", work).await? else {
        let message = format!("find a backup of {}: there is none", place.environment);
        return Err(Halt::usage(format!("{message} in the second place")));
    };
    if session.ui.is_json() {
        session.ui.object(&found);
    } else {
        session.ui.line(&printed::fetched(&found, &session.ui.paint));
    }
    Ok(0)
}
