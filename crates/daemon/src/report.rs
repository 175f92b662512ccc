//! One screen of truth: what serves is what the route files and the proxy say, never what was
//! hoped.
//!
//! The same report is built by the daemon and, where it does not run, by the command line, which
//! then only reads.

mod environment;
mod health;
mod jobs;
mod memory;
pub mod releases;

use crate::{
    api::words::{Info, ProxyReport, StatusReport},
    behind::{self, Pages},
    controller::Controller,
};
use drivers::{Local, layout::Layout};
use engine::port::runtime::Life;
pub use health::health;
use model::{
    deployment::DeploymentRecord,
    failure::{Blame, Failure},
    id::InstanceId,
    instance::Instance,
    name::EnvironmentId,
};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};
use store::ReadOnly;

/// For the proxy to say what it serves.
const PROXY_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Below this much free space the status says so.
const DISK_FREE_BYTES_MIN: u64 = 512 << 20;

/// All a report is built from.
struct Sources<'a> {
    local: &'a Local,
    journal: Option<ReadOnly>,
    /// Why the journal that is there is not believed.
    trouble: Option<String>,
    layout: Layout,
    proxy: Option<proxy::control::Status>,
    /// What is asked once for all environments: there may be very many of them.
    common: Common,
}

/// What the runtime and the journal say of all environments.
#[derive(Default)]
struct Common {
    /// Every instance that is known to the runtime, in the order of its id.
    lives: Vec<(InstanceId, Life)>,
    /// Kept warm, with until when.
    retired: Vec<(Instance, u64)>,
    /// Not ended, or in need of attention.
    unfinished: Vec<DeploymentRecord>,
}

impl Common {
    /// The instances of an environment, by id.
    fn lives_of(&self, id: &EnvironmentId) -> impl Iterator<Item = &(InstanceId, Life)> {
        let lead = format!("{}.", id.stem());
        let first = self.lives.partition_point(|it| it.0.0 < lead);
        self.lives[first..].iter().take_while(move |it| it.0.0.starts_with(&lead))
    }
}

/// As the daemon sees it.
///
/// # Errors
///
/// Where the journal or the state directory cannot be read.
pub async fn online(controller: &Controller) -> Result<StatusReport, Failure> {
    let info = crate::api::status::of(controller);
    let mut report = build(&controller.local, &controller.root, Some(info)).await?;
    for environment in &mut report.environments {
        environment.queue = controller.waiting.of(&environment.id);
    }
    if let Some(failure) = controller.store.broken() {
        let text = format!("the journal failed to {}: nothing more is deployed", failure.message);
        report.alerts.push(text);
    }
    if controller.store.reserve_spent() {
        report.alerts.push("the disk was full: the journal lives on its reserve".to_owned());
    }
    Ok(report)
}

/// As somebody sees it who only reads, since no daemon answers.
///
/// # Errors
///
/// Where the journal or the state directory cannot be read.
pub async fn offline(root: &Path) -> Result<StatusReport, Failure> {
    let local = drivers::onlooker(root.to_path_buf());
    build(&local, root, None).await
}

async fn build(
    local: &Local,
    root: &Path,
    controller: Option<Info>,
) -> Result<StatusReport, Failure> {
    // The controller looked all of it through when it started.
    let pages = if controller.is_some() { Pages::Few } else { Pages::All };
    let mut sources = sources(local, root, pages).await?;
    sources.common = common(&sources).await?;
    let trouble = sources.trouble.iter().map(|it| {
        format!("the journal is not used, and nothing is deployed: {it}; {}", store::WAY_OUT)
    });
    let mut report = StatusReport {
        root: root.display().to_string(),
        controller_last_seen_ms: controller.is_none().then(|| last_seen_ms(root)).flatten(),
        controller,
        proxy: sources.proxy.as_ref().map(proxy_report),
        environments: vec![],
        disk_free_bytes: disk_free_bytes(root),
        alerts: trouble
            .chain(sources.proxy.iter().flat_map(|it| it.alerts.clone()))
            .chain(drivers::acme::alerts(root))
            .collect(),
    };
    for id in environments(&sources)? {
        report.environments.push(environment::report(&sources, &id).await?);
    }
    alert(&mut report);
    Ok(report)
}

