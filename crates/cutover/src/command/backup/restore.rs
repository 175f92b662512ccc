//! `backup restore`

use super::{Place, blocking, create::make, one};
use crate::{
    cli::grammar::backup::{Only, Restore},
    command::confirm,
    halt::Halt,
    session::Session,
    ui::backup as printed,
};
use model::{
    backup::{BackupName, Part, metadata::Metadata},
    failure::Failure,
};
use std::path::PathBuf;

/// What is typed before anything is overwritten.
const WORD: &str = "restore";

/// Puts a backup in the place of what is there.
///
/// # Errors
///
/// Where it is not what it was, a deployment goes on, it was not confirmed, or what is there cannot
/// be backed up: nothing is touched then.  And where it cannot be put in place.
pub async fn run(session: &Session, args: &Restore) -> Result<u8, Halt> {
    let (place, found) = one(session, &args.words).await?;
    expect_idle(session, &place)?;
    let parts = parts(&args.only);
    expect_whole(session, &place, &found, args.identity.clone()).await?;
    if !args.yes {
        if !session.ui.can_ask() {
            return Err(confirm::refused(WORD));
        }
        let what = printed::overwrites(&found, &parts, &place.environment);
        confirm::typed(WORD, &what)?;
    }
    let before = if args.skip_backup {
        session.ui.note("warning: what is overwritten is not backed up (--skip-backup)");
        None
    } else {
        let note = format!("before {} was restored", found.name);
        let made = make(session, &place, Some(note), false, true).await?;
        session.ui.note(&format!("what is there now is in {}", made.name));
        Some(made.name)
    };
    let put = put_back(session, &place, &found.name, &parts, args.identity.clone()).await;
    let restored = match (put, before) {
        (Ok(restored), _) => restored,
        (Err(halt), Some(before)) => {
            return Err(undone(session, &place, &before, &parts, halt).await);
        }
        (Err(halt), None) => return Err(halt),
    };
    if session.ui.is_json() {
        session.ui.object(&serde_json::json!({ "name": found.name, "restored": restored }));
    } else {
        session.ui.line(&printed::restored(&found.name, &restored, &session.ui.paint));
    }
    Ok(0)
}

/// Without words, everything.
fn parts(only: &[Only]) -> Vec<Part> {
    if only.is_empty() {
        return vec![Part::Databases, Part::Files, Part::Config];
    }
    let part = |it: &Only| match it {
        Only::Db => Part::Databases,
        Only::Volumes => Part::Files,
        Only::Config => Part::Config,
    };
    only.iter().map(part).collect()
}

/// A deployment may be at the same data.
fn expect_idle(session: &Session, place: &Place) -> Result<(), Halt> {
    let journal = store::read_only(&session.root).map_err(|it| Halt::usage(it.to_string()))?;
    let busy = journal.unfinished()?.into_iter().find(|it| it.environment == place.environment);
    match busy {
        None => Ok(()),
        Some(busy) => Err(Halt::usage(format!(
            "restore data of {}: deployment {} goes on",
            place.environment, busy.id
        ))
        .hint(format!("wait until it has ended: `cutover attach {}`", busy.id))),
    }
}

async fn expect_whole(
    session: &Session,
    place: &Place,
    found: &Metadata,
    identity: Option<PathBuf>,
) -> Result<(), Halt> {
    let (spec, backups, name) = (place.by.spec.clone(), place.backups.clone(), found.name.clone());
    let work = move |_: &dyn Fn(String)| backups.verify(&name, &spec, identity.as_deref());
    let verified = blocking(session, &format!("{} to be read", found.name), work).await?;
    if !verified.whole {
        session.ui.note(&printed::verified(&verified, &session.ui.paint));
        return Err(Halt::usage(format!("restore {}: it is not what it was", found.name))
            .hint("nothing was touched; restore another: `cutover backup list`"));
    }
    if !verified.opened {
        let recipients = found.encrypted_to.join(", ");
        let message = format!("restore {}: it is encrypted to {recipients}", found.name);
        return Err(
            Halt::usage(message).hint("name the file of an identity with `--identity FILE`")
        );
    }
    Ok(())
}

async fn put_back(
    session: &Session,
    place: &Place,
    name: &BackupName,
    parts: &[Part],
    identity: Option<PathBuf>,
) -> Result<Vec<String>, Halt> {
    let (by, backups) = (place.by.clone(), place.backups.clone());
    let (name, parts) = (name.clone(), parts.to_vec());
    let what = format!("{name} to be put in place");
    let work = move |tell: &dyn Fn(String)| -> Result<Vec<String>, Failure> {
        backups.put_back(&name, &by, &parts, identity.as_deref(), tell)
    };
    blocking(session, &what, work).await
}

/// What was there is put back, if it can be.
async fn undone(
    session: &Session,
    place: &Place,
    before: &BackupName,
    parts: &[Part],
    halt: Halt,
) -> Halt {
    match put_back(session, place, before, parts, None).await {
        Ok(_) => halt.hint(format!("what was there was put back, from {before}")),
        Err(_) => halt.hint(format!(
            "what was there is in {before}: `cutover backup restore {} {before}`",
            place.environment
        )),
    }
}
