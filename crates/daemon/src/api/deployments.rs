//! Deployments: asked for, watched, turned back.

use crate::{
    api::{
        refusal::Refusal,
        words::{Accepted, Asked},
    },
    controller::Controller,
};
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use engine::port::{
    journal::{Begun, Journal},
    releases::Releases,
};
use model::{
    deployment::{Change, DeploymentRecord, Request, Stage},
    failure::{Blame, Failure},
    id::DeploymentId,
    name::EnvironmentId,
    saved::Saved,
};
use serde::Deserialize;

/// Records in one answer, at most.
const HISTORY_MAX: usize = 1000;
const HISTORY_DEFAULT: usize = 20;

/// Which environment, and how many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    project: Option<String>,
    environment: Option<String>,
    limit: Option<usize>,
}

impl Which {
    /// The environment, if both halves are given.
    ///
    /// # Errors
    ///
    /// Where they are no names.
    pub fn environment(&self) -> Result<EnvironmentId, Failure> {
        let (Some(project), Some(environment)) = (&self.project, &self.environment) else {
            return Err(Failure::new(Blame::Request, "tell which environment is meant"));
        };
        format!("{project}/{environment}")
            .parse()
            .map_err(|it: model::name::NotAName| Failure::new(Blame::Request, it.to_string()))
    }
}

/// `POST /v1/deployments`
pub async fn create(
    State(controller): State<Controller>,
    Json(request): Json<Request>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    admit(&request)?;
    begin(&controller, request, None).await
}

/// Takes it on, or says who is before it; what was sent for it is of no use then.
pub(super) async fn begin(
    controller: &Controller,
    request: Request,
    saved: Option<Saved>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let (deployment, environment) = (request.deployment.clone(), request.environment.clone());
    if let Err(refusal) = expect_first(controller, &request).await {
        discard(controller, &environment, &deployment);
        return Err(refusal);
    }
    match controller.take_saved(request, saved).await? {
        Begun::Taken { .. } => {
            Ok((StatusCode::ACCEPTED, Json(Accepted { deployment, known: false })))
        }
        Begun::Known(_) => Ok((StatusCode::OK, Json(Accepted { deployment, known: true }))),
        Begun::Busy(holder) => {
            discard(controller, &environment, &deployment);
            Err(Refusal::busy(holder))
        }
        Begun::Kept(mark) => {
            discard(controller, &environment, &deployment);
            Err(Refusal::kept(&environment, &mark))
        }
    }
}

/// Who does not wait comes after who does; going back is let through.
pub(super) async fn expect_first(
    controller: &Controller,
    request: &Request,
) -> Result<(), Refusal> {
    let waits = controller.waiting.of(&request.environment);
    let back = matches!(request.change, Change::Rollback { .. });
    let Some(first) = waits.first().filter(|it| it.deployment != request.deployment && !back)
    else {
        return Ok(());
    };
    let known = controller.store.deployment(&request.deployment).await?.is_some();
    if known || active(controller, &request.environment).await?.is_some() {
        // The lock itself says it better.
        return Ok(());
    }
    Err(Refusal::queued(&request.environment, first))
}

/// The deployment that has the environment's lock.
pub(super) async fn active(
    controller: &Controller,
    environment: &EnvironmentId,
) -> Result<Option<DeploymentRecord>, Failure> {
    let unfinished = controller.store.unfinished().await?;
    let is_active = |it: &DeploymentRecord| {
        it.environment == *environment && !matches!(it.stage, Stage::Ended(_))
    };
    Ok(unfinished.into_iter().find(is_active))
}

/// Another attempt has another id: what was sent for this one is of no use any more.  Nobody waits
/// until it is removed.
pub(super) fn discard(
    controller: &Controller,
    environment: &EnvironmentId,
    deployment: &DeploymentId,
) {
    let releases = controller.local.releases.clone();
    let (environment, deployment) = (environment.clone(), deployment.clone());
    tokio::spawn(async move {
        if let Err(failure) = releases.discard_upload(&environment, &deployment).await {
            tracing::warn!(%deployment, "its upload stays: failed to {}", failure.message);
        }
    });
}

/// `GET /v1/deployments`
pub async fn list(
    State(controller): State<Controller>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<DeploymentRecord>>, Refusal> {
    let limit = which.limit.unwrap_or(HISTORY_DEFAULT).min(HISTORY_MAX);
    Ok(Json(controller.store.history(&which.environment()?, limit).await?))
}

/// `GET /v1/deployments/ID`
pub async fn show(
    State(controller): State<Controller>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<DeploymentRecord>, Refusal> {
    Ok(Json(find(&controller, &id, &which).await?))
}

/// `POST /v1/deployments/ID/abort`
pub async fn abort(
    State(controller): State<Controller>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
    Json(asked): Json<Asked>,
) -> Result<Json<Accepted>, Refusal> {
    let deployment = find(&controller, &id, &which).await?.id;
    controller.abort(&deployment, &asked.by).await?;
    Ok(Json(Accepted { deployment, known: true }))
}

/// `POST /v1/deployments/ID/promote`
pub async fn promote(
    State(controller): State<Controller>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
    Json(asked): Json<Asked>,
) -> Result<Json<Accepted>, Refusal> {
    let deployment = find(&controller, &id, &which).await?.id;
    controller.engine.promote(&deployment, &asked.by).await?;
    Ok(Json(Accepted { deployment, known: true }))
}

/// `POST /v1/deployments/ID/resume`
pub async fn resume(
    State(controller): State<Controller>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
    Json(asked): Json<Asked>,
) -> Result<Json<Accepted>, Refusal> {
    let record = find(&controller, &id, &which).await?;
    tracing::info!(deployment = %record.id, by = asked.by, "resume asked");
    controller.resume(&record, false).await?;
    Ok(Json(Accepted { deployment: record.id, known: true }))
}

/// The deployment of this id, or the environment's latest.
///
/// # Errors
///
/// Where there is none.
pub async fn find(
    controller: &Controller,
    id: &str,
    which: &Which,
) -> Result<DeploymentRecord, Failure> {
    if id != "latest" {
        return controller.store_deployment(&DeploymentId(id.to_owned())).await;
    }
    let environment = which.environment()?;
    let newest = controller.store.history(&environment, 1).await?.into_iter().next();
    newest.ok_or_else(|| {
        Failure::new(Blame::Request, format!("find a deployment of {environment}"))
            .hint(format!("`cutover deploy {environment}` makes the first"))
    })
}

/// What holds for every request, whoever asks: one gate for planning and doing.
pub(super) fn admit(request: &Request) -> Result<(), Failure> {
    if !request.deployment.is_well_formed() {
        let message = format!("take `{}` for a deployment's id: it is no ULID", request.deployment);
        return Err(Failure::new(Blame::Request, message));
    }
    match &request.change {
        Change::Deploy { spec, .. } if spec.id != request.environment => {
            let message = format!("deploy {} to {}", spec.id, request.environment);
            Err(Failure::new(Blame::Request, message))
        }
        _ => Ok(()),
    }
}
