//! Keeps plans and prepared releases, and deploys them.

use super::{
    deployments::{active, admit, begin, discard},
    plans,
};
use crate::{
    api::{
        refusal::Refusal,
        words::{Accepted, Keeping, Kept, SavedShown, Using},
    },
    controller::Controller,
    saved,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use engine::port::releases::Releases;
use model::{
    deployment::{Change, Request},
    failure::{Blame, Failure},
    id::DeploymentId,
    release::{Release, Source, difference::Difference},
    saved::{Keeps, SAVED_VERSION, Saved, reconfigured},
};

/// `POST /v1/saved`
pub async fn keep(
    State(controller): State<Controller>,
    Json(keeping): Json<Keeping>,
) -> Result<Json<Kept>, Refusal> {
    admit(&keeping.request)?;
    controller.wait_until_recovered().await;
    let request = controller.secrets.met(keeping.request);
    let kept = kept(&controller, &request, keeping.keeps).await;
    let is_kept = matches!(&kept, Ok(Kept { saved: Some(_), .. }));
    // What was staged does not lie there any more, and what is refused is of no use.
    if !is_kept || keeping.keeps == Keeps::Prepared {
        discard(&controller, &request.environment, &request.deployment);
    }
    kept.map(Json)
}

async fn kept(controller: &Controller, request: &Request, keeps: Keeps) -> Result<Kept, Refusal> {
    let environment = &request.environment;
    let mut turn = None;
    if keeps == Keeps::Prepared {
        // No deployment begins while something is put in its place.
        turn = Some(controller.gates.turn(environment).await);
        if let Some(holder) = active(controller, environment).await? {
            return Err(Refusal::busy(Box::new(holder)));
        }
    }
    let (report, brings) = plans::foreseen(controller, request).await?;
    let passes = |it: &model::deployment::Finding| it.overridable && request.overrides.force;
    if !report.findings.iter().all(passes) {
        return Ok(Kept { report, saved: None, gone: vec![] });
    }
    let Some(mut release) = brings else {
        return Err(Failure::new(Blame::Request, "keep what brings no release").into());
    };
    let world = controller.engine.world(environment).await?;
    if keeps == Keeps::Prepared {
        let staged = controller.engine.stage_only(request).await;
        release = staged.map_err(Refusal::preflight)?;
    }
    let now_ms = controller.local.clock.now_ms();
    let saved = Saved {
        version: SAVED_VERSION,
        id: request.deployment.clone(),
        keeps,
        request: pinned(request, &release),
        release: release.label(),
        digest: release.artifact.digest,
        world,
        created_at_ms: now_ms,
        expires_at_ms: now_ms + keeps.for_ms(),
    };
    let brief = saved.brief();
    let gone = saved::keep(controller, saved).await?;
    drop(turn);
    Ok(Kept { report, saved: Some(brief), gone })
}

/// `GET /v1/saved/ID`
pub async fn show(
    State(controller): State<Controller>,
    Path(id): Path<String>,
) -> Result<Json<SavedShown>, Refusal> {
    let saved = saved::find(&controller, &DeploymentId(id)).await?;
    let confirm = match &saved.request.change {
        Change::Deploy { spec, .. } => spec.control.confirm,
        _ => None,
    };
    let environment = saved.request.environment.clone();
    Ok(Json(SavedShown { environment, confirm, saved: saved.brief() }))
}

/// `POST /v1/saved/ID/deployments`
pub async fn deploy(
    State(controller): State<Controller>,
    Path(id): Path<String>,
    Json(using): Json<Using>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let saved = saved::find(&controller, &DeploymentId(id)).await?;
    let request = request(&saved, &using);
    admit(&request)?;
    if controller.store_deployment(&request.deployment).await.is_err() {
        expect_as_it_was(&controller, &saved, &using, &request).await?;
    }
    begin(&controller, request, Some(saved)).await
}

/// A branch may lead elsewhere later: what was looked at is the commit.
fn pinned(request: &Request, release: &Release) -> Request {
    let mut request = request.clone();
    if let Change::Deploy { version, source, .. } = &mut request.change {
        *version = Some(release.version.clone());
        if let (Source::Git { reference, .. }, Some(commit)) = (source, &release.artifact.commit) {
            reference.clone_from(commit);
        }
    }
    request
}

/// What was asked then, asked now by somebody.
fn request(saved: &Saved, using: &Using) -> Request {
    let mut request = saved.request.clone();
    request.deployment = using.deployment.clone();
    request.by.clone_from(&using.by);
    request.reason = using.reason.clone().or(request.reason);
    let (then, now) = (&mut request.overrides, &using.overrides);
    then.force |= now.force;
    then.skip_health_check |= now.skip_health_check;
    then.skip_smoke |= now.skip_smoke;
    then.skip_backup |= now.skip_backup;
    then.skip_migrate |= now.skip_migrate;
    then.break_lock |= now.break_lock;
    then.freeze = now.freeze.clone().or(then.freeze.take());
    then.window = now.window.clone().or(then.window.take());
    if let (Keeps::Prepared, Change::Deploy { source, .. }) = (saved.keeps, &mut request.change) {
        *source = Source::Kept { version: saved.release.version.clone(), built: false };
    }
    request
}

/// A plan holds for the world it was made for; what is prepared is planned anew.
async fn expect_as_it_was(
    controller: &Controller,
    saved: &Saved,
    using: &Using,
    request: &Request,
) -> Result<(), Refusal> {
    if saved.keeps == Keeps::Prepared {
        return Ok(());
    }
    let environment = &saved.request.environment;
    let mut changed = saved.world.changed(&controller.engine.world(environment).await?);
    if let Change::Deploy { spec, source, .. } = &request.change {
        if let Some(now) = &using.spec {
            changed.extend(reconfigured(&Difference::between(spec, now)));
        }
        changed.extend(other_content(controller, saved, source).await);
    }
    if changed.is_empty() {
        return Ok(());
    }
    let count = changed.len();
    let things = if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
    let message = format!("deploy by plan {}: {things} changed since it was made", saved.id);
    let again = format!("`cutover plan {environment} … --save` makes another, to be reviewed");
    let failure = Failure::new(Blame::Request, message).hint(again);
    Err(Refusal::preflight(changed.into_iter().fold(failure, Failure::evidence)))
}

/// Why its content is not what was reviewed, if it is not.
async fn other_content(controller: &Controller, saved: &Saved, source: &Source) -> Option<String> {
    let environment = &saved.request.environment;
    let releases = &controller.local.releases;
    let found = match releases.inspect(environment, source).await {
        Ok(artifact) if artifact.digest != saved.digest => Ok(artifact.digest),
        Ok(_) => releases.digest_of(environment, source).await,
        Err(failure) => Err(failure),
    };
    match found {
        Ok(digest) if digest == saved.digest => None,
        Ok(digest) => Some(format!("content: {} then, {digest} now", saved.digest)),
        Err(failure) => Some(format!("content: failed to {}", failure.message)),
    }
}
