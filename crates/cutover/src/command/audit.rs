//! `audit`

use crate::{cli::grammar::Audit, halt::Halt, session::Session, target, ui::audit as printed};
use drivers::{
    audit::{self, Entry},
    file,
};
use serde_json::json;

/// Lists who asked for what, or asks whether that list is as it was written.  Starts nothing.
///
/// # Errors
///
/// Where it cannot be read, or there is no such environment.
pub async fn run(session: &Session, args: &Audit) -> Result<u8, Halt> {
    let of = match args.words.is_empty() {
        true => None,
        false => Some(target::known(session).await?.find(&args.words)?.id),
    };
    let audit = audit::read(&session.root).map_err(|it| {
        Halt::unreachable(file::failure("read the audit under", &session.root, &it))
    })?;
    let held = args.holds.as_ref().map(|it| audit.holds(it));
    if args.verify {
        if session.ui.is_json() {
            session.ui.object(&json!({
                "entries": audit.entries.len(),
                "first": audit.entries.first().map(|it| it.0),
                "last": audit.entries.last().map(|it| it.0),
                "last_seal": audit.last_seal(),
                "holds": held,
                "broken": audit.broken,
            }));
        } else {
            session.ui.line(&printed::verdict(&audit, args.holds.as_deref(), &session.ui.paint));
        }
        let sound = audit.broken.is_empty() && held != Some(false);
        return Ok(if sound { 0 } else { 5 });
    }
    let is_meant = |it: &Entry| of.is_none() || it.environment == of;
    let meant: Vec<_> = audit.entries.iter().filter(|it| is_meant(&it.1)).collect();
    let last = &meant[meant.len().saturating_sub(args.limit)..];
    if session.ui.is_json() {
        let object =
            |it: &&(u64, Entry, String)| json!({ "number": it.0, "entry": it.1, "seal": it.2 });
        session.ui.object(&last.iter().map(object).collect::<Vec<_>>());
    } else {
        session.ui.line(&printed::text(last, &session.ui.clock, &session.ui.paint));
    }
    if !audit.broken.is_empty() {
        session.ui.note("warning: this list was changed: `cutover audit --verify` says where");
    }
    Ok(0)
}
