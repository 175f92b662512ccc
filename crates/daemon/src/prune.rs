//! Removes releases that nothing needs.

use crate::keeping::{self, Keeping};
use drivers::{Local, layout::Layout};
use engine::port::releases::Releases;
use model::{
    deployment::DeploymentRecord,
    failure::{Blame, Failure},
    name::EnvironmentId,
    retention::{self, Reason},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::ReadOnly;

/// What is to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Where.
    pub environment: EnvironmentId,
    /// So many are kept besides those that are needed; none: as the release says that serves.
    pub keep: Option<usize>,
    /// What a rollback goes to is not needed for that alone.
    pub drop_previous: bool,
    /// Nothing is removed.
    pub dry_run: bool,
    /// Who asks.
    pub by: String,
}

/// What was removed, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Where.
    pub environment: EnvironmentId,
    /// So many were kept besides those that are needed.
    pub keep: usize,
    /// Nothing was removed.
    pub dry_run: bool,
    /// In this order.
    pub removed: Vec<Removed>,
    /// All others.
    pub kept: Vec<Kept>,
    /// On the disk.
    pub bytes_freed: u64,
}

/// A version that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// It.
    pub version: String,
    /// On the disk.
    pub bytes: u64,
}

/// A version that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// It.
    pub version: String,
    /// On the disk.
    pub bytes: u64,
    /// The weightiest first.
    pub reasons: Vec<Reason>,
}

/// Why nothing was removed.
pub enum Refused {
    /// A deployment goes on, or needs attention.
    Busy(Box<DeploymentRecord>),
    /// Something cannot be read or removed.
    Failed(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused::Failed(failure)
    }
}

/// Removes what nothing needs.  The caller sees to it that no deployment begins meanwhile.
///
/// # Errors
///
/// Where a deployment goes on, or something cannot be read or removed.
pub async fn prune(
    local: &Local,
    layout: &Layout,
    journal: &ReadOnly,
    asked: &Asked,
) -> Result<Report, Refused> {
    let id = &asked.environment;
    let mut keeping = keeping::look(local, layout, Some(journal), id).await?;
    if let Some(record) = keeping.unfinished.take() {
        return Err(Refused::Busy(Box::new(record)));
    }
    if let Some(instance) = keeping.unknown.first() {
        let message = format!("tell which release {instance} runs: nothing was removed");
        let failure = Failure::new(Blame::Platform, message);
        return Err(failure.hint("`cutover ps` shows it; end it, then try again").into());
    }
    if asked.drop_previous {
        keeping.reasons.drop_reason(Reason::Previous);
    }
    let keep = asked.keep.unwrap_or(keeping.keep);
    let versions = retention::prunable(&keeping.releases, keep, &keeping.reasons.needed());
    let mut report = Report {
        environment: id.clone(),
        keep,
        dry_run: asked.dry_run,
        removed: vec![],
        kept: kept(local, &keeping, id, &versions),
        bytes_freed: 0,
    };
    let drops = |it: &&String| versions.contains(it);
    if !asked.dry_run && keeping.previous.as_ref().filter(drops).is_some() {
        local.releases.link(id, None, None).await?;
    }
    for version in versions {
        let bytes = local.releases.disk_bytes(id, &version);
        if !asked.dry_run {
            local.releases.remove(id, &version).await?;
            tracing::info!(environment = %id, version, bytes, by = asked.by, "release removed");
        }
        report.bytes_freed += bytes;
        report.removed.push(Removed { version, bytes });
    }
    Ok(report)
}

fn kept(local: &Local, keeping: &Keeping, id: &EnvironmentId, removed: &[String]) -> Vec<Kept> {
    let mut seen = BTreeSet::new();
    let versions = keeping.releases.iter().map(|it| &it.release.version);
    let others = versions.filter(|it| !removed.contains(it) && seen.insert((*it).clone()));
    let with_reasons = |version: &String| {
        let mut reasons = keeping.reasons.of(version);
        if reasons.is_empty() {
            reasons.push(Reason::Recent);
        }
        let bytes = local.releases.disk_bytes(id, version);
        Kept { version: version.clone(), bytes, reasons }
    };
    others.map(with_reasons).collect()
}
