//! Whether what serves is healthy, asked at this moment: every instance, and the public route.
//!
//! It is asked by whoever wants to know: no controller is needed, and nothing is started.

use super::{Sources, sources};
use crate::{
    api::words::{CheckResult, HealthMetrics, HealthReport, HealthState},
    behind::Pages,
};
use drivers::{
    Local,
    probe::{
        public::time_of,
        usage::{Usage, machine_memory_bytes, processors},
    },
};
use engine::port::{releases::Releases, router::InForce, runtime::Life};
use model::{
    failure::{Blame, Failure},
    id::{InstanceId, ReleaseId},
    instance::Instance,
    name::EnvironmentId,
    plan::{PublicRequest, ReadyCheck},
    planner::public_requests,
    release::Release,
    roster::Roster,
    service::{HealthSpec, Millis, Readiness},
};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// An instance that serves is ready; it is given this long to say so.
const READY_TIMEOUT: Millis = Millis::seconds(3);
/// What the instances take is looked at for at least this long.
const WINDOW: Duration = Duration::from_millis(500);
/// Deployments that are looked through for instances without routes.
const HISTORY_MAX: usize = 100;

/// Asks.
///
/// # Errors
///
/// Where the journal, the route files or a release's record cannot be read.
pub async fn health(root: &Path, id: &EnvironmentId) -> Result<HealthReport, Failure> {
    let local = drivers::onlooker(root.to_path_buf());
    let sources = sources(&local, root, Pages::Few).await?;
    let in_force = local.router.in_force(id).await?;
    let instances = instances(&sources, id, &in_force)?;
    let mut releases: BTreeMap<ReleaseId, Release> = BTreeMap::new();
    for instance in &instances {
        if !releases.contains_key(&instance.release) {
            let release = local.releases.read(id, &instance.release).await?;
            releases.insert(instance.release.clone(), release);
        }
    }
    let before = usages(&local, &instances).await;
    let begun = Instant::now();
    let mut checks = vec![];
    // Files are no process: the public route says whether they are there.
    let serves_files =
        |it: &&Instance| in_force.routes.as_ref().is_some_and(|of| of.serves_files_of(&it.id));
    for instance in instances.iter().filter(|it| !serves_files(it)) {
        let Some(release) = releases.get(&instance.release) else { continue };
        let seen = one(&local, instance, release).await;
        checks.push(result(instance.id.0.clone(), seen));
    }
    let mut response_ms = None;
    if let Some(release) = in_force
        .routes
        .iter()
        .flat_map(|it| it.instances())
        .find_map(|it| releases.get(&it.release))
    {
        let requests = public_requests(&release.spec);
        let seen = public(&local, id, release, &requests).await;
        checks.push(result("public route".to_owned(), seen));
        response_ms = mean_ms(&sources, &requests).await;
    }
    if instances.is_empty() {
        let failure = Failure::new(Blame::Request, format!("ask {id}: nothing of it serves"))
            .hint(format!("`cutover deploy {id}` or `cutover start {id}`"));
        checks.push(result("serves".to_owned(), Err(failure)));
    }
    tokio::time::sleep(WINDOW.saturating_sub(begun.elapsed())).await;
    let after = usages(&local, &instances).await;
    let metrics = HealthMetrics {
        response_time: response_ms,
        memory_usage: memory_percent(&instances, &releases, &after),
        cpu_usage: cpu_percent(&before, &after, begun.elapsed()),
    };
    Ok(report(id, checks, metrics))
}

fn report(id: &EnvironmentId, checks: Vec<CheckResult>, metrics: HealthMetrics) -> HealthReport {
    let well = checks.iter().all(|it| it.failure.is_none());
    let word = |it: &CheckResult| if it.failure.is_none() { "pass" } else { "fail" };
    HealthReport {
        environment: id.clone(),
        status: if well { HealthState::Healthy } else { HealthState::Unhealthy },
        checks: checks.iter().map(|it| (it.name.clone(), word(it).to_owned())).collect(),
        metrics,
        timestamp: jiff::Timestamp::now().to_string(),
        failures: checks.into_iter().filter(|it| it.failure.is_some()).collect(),
    }
}

fn result(name: String, seen: Result<(), Failure>) -> CheckResult {
    CheckResult { name, failure: seen.err() }
}

