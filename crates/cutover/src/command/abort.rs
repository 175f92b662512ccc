//! `abort`

use super::{attach, carry, which::meant};
use crate::{
    cli::grammar::Which,
    halt::Halt,
    session::Session,
    ui::{figure::duration, view::View},
    watch::{self, Watched},
};
use model::journal::Outcome;

/// Turns a deployment back, and watches it do so.  0 where the old release serves again: that is
/// what was asked.
///
/// # Errors
///
/// Where it has ended, or cannot be turned back any more.
pub async fn run(session: &Session, which: &Which) -> Result<u8, Halt> {
    let meant = meant(session, which).await?;
    let controller = carry::reached(session).await?;
    let record = attach::found(&controller, meant).await?;
    controller.abort(&record.id, &session.by).await?;
    let view = View::new(&session.ui, "the controller");
    let story = match watch::watch(session, controller, &record.id, view).await? {
        Watched::Detached => return Ok(watch::say_detached(session, &record.id)),
        Watched::Ended(story) => story,
    };
    let outcome = story.ending.as_ref().map(|it| it.outcome);
    if !matches!(outcome, Some(Outcome::Aborted | Outcome::RolledBack | Outcome::Refused)) {
        return Ok(carry::conclude(session, &story, &record.environment.to_string()));
    }
    if !session.ui.is_json() {
        let serving = story.ending.as_ref().and_then(|it| it.serving.as_ref());
        let serving = serving.map_or("nothing", |it| it.version.as_str());
        let (id, took) = (&record.environment, duration(story.took_ms()));
        session.ui.line(&format!("aborted {id} after {took} · serving {serving}"));
    }
    Ok(0)
}
