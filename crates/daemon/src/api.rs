//! The daemon's API on its Unix socket.

pub mod admission;
pub mod audit;
pub mod deployments;
pub mod directories;
pub mod events;
pub mod logs;
pub mod one_offs;
pub mod plans;
pub mod refusal;
pub mod releases;
pub mod saved;
pub mod status;
pub mod turns;
pub mod uploads;
pub mod words;

use crate::controller::Controller;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn_with_state, map_response_with_state},
    routing::{get, post, put},
};
use drivers::releases::listing::LIST_BYTES_MAX;

/// Bytes of a request's JSON, at most; an upload's limits are the unpacker's.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Every path there is; any other is 404.
pub fn router(controller: Controller) -> Router {
    Router::new()
        .route("/v1/info", get(status::info))
        .route("/v1/status", get(status::status))
        .route("/v1/stop", post(status::stop))
        .route("/v1/plan", post(plans::plan))
        .route("/v1/deployments", get(deployments::list).post(deployments::create))
        .route("/v1/admission", post(admission::ask))
        .route("/v1/saved", post(saved::keep))
        .route("/v1/saved/{id}", get(saved::show))
        .route("/v1/saved/{id}/deployments", post(saved::deploy))
        .route("/v1/turns", post(turns::ask))
        .route("/v1/turns/leave", post(turns::leave))
        .route("/v1/marks", post(turns::mark))
        .route("/v1/deployments/{id}", get(deployments::show))
        .route("/v1/deployments/{id}/events", get(events::watch))
        .route("/v1/deployments/{id}/abort", post(deployments::abort))
        .route("/v1/deployments/{id}/promote", post(deployments::promote))
        .route("/v1/deployments/{id}/resume", post(deployments::resume))
        .route("/v1/releases/prune", post(releases::prune))
        .route("/v1/logs/{project}/{environment}", get(logs::read))
        .route("/v1/one-offs", get(one_offs::list).post(one_offs::create))
        .route("/v1/one-offs/{id}/output", get(one_offs::output))
        .route("/v1/one-offs/{id}/signal", post(one_offs::signal))
        .route("/v1/one-offs/{id}/stop", post(one_offs::stop))
        .route("/v1/directories/{project}/{environment}/{deployment}", put(directories::receive))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .route(
            "/v1/uploads/{project}/{environment}/{deployment}",
            put(uploads::receive).layer(DefaultBodyLimit::disable()),
        )
        .route(
            "/v1/lists/{project}/{environment}/{deployment}",
            put(uploads::receive_list).layer(DefaultBodyLimit::max(LIST_BYTES_MAX)),
        )
        .layer(from_fn_with_state(controller.clone(), audit::keep))
        .layer(map_response_with_state(controller.secrets.clone(), refusal::tell))
        .with_state(controller)
}
