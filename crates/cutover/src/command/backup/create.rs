//! `backup create`

use super::{Place, blocking, now_ms, place};
use crate::{halt::Halt, session::Session, ui::backup as printed};
use drivers::backups::Wanted;
use model::backup::metadata::Metadata;

/// Makes one, and removes those beyond what is kept.
///
/// # Errors
///
/// Where any part of it cannot be read or written: then nothing is left of it.
pub async fn run(
    session: &Session,
    words: &[String],
    note: Option<String>,
    pin: bool,
) -> Result<u8, Halt> {
    let place = place(session, words).await?.expect_backup()?;
    let made = make(session, &place, note, pin, false).await?;
    thin_out(session, &place)?;
    if session.ui.is_json() {
        session.ui.object(&made);
    } else {
        session.ui.line(&printed::made(&made, &session.ui.paint));
    }
    Ok(0)
}

/// Makes one by hand; `as_it_is`: what is gone is left out.
pub(super) async fn make(
    session: &Session,
    place: &Place,
    note: Option<String>,
    pinned: bool,
    as_it_is: bool,
) -> Result<Metadata, Halt> {
    let name = place.backups.free_name(&place.environment, now_ms())?;
    let (backups, by, serving) = (place.backups.clone(), place.by.clone(), place.serving());
    let what = format!("{name} to be written and read back");
    blocking(session, &what, move |tell| {
        let wanted = Wanted {
            name: &name,
            by: &by,
            serving: Some(serving),
            deployment: None,
            before: None,
            note,
            pinned,
            as_it_is,
        };
        backups.make(&wanted, tell)
    })
    .await
}

fn thin_out(session: &Session, place: &Place) -> Result<(), Halt> {
    let Some(spec) = &place.by.spec.backup else { return Ok(()) };
    for gone in place.backups.thin_out(&place.environment, spec, now_ms(), false)? {
        session.ui.note(&format!("{} was beyond what is kept, and is removed", gone.name));
    }
    Ok(())
}
