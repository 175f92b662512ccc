//! An environment's releases: what they are, how they stand, and why they are kept.

use crate::keeping::{self, Keeping};
use drivers::{Local, layout::Layout};
use model::{
    failure::Failure,
    id::{DeploymentId, ReleaseId},
    name::EnvironmentId,
    planner::Kept,
    release::{Release, Standing},
    retention::{self, Reason},
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use store::ReadOnly;

/// One release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseReport {
    /// Its environment.
    pub environment: EnvironmentId,
    /// Its version; releases that share content share it.
    pub version: String,
    /// Its id.
    pub id: ReleaseId,
    /// Of its content.
    pub digest: String,
    /// The commit it was made from, if it is known.
    pub commit: Option<String>,
    /// What it was read from.
    pub described: String,
    /// Sum of its files.
    pub bytes: u64,
    /// Number of its files and links.
    pub files: u64,
    /// On the disk.
    pub disk_bytes: u64,
    /// Unix time in ms when it was staged.
    pub created_at_ms: u64,
    /// Who deployed it first, if the journal knows.
    pub by: Option<String>,
    /// How it stands.
    pub standing: Standing,
    /// The route file and the proxy say that it is served.
    pub serving: bool,
    /// Why its version is kept, the weightiest reason first; none: it is removed next.
    pub kept: Vec<Reason>,
    /// So many are kept besides those that are needed.
    pub keep: usize,
    /// When its warm instances may be ended: Unix time in ms.
    pub warm_until_ms: Option<u64>,
}

/// One environment's releases, and what is told of each.
pub struct Releases {
    /// The one whose standing changed last first.
    pub kept: Vec<Kept>,
    /// By the same order.
    pub reports: Vec<ReleaseReport>,
    /// The version that `current` points at.
    pub current: Option<String>,
    /// The version that `previous` points at.
    pub previous: Option<String>,
}

/// What is known of an environment's releases.  Only reads, with or without a controller.
///
/// # Errors
///
/// Where the journal or the state directory cannot be read.
pub async fn releases(root: &Path, id: &EnvironmentId) -> Result<Releases, Failure> {
    let (local, layout) = (drivers::onlooker(root.to_path_buf()), Layout::new(root));
    let journal = super::open_journal(root)?;
    let keeping = keeping::look(&local, &layout, journal.as_ref(), id).await?;
    let surplus = retention::prunable(&keeping.releases, keeping.keep, &keeping.reasons.needed());
    let mut reports = vec![];
    for kept in &keeping.releases {
        reports.push(one(&local, journal.as_ref(), &keeping, kept, &surplus)?);
    }
    let Keeping { releases, current, previous, .. } = keeping;
    Ok(Releases { kept: releases, reports, current, previous })
}

fn one(
    local: &Local,
    journal: Option<&ReadOnly>,
    keeping: &Keeping,
    kept: &Kept,
    surplus: &[String],
) -> Result<ReleaseReport, Failure> {
    let Release { id, version, artifact, spec, created_at_ms, .. } = &kept.release;
    // A release has the id of the deployment that made it.
    let deployment = DeploymentId(id.0.clone());
    let made = journal.map(|it| it.deployment(&deployment)).transpose()?.flatten();
    let mut reasons = keeping.reasons.of(version);
    if reasons.is_empty() && !surplus.contains(version) {
        reasons.push(Reason::Recent);
    }
    Ok(ReleaseReport {
        environment: spec.id.clone(),
        version: version.clone(),
        id: id.clone(),
        digest: artifact.digest.clone(),
        commit: artifact.commit.clone(),
        described: artifact.described.clone(),
        bytes: artifact.bytes,
        files: artifact.files,
        disk_bytes: local.releases.disk_bytes(&spec.id, version),
        created_at_ms: *created_at_ms,
        by: made.map(|it| it.by),
        standing: kept.standing,
        serving: keeping.serving.contains(id),
        kept: reasons,
        keep: keeping.keep,
        warm_until_ms: keeping.warm_until_ms.get(version).copied(),
    })
}
