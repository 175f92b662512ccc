//! What keeps an environment's releases: who depends on which version.

use drivers::{Local, layout::Layout};
use engine::port::{releases::Releases, runtime::Life};
use model::{
    deployment::DeploymentRecord,
    failure::Failure,
    id::{InstanceId, ReleaseId},
    name::EnvironmentId,
    planner::Kept,
    retention::{Reason, Reasons},
    roster::Roster,
};
use std::{collections::BTreeMap, fs, path::Path};
use store::ReadOnly;

/// Deployments that are looked at for instances that still run.
const HISTORY_MAX: usize = 200;
/// Releases kept besides those that are needed, where no release says how many.
const KEEP_DEFAULT: usize = 5;

/// Who depends on which version.
#[derive(Debug, Default)]
pub struct Keeping {
    /// The one whose standing changed last first.
    pub releases: Vec<Kept>,
    /// By version.
    pub reasons: Reasons,
    /// What the route file and the proxy say is served.
    pub serving: Vec<ReleaseId>,
    /// The version that `current` points at.
    pub current: Option<String>,
    /// The version that `previous` points at.
    pub previous: Option<String>,
    /// When the warm instances of a version may be ended: Unix time in ms.
    pub warm_until_ms: BTreeMap<String, u64>,
    /// So many are kept besides those that are needed.
    pub keep: usize,
    /// Has not ended, or needs attention.
    pub unfinished: Option<DeploymentRecord>,
    /// Run, and nothing says of which release.
    pub unknown: Vec<InstanceId>,
}

/// Looks, and changes nothing.
///
/// # Errors
///
/// Where the journal, the route files or the state directory cannot be read.
pub async fn look(
    local: &Local,
    layout: &Layout,
    journal: Option<&ReadOnly>,
    id: &EnvironmentId,
) -> Result<Keeping, Failure> {
    let standings = journal.map(|it| it.standings(id)).transpose()?.unwrap_or_default();
    let (current, previous) = local.releases.links(id).await?;
    let in_force = local.router.in_force(id).await?;
    let mut keeping = Keeping {
        releases: Kept::in_order(local.releases.list(id).await?, standings),
        current,
        previous,
        ..Keeping::default()
    };
    for instance in in_force.routes.iter().flat_map(|it| it.instances()) {
        keeping.reasons.add(&instance.version, Reason::Current);
        if !keeping.serving.contains(&instance.release) {
            keeping.serving.push(instance.release.clone());
        }
    }
    if let Some(version) = &keeping.current {
        keeping.reasons.add(version, Reason::Current);
    }
    if let Some(version) = &keeping.previous {
        keeping.reasons.add(version, Reason::Previous);
    }
    for version in local.releases.prepared(id).await? {
        keeping.reasons.add(&version, Reason::Prepared);
    }
    let history = journal.map(|it| it.history(id, HISTORY_MAX)).transpose()?.unwrap_or_default();
    let roster = Roster::new(&history);
    if let Some(journal) = journal {
        by_journal(&mut keeping, journal, id)?;
    }
    for (instance, life) in local.runtime.list().await? {
        let ours = instance.0.strip_prefix(&id.stem()).is_some_and(|it| it.starts_with('.'));
        if ours && matches!(life, Life::Running(_) | Life::Exited(_)) {
            by_process(&mut keeping, layout, &roster, instance);
        }
    }
    keeping.keep = keep(&keeping);
    Ok(keeping)
}

fn by_journal(
    keeping: &mut Keeping,
    journal: &ReadOnly,
    id: &EnvironmentId,
) -> Result<(), Failure> {
    for (instance, until_ms) in journal.retired()? {
        if instance.environment == *id {
            keeping.reasons.add(&instance.version, Reason::Warm);
            let until = keeping.warm_until_ms.entry(instance.version).or_default();
            *until = (*until).max(until_ms);
        }
    }
    for record in journal.unfinished()?.into_iter().filter(|it| it.environment == *id) {
        for label in record.from.iter().chain(&record.to) {
            keeping.reasons.add(&label.version, Reason::Active);
        }
        keeping.unfinished.get_or_insert(record);
    }
    Ok(())
}

fn by_process(keeping: &mut Keeping, layout: &Layout, roster: &Roster, instance: InstanceId) {
    let told = version_of(&layout.instance_spec(&instance));
    let planned = || roster.instance(&instance).map(|it| it.version.clone());
    match told.or_else(planned) {
        Some(version) => keeping.reasons.add(&version, Reason::Running),
        None => keeping.unknown.push(instance),
    }
}

/// The version in whose directory an instance was started.
fn version_of(spec: &Path) -> Option<String> {
    let spec: serde_json::Value = serde_json::from_slice(&fs::read(spec).ok()?).ok()?;
    let directory = Path::new(spec["directory"].as_str()?);
    let is_release = directory.parent()?.file_name()? == "releases";
    is_release.then(|| directory.file_name()?.to_str().map(str::to_owned))?
}

/// As the release says that serves, or did.
fn keep(keeping: &Keeping) -> usize {
    let serves = |it: &&Kept| keeping.serving.contains(&it.release.id);
    let linked = |it: &&Kept| keeping.current.as_ref() == Some(&it.release.version);
    let releases = || keeping.releases.iter();
    let found = releases().find(serves).or_else(|| releases().find(linked));
    let said = found.or_else(|| releases().next()).map(|it| it.release.spec.keep_releases);
    said.map_or(KEEP_DEFAULT, |it| it as usize)
}
