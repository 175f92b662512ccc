//! One environment's part of the report.

use super::{Sources, jobs::jobs, memory::resident_bytes};
use crate::api::words::{EnvironmentReport, EnvironmentState, InstanceReport, STATIC, TrialReport};
use drivers::router::EmbeddedRouter;
use engine::port::{releases::Releases, router::InForce, runtime::Life};
use model::{
    deployment::{DeploymentRecord, Stage},
    describe::scaled_service,
    failure::{Blame, Failure},
    id::{InstanceId, ReleaseId},
    instance::Instance,
    journal::Outcome,
    name::EnvironmentId,
    plan::{Kind, ReleaseLabel, Step},
    release::Standing,
    roster::{Roster, is_committed},
};
use std::{collections::BTreeMap, path::PathBuf};

/// Ended deployments in a report.
const LAST_MAX: usize = 5;
/// Deployments that are looked through for what brought the present release.
const HISTORY_MAX: usize = 100;

/// What is known of one environment.
///
/// # Errors
///
/// Where the journal, the route files or the run directory cannot be read.
pub async fn report(
    sources: &Sources<'_>,
    id: &EnvironmentId,
) -> Result<EnvironmentReport, Failure> {
    let in_force = in_force(sources, id).await?;
    let (current, previous) = sources.local.releases.links(id).await?;
    let history = match &sources.journal {
        Some(journal) => journal.history(id, HISTORY_MAX)?,
        None => vec![],
    };
    let active = history.iter().find(|it| !matches!(it.stage, Stage::Ended(_))).cloned();
    let needs_it = |it: &&DeploymentRecord| {
        it.environment == *id && it.stage == Stage::Ended(Outcome::NeedsAttention)
    };
    let attention = sources.common.unfinished.iter().find(needs_it).cloned();
    let committed = history.iter().find(|it| is_committed(it)).and_then(|it| it.to.clone());
    let mut serving = labels(&in_force, committed.as_ref());
    if let Some(committed) = committed
        && leaves(sources, id, &committed, &serving).await
    {
        serving.insert(0, committed);
    }
    let roster = Roster::new(&history);
    let instances = instances(sources, id, &in_force, &roster, active.as_ref());
    let instances = by_others(sources, instances).await?;
    let state = state(&in_force, &instances, active.is_some(), attention.is_some());
    let mut report = EnvironmentReport {
        id: id.clone(),
        since_ms: since_ms(&serving, &history),
        state,
        generation: in_force.routes.as_ref().map_or(0, |it| it.generation.0),
        probation: in_force.probation.map(|it| it.0),
        trial: trial(sources, id, active.as_ref()),
        held: in_force.routes.as_ref().is_some_and(|it| it.hold.is_some()),
        hosts: in_force.routes.iter().flat_map(|it| it.hosts.clone()).collect(),
        paths: paths(&in_force),
        instances,
        jobs: jobs(sources, id, &roster).await?,
        link_problems: link_problems(sources, id, &serving, current.as_deref(), active.is_some()),
        scaled: vec![],
        current,
        previous,
        requests: 0,
        failed: 0,
        marks: sources.journal.as_ref().map(|it| it.marks(id)).transpose()?.unwrap_or_default(),
        saved: crate::saved::briefs(&sources.local.releases, id),
        queue: vec![],
        active,
        attention,
        last: history
            .into_iter()
            .filter(|it| matches!(it.stage, Stage::Ended(_)))
            .take(LAST_MAX)
            .collect(),
        rollback_options: vec![],
        next_command: None,
        serving,
    };
    count_requests(sources, &mut report);
    report.rollback_options = rollback_options(sources, &report)?;
    report.next_command = next_command(&report);
    report.scaled = scaled(sources, &report).await;
    Ok(report)
}

