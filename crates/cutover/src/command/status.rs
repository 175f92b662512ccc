//! `status`

use crate::{
    cli::{EXIT_UNREACHABLE, grammar::Status},
    controller::Controller,
    halt::Halt,
    session::Session,
    target::{self, Known},
    ui::{figure, status as printed},
};
use daemon::api::words::StatusReport;

/// Shows what is.  Starts nothing.
///
/// # Errors
///
/// Where the state cannot be read, or the words name no environment.
pub async fn run(session: &Session, args: &Status) -> Result<u8, Halt> {
    let mut report = Controller::new(&session.root).status().await?;
    let code = exit_code(&report);
    if !args.words.is_empty() {
        let present: Vec<_> = report.environments.iter().map(|it| it.id.clone()).collect();
        // What was never deployed may still be declared.
        let found = Known::present(&present).and_then(|it| it.find(&args.words));
        let target = match found {
            Ok(target) => target,
            Err(_) => target::known(session).await?.find(&args.words)?,
        };
        report.environments.retain(|it| it.id == target.id);
    }
    if session.ui.is_json() {
        session.ui.object(&report);
        return Ok(code);
    }
    let more = printed::More { history: args.history, rollback_options: args.rollback_options };
    let ui = &session.ui;
    ui.line(&printed::text(&report, more, figure::now_ms(), &ui.clock, &ui.paint));
    Ok(code)
}

/// That the controller is away is no fault; that nothing serves what should be served is.
fn exit_code(report: &StatusReport) -> u8 {
    let should_serve = report.environments.iter().any(|it| !it.serving.is_empty());
    let gone = report.controller.is_none() && report.proxy.is_none();
    if gone && should_serve { EXIT_UNREACHABLE } else { 0 }
}
