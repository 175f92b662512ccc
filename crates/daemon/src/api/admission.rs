//! Whether somebody would be let in, told before anything is sent.

use super::deployments::{active, admit, expect_first};
use crate::{
    api::{refusal::Refusal, words::Admission},
    controller::Controller,
};
use axum::{Json, extract::State, http::StatusCode};
use engine::port::journal::Journal;
use model::{
    control,
    deployment::{Change, Request},
};

/// `POST /v1/admission`
///
/// All of it is looked at again when the deployment is asked for: this spares sending what would
/// be refused.
pub async fn ask(
    State(controller): State<Controller>,
    Json(admission): Json<Admission>,
) -> Result<StatusCode, Refusal> {
    let request = &admission.request;
    admit(request)?;
    controller.wait_until_recovered().await;
    if !admission.waits {
        expect_lock(&controller, request).await?;
    }
    let Change::Deploy { spec, .. } = &request.change else { return Ok(StatusCode::NO_CONTENT) };
    let marks = controller.store.marks(&request.environment).await?;
    let (now_ms, overrides) = (controller.local.clock.now_ms(), &request.overrides);
    let judged = control::judge(&request.environment, &marks, Some(&**spec), overrides, now_ms);
    let mut against = judged.0;
    if let Some(digest) = &admission.digest {
        against.extend(controller.engine.unproven(spec, digest).await?);
    }
    match against.into_iter().next() {
        Some(finding) => {
            let (environment, by) = (&request.environment, &request.by);
            let why = &finding.failure.message;
            tracing::info!(%environment, by, "refused before anything was sent: {why}");
            Err(Refusal::preflight(finding.failure))
        }
        None => Ok(StatusCode::NO_CONTENT),
    }
}

async fn expect_lock(controller: &Controller, request: &Request) -> Result<(), Refusal> {
    expect_first(controller, request).await?;
    let holder = active(controller, &request.environment).await?;
    if let Some(holder) = holder.filter(|it| it.id != request.deployment) {
        return Err(Refusal::busy(Box::new(holder)));
    }
    let marks = controller.store.marks(&request.environment).await?;
    match marks.lock.filter(|_| !request.overrides.break_lock) {
        Some(mark) => Err(Refusal::kept(&request.environment, &mark)),
        None => Ok(()),
    }
}