/// Where the release's record cannot be read nothing is said of it.
async fn scaled(sources: &Sources<'_>, report: &EnvironmentReport) -> Vec<String> {
    let [label] = report.serving.as_slice() else { return vec![] };
    let Ok(release) = sources.local.releases.read(&report.id, &label.id).await else {
        return vec![];
    };
    let routed = release.spec.services.iter().filter(|it| !it.routes.is_empty());
    let count = |service: &str| {
        report.instances.iter().filter(|it| it.role == "serving" && it.service == service).count()
    };
    routed.filter_map(|it| scaled_service(it, count(it.name.as_str()))).collect()
}

/// What was brought last comes first: it may have left services to others.
fn labels(in_force: &InForce, committed: Option<&ReleaseLabel>) -> Vec<ReleaseLabel> {
    let mut labels: Vec<ReleaseLabel> = vec![];
    for instance in in_force.routes.iter().flat_map(|it| it.instances()) {
        if !labels.iter().any(|it| it.id == instance.release) {
            let (id, version) = (instance.release.clone(), instance.version.clone());
            labels.push(ReleaseLabel { id, version });
        }
    }
    labels.sort_by_key(|it| Some(it) != committed);
    labels
}

/// Whether what was brought last has no routes of its own, and left those there are as they were.
async fn leaves(
    sources: &Sources<'_>,
    id: &EnvironmentId,
    committed: &ReleaseLabel,
    serving: &[ReleaseLabel],
) -> bool {
    if serving.is_empty() || serving.contains(committed) {
        return false;
    }
    let Ok(release) = sources.local.releases.read(id, &committed.id).await else { return false };
    let owners = release.owners();
    owners.contains(&&committed.id) && serving.iter().all(|it| owners.contains(&&it.id))
}

fn paths(in_force: &InForce) -> Vec<(String, String)> {
    let paths = in_force.routes.iter().flat_map(|it| &it.paths);
    paths.map(|it| (it.path.clone(), it.service.to_string())).collect()
}

fn since_ms(serving: &[ReleaseLabel], history: &[DeploymentRecord]) -> Option<u64> {
    let label = serving.first()?;
    let brought = |it: &&DeploymentRecord| {
        it.to.as_ref() == Some(label)
            && !matches!(it.kind, Kind::Restart | Kind::Scale)
            && matches!(it.stage, Stage::Ended(Outcome::Deployed | Outcome::DeployedUntidy))
    };
    history.iter().find(brought).and_then(|it| it.ended_at_ms)
}

/// By what the proxy said when the report was begun, so that it is asked once.
async fn in_force(sources: &Sources<'_>, id: &EnvironmentId) -> Result<InForce, Failure> {
    match &sources.proxy {
        Some(status) => {
            let router = EmbeddedRouter::new(sources.layout.clone(), PathBuf::new());
            // What was said may be over by now.
            match router.in_force_by(status, id) {
                Ok(in_force) => Ok(in_force),
                Err(_) => sources.local.router.in_force(id).await,
            }
        }
        None => sources.local.router.in_force(id).await,
    }
}

fn instances(
    sources: &Sources<'_>,
    id: &EnvironmentId,
    in_force: &InForce,
    roster: &Roster,
    active: Option<&DeploymentRecord>,
) -> Vec<InstanceReport> {
    let lead = format!("{}.", id.stem());
    let lives = sources.common.lives_of(id);
    let lives: BTreeMap<&str, &Life> = lives.map(|it| (it.0.0.as_str(), &it.1)).collect();
    let life = |it: &InstanceId| lives.get(it.0.as_str()).copied();
    let warm = &sources.common.retired;
    let mut reports: Vec<InstanceReport> = vec![];
    for instance in in_force.routes.iter().flat_map(|it| it.instances()) {
        let mut report = one(sources, id, instance, "serving", life(&instance.id));
        if in_force.routes.as_ref().is_some_and(|it| it.serves_files_of(&instance.id)) {
            STATIC.clone_into(&mut report.status);
        }
        reports.push(report);
    }
    for (instance, until_ms) in warm.iter().filter(|it| it.0.environment == *id) {
        let mut report = one(sources, id, instance, "warm", life(&instance.id));
        report.warm_until_ms = Some(*until_ms);
        reports.push(report);
    }
    for instance in roster.workers.iter().filter_map(|it| roster.instance(it)) {
        reports.push(one(sources, id, instance, "working", life(&instance.id)));
    }
    let planned = active.iter().filter_map(|it| it.plan.as_ref()).flat_map(|it| &it.steps);
    for step in planned {
        let model::plan::Step::Start { instance } = step else { continue };
        let known = reports.iter().any(|it| it.id == instance.id.0);
        if let (Some(life), false) = (life(&instance.id), known) {
            reports.push(one(sources, id, instance, "candidate", Some(life)));
        }
    }
    for (name, life) in &lives {
        if !reports.iter().any(|it| it.id == *name) {
            reports.push(stray(name, &lead, life));
        }
    }
    reports
}

