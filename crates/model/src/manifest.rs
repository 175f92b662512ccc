//! `manifest.json`: what serves, and the last deployments, for people and their scripts.

use crate::{
    backup::BackupName,
    deployment::{DeploymentRecord, Stage},
    journal::{Outcome, Status},
    name::{EnvironmentId, Name},
    plan::Step,
    release::Release,
    roster::is_committed,
};
use serde_json::{Value, json};

/// The manifest's version.
pub const MANIFEST_FORMAT: u32 = 1;
/// Deployments in the manifest.
pub const MANIFEST_HISTORY_MAX: usize = 10;

/// The manifest, from the deployments, newest first, and the releases that are kept.
pub fn manifest(
    environment: &EnvironmentId,
    history: &[DeploymentRecord],
    releases: &[Release],
) -> Value {
    let current = history.iter().find(|it| is_committed(it) && it.to.is_some());
    let stopped = history.iter().find(|it| is_committed(it)).is_some_and(|it| it.to.is_none());
    let entries = history.iter().take(MANIFEST_HISTORY_MAX).map(|it| entry(it, releases));
    json!({
        "format": MANIFEST_FORMAT,
        "project": environment.project,
        "environment": environment.environment,
        "current_deployment": current.filter(|_| !stopped).map(|it| entry(it, releases)),
        "deployment_history": entries.collect::<Vec<Value>>(),
    })
}

fn entry(record: &DeploymentRecord, releases: &[Release]) -> Value {
    let label = record.to.as_ref();
    let release = label.and_then(|label| releases.iter().find(|it| it.id == label.id));
    json!({
        "version": label.map(|it| &it.version),
        "deployed_at": time(record.ended_at_ms.unwrap_or(record.started_at_ms)),
        "deployed_by": record.by,
        "git_sha": release.and_then(|it| it.artifact.commit.as_ref()),
        "backup": backup(record),
        "images": {},
        "deployment": record.id,
        "release": label.map(|it| &it.id),
        "digest": release.map(|it| &it.artifact.digest),
        "services": release.map(|it| services(it, releases)),
        "kind": record.kind,
        "outcome": outcome(record),
        "reason": record.reason,
        "overrides": record.overrides,
        "overridden": record.overridden.iter().map(|it| &it.failure.message).collect::<Vec<_>>(),
        "failure": record.failure.as_ref().map(|it| &it.message),
    })
}

/// The backup that it made, once its step is done.
fn backup(record: &DeploymentRecord) -> Option<&BackupName> {
    let plan = record.plan.as_ref()?;
    let at = plan.steps.iter().position(|it| matches!(it, Step::Backup { .. }))?;
    let done = record.steps.get(at).is_some_and(|it| it.status == Status::Done);
    plan.backup().filter(|_| done).map(|it| &it.name)
}

/// What each service runs: this release, or one that it was left to.
fn services(release: &Release, releases: &[Release]) -> Value {
    let one = |name: &Name| {
        let owner = release.owner_of(name);
        let known = releases.iter().chain([release]).find(|it| it.id == *owner);
        json!({ "version": known.map(|it| &it.version), "release": owner })
    };
    let all = release.spec.services.iter().map(|it| (it.name.to_string(), one(&it.name)));
    Value::Object(all.collect())
}

/// The manifest is written just before the end of a deployment that went well.
fn outcome(record: &DeploymentRecord) -> Option<Outcome> {
    match record.stage {
        Stage::Ended(outcome) => Some(outcome),
        _ if is_committed(record) => Some(Outcome::Deployed),
        _ => None,
    }
}

fn time(unix_ms: u64) -> Option<String> {
    let stamp = jiff::Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
    Some(stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
