//! `health`

use crate::{
    cli::grammar::Health,
    controller::Controller,
    halt::Halt,
    session::Session,
    target::{self, Known},
    ui::health as printed,
};
use daemon::api::words::HealthState;

/// Not everything passed.
const EXIT_UNHEALTHY: u8 = 1;

/// Asks every instance that serves, and the public route.  Starts nothing.
///
/// # Errors
///
/// Where the state cannot be read, or the words name no environment.
pub async fn run(session: &Session, args: &Health) -> Result<u8, Halt> {
    let status = Controller::new(&session.root).status().await?;
    let present: Vec<_> = status.environments.into_iter().map(|it| it.id).collect();
    let target = match Known::present(&present).and_then(|it| it.find(&args.words)) {
        Ok(target) => target,
        // What was never deployed may still be declared.
        Err(_) => target::known(session).await?.find(&args.words)?,
    };
    let ui = &session.ui;
    let asked = daemon::report::health(&session.root, &target.id);
    let what = format!("asking {}", target.id);
    let report = ui.waiting(&what, asked).await.map_err(Halt::unreachable)?;
    if ui.is_json() || args.as_json {
        ui.object(&report);
    } else {
        ui.line(&printed::text(&report, &ui.paint));
    }
    Ok(if report.status == HealthState::Healthy { 0 } else { EXIT_UNHEALTHY })
}
