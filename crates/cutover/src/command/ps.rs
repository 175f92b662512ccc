//! `ps`

use crate::{
    cli::grammar::Target,
    controller::Controller,
    halt::Halt,
    session::Session,
    target,
    ui::{figure, ps as printed},
};
use std::time::Duration;

/// So long it is measured what instances take of the processors.
const MEASURED: Duration = Duration::from_millis(200);

/// Lists instances.  Starts nothing.
///
/// # Errors
///
/// Where the state cannot be read, or the words name no environment.
pub async fn run(session: &Session, args: &Target) -> Result<u8, Halt> {
    let mut report = Controller::new(&session.root).status().await?;
    if !args.words.is_empty() {
        let target = target::known(session).await?.find(&args.words)?;
        report.environments.retain(|it| it.id == target.id);
    }
    let now_ms = figure::now_ms();
    if session.ui.is_json() {
        let cpu = super::top::measured(&report, MEASURED).await;
        session.ui.object(&printed::objects(&report.environments, &cpu, now_ms));
    } else {
        session.ui.line(&printed::table(&report.environments, now_ms));
    }
    Ok(0)
}
