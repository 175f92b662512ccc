//! `plan`

use super::{
    carry,
    prepare::{Prepared, prepare},
};
use crate::{
    cli::grammar::Wanted,
    halt::Halt,
    session::Session,
    source::list,
    ui::{plan as printed, view::View},
};

/// Preflight would refuse it.
const EXIT_REFUSED: u8 = 2;

/// Shows what a deployment would do.
///
/// # Errors
///
/// Where it cannot be planned.
pub async fn run(session: &Session, wanted: &Wanted) -> Result<u8, Halt> {
    let Prepared { target, mut request, content } = prepare(session, wanted).await?;
    let controller = carry::reached(session).await?;
    let mut view = View::new(&session.ui, "the list of files");
    let listing = list::stand_in(&controller, &mut request, &content, &session.root);
    if !carry::ticking(&mut view, |_| (), listing).await? {
        carry::upload(session, &controller, &request, &content, &mut view).await?;
    }
    view.doing("the plan");
    let planned = carry::ticking(&mut view, |_| (), controller.plan(&request)).await;
    drop(view);
    let report = planned?;
    if session.ui.is_json() {
        session.ui.object(&report);
    } else {
        session.ui.line(&printed::text(&target, &report, &request.overrides, &session.ui.paint));
    }
    let refused = report.findings.iter().any(|it| !(it.overridable && request.overrides.force));
    Ok(if refused { EXIT_REFUSED } else { 0 })
}
