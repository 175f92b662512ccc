//! `backup list`, `show`, `verify`, `drill`

use super::{blocking, now_ms, one, place};
use crate::{cli::grammar::backup::Opened, halt::Halt, session::Session, ui::backup as printed};
use model::backup::{BackupSpec, retention::Keeping};

/// Some part is not what it was.
const EXIT_DIFFERS: u8 = 1;

/// Lists them.  Starts nothing.
///
/// # Errors
///
/// Where they cannot be read.
pub async fn list(session: &Session, words: &[String]) -> Result<u8, Halt> {
    let place = place(session, words).await?;
    let spec: Option<&BackupSpec> = place.by.spec.backup.as_ref();
    let all = match spec {
        Some(spec) => place.backups.standing(&place.environment, spec, now_ms())?,
        None => {
            let all = place.backups.list(&place.environment)?;
            all.into_iter().map(|it| (it, Keeping::Recent)).collect()
        }
    };
    if session.ui.is_json() {
        session.ui.object(&all.iter().map(|it| &it.0).collect::<Vec<_>>());
    } else {
        session.ui.line(&printed::list(&all));
        if let Some(others) = printed::others(&place.backups.others(&place.environment)?) {
            session.ui.line(&others);
        }
    }
    Ok(0)
}

/// Shows what is in one.
///
/// # Errors
///
/// Where there is none, or what is told of it was altered.
pub async fn show(session: &Session, words: &[String]) -> Result<u8, Halt> {
    let (place, found) = one(session, words).await?;
    if session.ui.is_json() {
        session.ui.object(&found);
    } else {
        let directory = place.backups.directory(&place.environment, &found.name);
        session.ui.line(&printed::show(&found, &directory));
    }
    Ok(0)
}

/// Reads one whole.
///
/// # Errors
///
/// Where there is none, or the identity cannot be read.
pub async fn verify(session: &Session, args: &Opened) -> Result<u8, Halt> {
    let (place, found) = one(session, &args.words).await?;
    let (spec, backups, identity) = (place.by.spec, place.backups, args.identity.clone());
    let (name, what) = (found.name.clone(), format!("{} to be read", found.name));
    let work = move |_: &dyn Fn(String)| backups.verify(&name, &spec, identity.as_deref());
    let verified = blocking(session, &what, work).await?;
    if session.ui.is_json() {
        session.ui.object(&verified);
    } else {
        session.ui.line(&printed::verified(&verified, &session.ui.paint));
    }
    Ok(if verified.whole { 0 } else { EXIT_DIFFERS })
}

/// Restores one into a scratch place.
///
/// # Errors
///
/// Where any of it cannot be restored.
pub async fn drill(session: &Session, args: &Opened) -> Result<u8, Halt> {
    let (place, found) = one(session, &args.words).await?;
    let (by, backups, identity) = (place.by, place.backups, args.identity.clone());
    let (name, what) = (found.name.clone(), format!("{} to be restored elsewhere", found.name));
    let work = move |_: &dyn Fn(String)| backups.drill(&name, &by, identity.as_deref());
    let drilled = blocking(session, &what, work).await?;
    if session.ui.is_json() {
        session.ui.object(&drilled);
    } else {
        session.ui.line(&printed::drilled(&found.name, &drilled, &session.ui.paint));
    }
    Ok(0)
}
