//! `attach`

use super::{
    carry,
    which::{Meant, meant},
};
use crate::{
    cli::grammar::Which, controller::Controller, halt::Halt, session::Session, ui::view::View,
};
use model::deployment::DeploymentRecord;

/// Watches a deployment from its beginning on.
///
/// # Errors
///
/// Where there is none.
pub async fn run(session: &Session, which: &Which) -> Result<u8, Halt> {
    let meant = meant(session, which).await?;
    let controller = carry::reached(session).await?;
    let record = found(&controller, meant).await?;
    watched(session, controller, &record).await
}

/// The deployment that is meant.
///
/// # Errors
///
/// Where there is none.
pub async fn found(controller: &Controller, meant: Meant) -> Result<DeploymentRecord, Halt> {
    Ok(match meant {
        Meant::Id(id) => controller.deployment(&id).await?,
        Meant::Latest(environment) => controller.latest(&environment).await?,
    })
}

/// Watches it, and says how it ended.
///
/// # Errors
///
/// Where the controller went away for good.
pub async fn watched(
    session: &Session,
    controller: Controller,
    record: &DeploymentRecord,
) -> Result<u8, Halt> {
    let view = View::new(&session.ui, "the controller");
    let typed = record.environment.to_string();
    carry::watched(session, controller, &record.id, &typed, view).await
}
