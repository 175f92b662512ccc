//! `rollback`

use super::{carry, prepare::request};
use crate::{
    cli::grammar::Rollback, controller::Controller, halt::Halt, session::Session, target,
    ui::history,
};
use daemon::api::words::EnvironmentReport;
use model::deployment::Change;

/// Goes back to an earlier release, or lists what could be gone back to.
///
/// # Errors
///
/// Where it was not begun.
pub async fn run(session: &Session, args: Rollback) -> Result<u8, Halt> {
    let target = target::known(session).await?.find(&args.words)?;
    if args.list {
        let status = Controller::new(&session.root).status().await?;
        let environment = status.environments.into_iter().find(|it| it.id == target.id);
        let options = environment.map(|it| it.rollback_options).unwrap_or_default();
        if session.ui.is_json() {
            let object = |it: &(String, bool)| serde_json::json!({ "version": it.0, "warm": it.1 });
            session.ui.object(&options.iter().map(object).collect::<Vec<_>>());
        } else {
            session.ui.line(&history::options(&options, &target));
        }
        return Ok(0);
    }
    let controller = carry::reached(session).await?;
    if let Some(text) = announced(session, &controller, &target.id, args.to.as_deref()).await {
        session.ui.note(&text);
    }
    let change = Change::Rollback { to: args.to, with_data: args.with_db };
    let mut request = request(session, &target, change, args.reason);
    request.overrides.break_lock = args.turn.break_lock;
    request.overrides.accept_schema = args.accept_schema;
    carry::out(session, controller, &target, &request, None, &args.turn, false).await
}

/// What it will do, before it does: `shop/production: back from 2.0.0 to 1.0.0, which is warm`.
async fn announced(
    session: &Session,
    controller: &Controller,
    id: &model::name::EnvironmentId,
    to: Option<&str>,
) -> Option<String> {
    if session.ui.is_json() {
        return None;
    }
    let status = controller.status().await.ok()?;
    let environment: EnvironmentReport = status.environments.into_iter().find(|it| it.id == *id)?;
    let from = environment.serving.first()?;
    let (version, warm) = match to {
        Some(to) => environment.rollback_options.iter().find(|it| it.0 == to)?,
        None => environment.rollback_options.first()?,
    };
    let kept = if *warm { ", which is warm" } else { "" };
    if *version == from.version {
        return Some(format!("{id}: {version}, back to its earlier configuration{kept}"));
    }
    Some(format!("{id}: from {} to {version}{kept}", from.version))
}
