//! What a request would do, against what runs now.

use super::deployments::admit;
use crate::{
    api::{
        refusal::Refusal,
        words::{Changes, Disk, FileChanges, Files, PlanReport},
    },
    controller::Controller,
};
use axum::{Json, extract::State};
use drivers::releases::compare::FileDifference;
use engine::{
    deploy::Foreseen,
    port::{journal::Journal, releases::Releases},
};
use model::{
    deployment::{Change, Request},
    describe,
    failure::{Blame, Failure},
    release::{Release, difference::Difference},
};

/// Names of each kind that are told of files that differ.
const FILES_NAMED_MAX: usize = 20;

/// `POST /v1/plan`
pub async fn plan(
    State(controller): State<Controller>,
    Json(request): Json<Request>,
) -> Result<Json<PlanReport>, Refusal> {
    admit(&request)?;
    let request = controller.secrets.met(request);
    let foreseen = foreseen(&controller, &request).await;
    // What was sent was looked at, unless somebody goes on to deploy it.
    if controller.store.deployment(&request.deployment).await?.is_none() {
        let releases = &controller.local.releases;
        releases.discard_upload(&request.environment, &request.deployment).await?;
    }
    Ok(Json(foreseen?.0))
}

/// All that a person or a program is told of what the request would do; and what it brings.
pub(super) async fn foreseen(
    controller: &Controller,
    request: &Request,
) -> Result<(PlanReport, Option<Release>), Failure> {
    let foreseen = controller.engine.plan_only(request).await?;
    let changes = changes(controller, &foreseen).await?;
    let scaled = scaled(controller, request, &foreseen).await?;
    let redactor = controller.secrets.redactor();
    let findings = foreseen.findings.into_iter().map(|it| redactor.finding(it)).collect();
    let disk = foreseen.disk.map(|it| Disk {
        needed_bytes: it.needed_bytes,
        asked_bytes: it.asked_bytes,
        free_bytes: it.free_bytes,
    });
    let brings = foreseen.brings.map(|it| it.0);
    let report = PlanReport {
        findings,
        sentences: foreseen.plan.steps.iter().map(describe::sentence).collect(),
        downtime: describe::downtime(&foreseen.plan),
        plan: Some(foreseen.plan),
        scaled,
        changes,
        outlook: Some(foreseen.outlook),
        disk,
    };
    Ok((report, brings))
}

async fn scaled(
    controller: &Controller,
    request: &Request,
    foreseen: &Foreseen,
) -> Result<Vec<String>, Failure> {
    let plan = &foreseen.plan;
    match (&request.change, &plan.to) {
        (Change::Deploy { spec, .. }, _) => Ok(describe::scaled(plan, spec)),
        (_, Some(to)) => {
            let release = controller.local.releases.read(&request.environment, &to.id).await?;
            Ok(describe::scaled(plan, &release.spec))
        }
        (_, None) => Ok(vec![]),
    }
}

/// What would differ from the release that serves; from nothing, where none does.
async fn changes(controller: &Controller, foreseen: &Foreseen) -> Result<Option<Changes>, Failure> {
    let Some((to, source)) = &foreseen.brings else { return Ok(None) };
    let from = foreseen.current.as_ref();
    let releases = controller.local.releases.clone();
    let (old, new, source) = (from.cloned(), to.clone(), source.clone());
    let comparing =
        tokio::task::spawn_blocking(move || releases.compare_coming(old.as_ref(), &new, &source));
    let files = comparing
        .await
        .map_err(|it| Failure::new(Blame::Us, format!("compare the files: {it}")))??;
    Ok(Some(Changes {
        same_content: from.map(|it| it.artifact.digest == to.artifact.digest),
        configuration: configuration(from, to),
        files: Some(told(files)),
    }))
}

fn configuration(from: Option<&Release>, to: &Release) -> Difference {
    match from {
        Some(from) => Difference::between(&from.spec, &to.spec),
        None => Difference::first(&to.spec),
    }
}

fn told(difference: FileDifference) -> FileChanges {
    let files = |mut names: Vec<String>, bytes| {
        let count = names.len();
        names.truncate(FILES_NAMED_MAX);
        Files { count, bytes, names }
    };
    FileChanges {
        added: files(difference.added, difference.added_bytes),
        changed: files(difference.changed, difference.changed_bytes),
        removed: files(difference.removed, difference.removed_bytes),
    }
}