/// What PM2 says of those that it runs, which is asked over a socket, and waited for; and which
/// units systemd has.
async fn by_others(
    sources: &Sources<'_>,
    mut reports: Vec<InstanceReport>,
) -> Result<Vec<InstanceReport>, Failure> {
    let (pm2, systemd) = (sources.local.pm2.clone(), sources.local.systemd.clone());
    let asked = tokio::task::spawn_blocking(move || {
        let ids: Vec<_> = reports.iter().map(|it| InstanceId(it.id.clone())).collect();
        let mut listed = pm2.listed_of(&ids);
        for (report, id) in reports.iter_mut().zip(&ids) {
            report.unit = systemd.unit(id);
            report.pm2 = listed.remove(id).unwrap_or_default();
        }
        reports
    });
    asked.await.map_err(|it| Failure::new(Blame::Us, format!("ask PM2: {it}")))
}

fn one(
    sources: &Sources<'_>,
    id: &EnvironmentId,
    instance: &Instance,
    role: &str,
    life: Option<&Life>,
) -> InstanceReport {
    let environment = sources.proxy.as_ref().and_then(|it| it.environments.get(&id.stem()));
    let in_flight = environment.and_then(|it| it.in_flight.get(&instance.id.0));
    let mut report = InstanceReport {
        id: instance.id.0.clone(),
        service: instance.service.to_string(),
        version: instance.version.clone(),
        role: role.to_owned(),
        status: String::new(),
        pid: None,
        port: instance.port,
        socket: instance.socket.then(|| sources.layout.socket(&instance.id).display().to_string()),
        slot: instance.slot.to_string(),
        restarts: 0,
        since_ms: None,
        memory_bytes: None,
        in_flight: in_flight.copied().unwrap_or(0),
        warm_until_ms: None,
        unit: None,
        pm2: vec![],
    };
    fill(&mut report, life.unwrap_or(&Life::Absent));
    report
}

/// An instance of ours that neither a route nor the journal needs.
fn stray(name: &str, lead: &str, life: &Life) -> InstanceReport {
    let service = name.strip_prefix(lead).and_then(|it| it.split('.').next()).unwrap_or_default();
    let mut report = InstanceReport {
        id: name.to_owned(),
        service: service.to_owned(),
        version: String::new(),
        role: "stray".to_owned(),
        status: String::new(),
        pid: None,
        port: None,
        socket: None,
        slot: String::new(),
        restarts: 0,
        since_ms: None,
        memory_bytes: None,
        in_flight: 0,
        warm_until_ms: None,
        unit: None,
        pm2: vec![],
    };
    fill(&mut report, life);
    report
}

fn fill(report: &mut InstanceReport, life: &Life) {
    match life {
        Life::Absent => report.status = "absent".to_owned(),
        Life::Stopped => report.status = "stopped".to_owned(),
        Life::Exited(exited) => {
            report.status = format!("exited: {}", exited.how);
            report.restarts = exited.restarts;
            report.since_ms = Some(exited.at_ms);
        }
        Life::Running(running) => {
            report.status = "running".to_owned();
            report.pid = Some(running.pid);
            report.restarts = running.restarts;
            report.since_ms = Some(running.since_ms);
            report.memory_bytes = resident_bytes(running.pid);
        }
    }
}