/// Those that routes in force lead to, and those that work without routes.
fn instances(
    sources: &Sources<'_>,
    id: &EnvironmentId,
    in_force: &InForce,
) -> Result<Vec<Instance>, Failure> {
    let mut all: Vec<Instance> = vec![];
    let roster = match &sources.journal {
        Some(journal) => Roster::new(&journal.history(id, HISTORY_MAX)?),
        None => Roster::default(),
    };
    let workers = roster.workers.iter().filter_map(|it| roster.instance(it));
    for instance in in_force.routes.iter().flat_map(|it| it.instances()).chain(workers) {
        if !all.iter().any(|it| it.id == instance.id) {
            all.push(instance.clone());
        }
    }
    Ok(all)
}

/// One asking: how patiently a deployment would ask is no matter now.
async fn one(local: &Local, instance: &Instance, release: &Release) -> Result<(), Failure> {
    let named = |it: &&model::service::ServiceSpec| it.name == instance.service;
    let service = release.spec.services.iter().find(named).ok_or_else(|| {
        let message = format!("ask {}: its release has no such service", instance.id);
        Failure::new(Blame::Us, message)
    })?;
    let once = |it: HealthSpec| HealthSpec { successes: 1, tries: 1, ..it };
    let check = ReadyCheck {
        readiness: match &service.readiness {
            // What it wrote when it became ready is far up in its log by now.
            Readiness::Log(_) => Readiness::Running,
            other => other.clone(),
        },
        start_timeout: READY_TIMEOUT,
        health: service.health.clone().map(once),
    };
    local.prober.ready(instance, release, &check, &|_| {}).await
}

async fn public(
    local: &Local,
    id: &EnvironmentId,
    release: &Release,
    requests: &[PublicRequest],
) -> Result<(), Failure> {
    local.prober.verify(id, &release.spec.listen, requests, &release.id).await?;
    match &release.spec.front {
        Some(front) => local.prober.verify_in_front(id, front, requests, &release.id).await,
        None => Ok(()),
    }
}

/// Of the public route, which was found to answer or not already.
async fn mean_ms(sources: &Sources<'_>, requests: &[PublicRequest]) -> Option<f64> {
    let proxy = sources.proxy.as_ref()?;
    let address = proxy.addresses.first()?;
    let mut times = vec![];
    for request in requests {
        times.extend(time_of(address, &proxy.nonce, request).await);
    }
    let sum: Duration = times.iter().sum();
    let count = u32::try_from(times.len()).ok().filter(|it| *it > 0)?;
    Some(rounded(sum.as_secs_f64() * 1000.0 / f64::from(count)))
}

async fn usages(local: &Local, instances: &[Instance]) -> BTreeMap<InstanceId, Usage> {
    let mut usages = BTreeMap::new();
    for instance in instances {
        if let Ok(Life::Running(running)) = local.runtime.observe(&instance.id).await
            && let Some(usage) = Usage::of(running.pid)
        {
            usages.insert(instance.id.clone(), usage);
        }
    }
    usages
}

/// Of the instance that is nearest to its limit; of the machine's memory where it has none.
fn memory_percent(
    instances: &[Instance],
    releases: &BTreeMap<ReleaseId, Release>,
    usages: &BTreeMap<InstanceId, Usage>,
) -> Option<f64> {
    let one = |instance: &Instance| {
        let services = &releases.get(&instance.release)?.spec.services;
        let service = services.iter().find(|it| it.name == instance.service)?;
        let whole = service.limits.memory_bytes.or_else(machine_memory_bytes)?;
        let usage = usages.get(&instance.id)?;
        Some(rounded(100.0 * usage.memory_bytes as f64 / whole as f64))
    };
    instances.iter().filter_map(one).max_by(f64::total_cmp)
}

/// Of all of them, of the processors that may be used.
fn cpu_percent(
    before: &BTreeMap<InstanceId, Usage>,
    after: &BTreeMap<InstanceId, Usage>,
    took: Duration,
) -> Option<f64> {
    let used = |(id, now): (&InstanceId, &Usage)| {
        before.get(id).map(|it| now.cpu_ms.saturating_sub(it.cpu_ms))
    };
    let used_ms: u64 = after.iter().filter_map(used).sum();
    let whole_ms = took.as_secs_f64() * 1000.0 * processors() as f64;
    (!after.is_empty()).then(|| rounded(100.0 * used_ms as f64 / whole_ms))
}

/// To hundredths.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
