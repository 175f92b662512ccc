//! What is, right now.

use crate::{
    api::{
        refusal::Refusal,
        words::{Info, StatusReport},
    },
    controller::Controller,
    report,
};
use axum::{Json, extract::State, http::StatusCode};

/// `GET /v1/info`
pub async fn info(State(controller): State<Controller>) -> Json<Info> {
    Json(of(&controller))
}

/// `GET /v1/status`
pub async fn status(State(controller): State<Controller>) -> Result<Json<StatusReport>, Refusal> {
    Ok(Json(report::online(&controller).await?))
}

/// `POST /v1/stop`
pub async fn stop(State(controller): State<Controller>) -> StatusCode {
    controller.ending.send_replace(true);
    StatusCode::ACCEPTED
}

/// Who answers.
pub fn of(controller: &Controller) -> Info {
    Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        epoch: controller.store.epoch().0,
        started_at_ms: controller.started_at_ms,
        recovering: controller.recovering(),
    }
}