fn state(
    in_force: &InForce,
    instances: &[InstanceReport],
    active: bool,
    attention: bool,
) -> EnvironmentState {
    let serving = || instances.iter().filter(|it| it.role == "serving");
    if attention {
        EnvironmentState::NeedsAttention
    } else if active {
        EnvironmentState::Deploying
    } else if serving().next().is_none() {
        EnvironmentState::Inactive
    } else if in_force.alive && serving().any(InstanceReport::serves) {
        EnvironmentState::Active
    } else {
        EnvironmentState::Failed
    }
}

fn link_problems(
    sources: &Sources<'_>,
    id: &EnvironmentId,
    serving: &[ReleaseLabel],
    current: Option<&str>,
    active: bool,
) -> Vec<String> {
    let mut problems = vec![];
    let releases = sources.layout.releases(id);
    if let Some(version) = current
        && !releases.join(version).is_dir()
    {
        problems.push(format!("`current` points at {version}, which is not there"));
    }
    // In a deployment the link follows the traffic.
    if let (Some(label), false) = (serving.first(), active)
        && current != Some(label.version.as_str())
    {
        let current = current.unwrap_or("nothing");
        problems.push(format!("`current` points at {current}, but {} serves", label.version));
    }
    problems
}

/// What the proxy sees of what is on probation, and how far the deployment has brought it.
fn trial(
    sources: &Sources<'_>,
    id: &EnvironmentId,
    active: Option<&DeploymentRecord>,
) -> Option<TrialReport> {
    let known = sources.proxy.as_ref()?.environments.get(&id.stem())?;
    let probation = known.probation.as_ref()?;
    let steps = active.iter().filter_map(|it| it.plan.as_ref()).flat_map(|it| &it.steps);
    let mut shares = steps.filter_map(|it| match it {
        Step::Switch { to, share, .. } if to.0 == known.generation => *share,
        _ => None,
    });
    let share = shares.next_back();
    Some(TrialReport { requests: probation.requests, failed: probation.failures, share })
}

fn count_requests(sources: &Sources<'_>, report: &mut EnvironmentReport) {
    let Some(proxy) = &sources.proxy else { return };
    let Some(environment) = proxy.environments.get(&report.id.stem()) else { return };
    for label in &report.serving {
        if let Some(counters) = environment.releases.get(&label.id.0) {
            report.requests += counters.completed + counters.aborted;
            report.failed += counters.by_class[5] + counters.aborted;
        }
    }
}

fn rollback_options(
    sources: &Sources<'_>,
    report: &EnvironmentReport,
) -> Result<Vec<(String, bool)>, Failure> {
    let Some(journal) = &sources.journal else { return Ok(vec![]) };
    let warm = |version: &str| {
        report.instances.iter().any(|it| it.role == "warm" && it.version == version)
    };
    let serves = |id: &ReleaseId| report.serving.first().is_some_and(|it| it.id == *id);
    let mut options: Vec<(String, bool)> = vec![];
    for (id, version, standing) in journal.standings(&report.id)? {
        let known = options.iter().any(|it| it.0 == version);
        let layout = &sources.layout;
        let kept = layout.releases(&report.id).join(&version).is_dir()
            && layout.record(&report.id, &id).exists();
        if standing == Standing::Accepted && !serves(&id) && kept && !known {
            options.push((version.clone(), warm(&version)));
        }
    }
    Ok(options)
}

fn next_command(report: &EnvironmentReport) -> Option<String> {
    let id = &report.id;
    if let Some(record) = &report.attention {
        return Some(format!("cutover show {0}, then cutover resume {0} or abort {0}", record.id));
    }
    match report.state {
        EnvironmentState::Deploying => {
            report.active.as_ref().map(|it| format!("cutover attach {}", it.id))
        }
        EnvironmentState::Failed => Some(format!("cutover logs {id}")),
        EnvironmentState::Inactive if report.current.is_some() => {
            Some(format!("cutover start {id}"))
        }
        EnvironmentState::Inactive => Some(format!("cutover deploy {id}")),
        EnvironmentState::Active | EnvironmentState::NeedsAttention => None,
    }
}
