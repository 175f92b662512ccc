//! Releases that nothing needs any more.

use crate::{
    api::refusal::Refusal,
    controller::Controller,
    prune::{self, Asked, Refused, Report},
};
use axum::{Json, extract::State};
use drivers::layout::Layout;
use model::failure::{Blame, Failure};

/// `POST /v1/releases/prune`
pub async fn prune(
    State(controller): State<Controller>,
    Json(asked): Json<Asked>,
) -> Result<Json<Report>, Refusal> {
    controller.wait_until_recovered().await;
    // No deployment of the environment begins for as long as this is held.
    let _turn = controller.gates.turn(&asked.environment).await;
    let unreadable = |it| Failure::new(Blame::Platform, format!("read the journal: {it}"));
    let journal = store::read_only(&controller.root).map_err(unreadable)?;
    let layout = Layout::new(&controller.root);
    match prune::prune(&controller.local, &layout, &journal, &asked).await {
        Ok(report) => Ok(Json(report)),
        Err(Refused::Busy(holder)) => Err(Refusal::busy(holder)),
        Err(Refused::Failed(failure)) => Err(failure.into()),
    }
}
