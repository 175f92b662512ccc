//! From route files to the table that requests are looked up in.

use super::{Environment, State};
use crate::files::Folder;
use crate::limits::RELEASES_KEPT_MAX;
use crate::plane::instance::{Instance, Release};
use crate::plane::table::{self, Prefix, Route, Table, Target, covers, normal_prefix};
use crate::route_file::{self, RouteFile, RouteTarget};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The table of all environments.
pub(super) fn table(state: &mut State) -> Table {
    state.instances.retain(|_, instance| {
        instance.routed.swap(false, Ordering::Relaxed) || instance.in_flight() > 0
    });
    forget_releases(state);
    let mut table = Table::default();
    let environments = std::mem::take(&mut state.environments);
    for environment in environments.values() {
        add(state, environment, &mut table);
    }
    state.environments = environments;
    table
}

fn add(state: &mut State, environment: &Environment, table: &mut Table) {
    let file = &environment.file;
    let fallback = environment.probation.as_ref().and_then(|p| p.fallback.clone());
    let old: BTreeSet<&str> =
        fallback.iter().flat_map(|file| file.targets()).map(|t| t.instance.as_str()).collect();
    let shared = Arc::new(table::Environment {
        hold: environment.gate.clone(),
        trial: environment.probation.as_ref().map(|probation| probation.trial.clone()),
        policy: state.edges.policy(&file.environment),
    });
    let on_trial = |target: &RouteTarget| {
        environment.probation.is_some() && !old.contains(target.instance.as_str())
    };
    let mut prefixes = Vec::new();
    for route in &file.routes {
        let path = normal_prefix(&route.path);
        let targets = targets(state, file, route, on_trial);
        let rescue = fallback
            .as_ref()
            .and_then(|file| Some((file, best_route(file, path)?)))
            .map_or(Vec::new(), |(file, route)| self::targets(state, file, route, |_| false));
        let route = Route { targets, rescue, keepalive: route.upstream_keepalive };
        prefixes.push((path.to_owned(), Some(Arc::new(route))));
    }
    if prefixes.is_empty() {
        prefixes.push((String::new(), None));
    }
    for host in &file.hosts {
        for (path, route) in &prefixes {
            let (path, route) = (path.clone(), route.clone());
            table.insert(host, Prefix { path, environment: shared.clone(), route });
        }
    }
}

fn best_route<'a>(file: &'a RouteFile, path: &str) -> Option<&'a route_file::Route> {
    let covering = file.routes.iter().filter(|route| covers(normal_prefix(&route.path), path));
    covering.max_by_key(|route| route.path.len())
}

fn targets(
    state: &mut State,
    file: &RouteFile,
    route: &route_file::Route,
    on_trial: impl Fn(&RouteTarget) -> bool,
) -> Vec<Target> {
    let usable = route.targets.iter().filter_map(|target| {
        Some(Target {
            instance: instance(state, &file.environment, target)?,
            weight: u32::from(target.weight),
            on_trial: on_trial(target),
        })
    });
    usable.collect()
}

fn instance(state: &mut State, environment: &str, target: &RouteTarget) -> Option<Arc<Instance>> {
    // Other files behind the same instance are another thing to be served.
    let files = target.files.as_ref().map(|it| format!("{it:?}")).unwrap_or_default();
    let place = format!("{}{files}", target.address);
    let key = (target.instance.clone(), place, target.release.clone());
    if let Some(known) = state.instances.get(&key) {
        known.routed.store(true, Ordering::Relaxed);
        return Some(known.clone());
    }
    let threads = state.threads;
    let release = state
        .releases
        .entry((environment.to_owned(), target.release.clone()))
        .or_insert_with(|| Arc::new(Release::new(environment, &target.release, threads)))
        .clone();
    let number = state.next_instance;
    state.next_instance += 1;
    // The address was checked when the file was read.
    let address = target.address.parse().ok()?;
    let folder = target.files.as_ref().map(|it| Arc::new(Folder::new(it)));
    let made = Instance::new(&target.instance, number, address, release, folder, threads);
    let made = Arc::new(made);
    state.instances.insert(key, made.clone());
    Some(made)
}

/// Drops the counters of the releases that served longest ago, beyond the limit.
fn forget_releases(state: &mut State) {
    let mut unused: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    for release in state.releases.values().filter(|release| Arc::strong_count(release) == 1) {
        let of = unused.entry(&release.environment).or_default();
        of.push((release.last_routed_at_ms(), &release.id));
    }
    let mut forgotten = Vec::new();
    for (environment, mut releases) in unused {
        releases.sort_unstable();
        let excess = releases.len().saturating_sub(RELEASES_KEPT_MAX);
        let key = |id: &str| (environment.to_owned(), id.to_owned());
        forgotten.extend(releases[..excess].iter().map(|(_, id)| key(id)));
    }
    for key in forgotten {
        state.releases.remove(&key);
    }
}
