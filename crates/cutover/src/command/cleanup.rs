//! `cleanup`

mod logs;
mod place;
mod releases;
mod uploads;

use super::confirm;
use crate::{
    cli::grammar::cleanup::Cleanup,
    halt::Halt,
    session::Session,
    ui::cleanup::{self as printed, Report},
};
use place::Place;

/// Something could not be removed, or was left for a reason that somebody should know.
const EXIT_LEFT: u8 = 5;
/// What is typed before that goes which a rollback would go to.
const WORD: &str = "drop";

/// Frees all space that nothing needs.  Needs no free byte and no controller.
///
/// # Errors
///
/// Where it was not confirmed, or the state directory belongs to somebody else.
pub async fn run(session: &Session, args: &Cleanup) -> Result<u8, Halt> {
    let root = &session.root;
    if !root.exists() {
        session.ui.done(&format!("nothing to clean up: there is no {}", root.display()));
        return Ok(0);
    }
    if args.drop_previous && !args.dry_run && !args.yes {
        if !session.ui.can_ask() {
            return Err(confirm::refused(WORD));
        }
        confirm::typed(WORD, "What a rollback would go to is removed.")?;
    }
    let place = Place::of(session).await?;
    let mut report = Report::new(root, args.dry_run);
    let environments = daemon::abandoned::environments(root);
    // Logs first: what they free is what the rest may need to be removed.
    logs::clean(session, &environments, &mut report);
    for environment in &environments {
        uploads::clean(session, &place, environment, &mut report);
        releases::clean(session, &place, environment, args.drop_previous, &mut report).await?;
    }
    report.end(root);
    if session.ui.is_json() {
        session.ui.object(&report);
    } else {
        session.ui.line(&printed::text(&report, &session.ui.paint));
    }
    Ok(if report.left.is_empty() { 0 } else { EXIT_LEFT })
}