async fn sources<'a>(local: &'a Local, root: &Path, pages: Pages) -> Result<Sources<'a>, Failure> {
    let proxy = proxy_status(root).await;
    // What serves is told by the route files and the proxy, whatever the journal is like.
    let (journal, trouble) = match believed(root, pages) {
        Ok(journal) => (journal, None),
        Err(why) => (None, Some(why)),
    };
    let common = Common::default();
    Ok(Sources { local, journal, trouble, layout: Layout::new(root), proxy, common })
}

async fn common(sources: &Sources<'_>) -> Result<Common, Failure> {
    let mut lives = sources.local.runtime.list().await?;
    lives.sort_by(|one, other| one.0.cmp(&other.0));
    let journal = sources.journal.as_ref();
    let retired = journal.map(|it| it.retired()).transpose()?.unwrap_or_default();
    let unfinished = journal.map(|it| it.unfinished()).transpose()?.unwrap_or_default();
    Ok(Common { lives, retired, unfinished })
}

/// The journal, if it is sound and knows all that is on disk.
fn believed(root: &Path, pages: Pages) -> Result<Option<ReadOnly>, String> {
    if let Some(what) = behind::look(root, pages).map_err(|it| it.message)? {
        return Err(what);
    }
    open_journal(root).map_err(|it| it.message)
}

async fn proxy_status(root: &Path) -> Option<proxy::control::Status> {
    use proxy::control::{Answer, Ask};
    match proxy::client::ask_async(root, &Ask::Status, PROXY_ANSWER_TIMEOUT).await {
        Ok(Answer::Status(status)) => Some(status),
        _ => None,
    }
}

fn proxy_report(status: &proxy::control::Status) -> ProxyReport {
    ProxyReport {
        pid: status.pid,
        addresses: status.addresses.clone(),
        uptime_ms: status.uptime_ms,
        connections: status.connections,
    }
}

fn open_journal(root: &Path) -> Result<Option<ReadOnly>, Failure> {
    if !root.join("state.db").exists() {
        return Ok(None);
    }
    let opened = store::read_only(root);
    opened.map(Some).map_err(|it| Failure::new(Blame::Platform, format!("read the journal: {it}")))
}

/// Every environment that the journal or a route file knows.
fn environments(sources: &Sources<'_>) -> Result<BTreeSet<EnvironmentId>, Failure> {
    let mut all = BTreeSet::new();
    if let Some(journal) = &sources.journal {
        all.extend(journal.environments()?);
    }
    let served = sources.proxy.iter().flat_map(|it| it.environments.keys());
    all.extend(served.filter_map(|it| it.replacen('.', "/", 1).parse().ok()));
    if sources.journal.is_none() {
        all.extend(drivers::ground::look(&sources.layout)?.generations.into_keys());
    }
    Ok(all)
}

fn last_seen_ms(root: &Path) -> Option<u64> {
    // Each life of the controller writes its epoch there, and each step its outcome.
    let times = ["state.db-wal", "state.db", "daemon.log"]
        .iter()
        .filter_map(|it| fs::metadata(root.join(it)).ok()?.modified().ok());
    let newest = times.max()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(newest.as_millis()).ok()
}

fn disk_free_bytes(root: &Path) -> u64 {
    rustix::fs::statvfs(root).map_or(0, |it| it.f_bavail * it.f_frsize)
}

fn alert(report: &mut StatusReport) {
    if report.disk_free_bytes < DISK_FREE_BYTES_MIN && Path::new(&report.root).exists() {
        let mib = report.disk_free_bytes >> 20;
        report.alerts.push(format!("only {mib} MiB are free under {}", report.root));
    }
    let serving = |it: &crate::api::words::EnvironmentReport| !it.serving.is_empty();
    if report.proxy.is_none() && report.environments.iter().any(serving) {
        let text = "the proxy does not answer: nothing is served; `cutover proxy start` starts it";
        report.alerts.push(text.to_owned());
    }
    for environment in &report.environments {
        let problems = environment.link_problems.iter();
        report.alerts.extend(problems.map(|it| format!("{}: {it}", environment.id)));
    }
}
