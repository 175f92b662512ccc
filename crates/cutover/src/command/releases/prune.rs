//! `releases prune`

use crate::{command::carry, halt::Halt, session::Session, target, ui::releases::prune as printed};
use daemon::prune::Asked;

/// Removes releases that nothing needs, by the controller and under the environment's lock.
///
/// # Errors
///
/// Where a deployment goes on, or something cannot be removed.
pub async fn run(
    session: &Session,
    words: &[String],
    keep: Option<usize>,
    dry_run: bool,
) -> Result<u8, Halt> {
    let target = target::known(session).await?.find(words)?;
    let by = session.by.clone();
    let asked = Asked { environment: target.id, keep, drop_previous: false, dry_run, by };
    let controller = carry::reached(session).await?;
    let what = "releases to be removed";
    let report = session.ui.waiting(what, controller.prune(&asked)).await?;
    if session.ui.is_json() {
        session.ui.object(&report);
    } else {
        session.ui.line(&printed::text(&report));
    }
    Ok(0)
}
