//! `plan`

use super::{
    carry, later,
    prepare::{Prepared, prepare},
};
use crate::{
    cli::grammar::Wanted,
    halt::Halt,
    session::Session,
    source::list,
    ui::{plan as printed, view::View},
};
use ::daemon::api::words::PlanReport;
use model::deployment::Request;

/// Preflight would refuse it.
const EXIT_REFUSED: u8 = 2;

/// Shows what a deployment would do; keeps the plan for later where it shall be.
///
/// # Errors
///
/// Where it cannot be planned.
pub async fn run(session: &Session, wanted: &Wanted, save: bool) -> Result<u8, Halt> {
    if save {
        return later::save(session, wanted).await;
    }
    let Prepared { target, mut request, content } = prepare(session, wanted).await?;
    let controller = carry::reached(session).await?;
    let mut view = View::of_one_object(&session.ui, "the list of files");
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
        let paint = &session.ui.paint;
        session.ui.line(&printed::text(&target, &report, &request.overrides, None, paint));
    }
    Ok(exit_code(&report, &request))
}

/// Whether it could be done.
pub fn exit_code(report: &PlanReport, request: &Request) -> u8 {
    let refused = report.findings.iter().any(|it| !(it.overridable && request.overrides.force));
    if refused { EXIT_REFUSED } else { 0 }
}
