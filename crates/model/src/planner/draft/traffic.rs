//! The generations' contents, and the questions through the public route.

use super::Draft;
use crate::{
    files::{EARLIER_MAX, Earlier, Files, ServedFiles},
    id::{Generation, ReleaseId},
    instance::Instance,
    name::Name,
    plan::{PublicRequest, Step},
    routes::{Hold, PathRoute, Routes},
    service::{EnvironmentSpec, Millis, Probe, ServiceSpec},
};
use std::collections::BTreeMap;

/// Bounds of a hold: more requests, or longer, and they are answered with 503.
const HOLD: Hold = Hold { requests_max: 1000, wait: Millis::seconds(30) };
/// Questions through the public route, at most.
const VERIFY_REQUESTS_MAX: usize = 16;
/// A host name that nobody can claim, for environments that take every host.
const ANY_HOST: &str = "cutover.invalid";

impl Draft<'_> {
    /// To what served before the plan, or to nothing.
    pub(super) fn before(&self, generation: Generation) -> Routes {
        match &self.observed.routes {
            Some(routes) => Routes { generation, hold: None, ..routes.clone() },
            None => Routes { hold: None, ..emptied(self.after(generation)) },
        }
    }

    pub(super) fn before_held(&self, generation: Generation) -> Routes {
        Routes { hold: Some(HOLD), ..self.before(generation) }
    }

    /// To what shall serve.
    pub(super) fn after(&self, generation: Generation) -> Routes {
        self.tried(self.batches.count() - 1, generation)
    }

    /// To what serves once a batch took over.
    pub(super) fn tried(&self, at: usize, generation: Generation) -> Routes {
        if let (None, Some(routes)) = (self.fleet.to, &self.observed.routes) {
            // A stopped environment goes on to answer for its hosts and paths.
            return emptied(Routes { generation, hold: None, ..routes.clone() });
        }
        let services = self.fleet.to.into_iter().flat_map(|it| &it.spec.services);
        let paths = services.flat_map(|it| self.paths(at, it)).collect();
        Routes { generation, hosts: self.hosts(), paths, hold: None }
    }

    /// Whether requests may reach the instance now.
    pub(super) fn routed(&self, instance: &Instance) -> bool {
        self.observed.routes.as_ref().is_some_and(|it| it.leads_to(&instance.id))
    }

    /// Whether the router answered for an old instance itself: there is no process to end.
    pub(super) fn served_files(&self, instance: &Instance) -> bool {
        self.observed.routes.as_ref().is_some_and(|it| it.serves_files_of(&instance.id))
    }

    /// Asks each route to what is new once, under each host name: a step a release.
    pub(super) fn verify<'n>(
        &self,
        generation: Generation,
        new: impl Iterator<Item = &'n Instance>,
    ) -> Vec<Step> {
        let Some(to) = self.fleet.to.filter(|_| self.verifies()) else { return vec![] };
        let mut brought: BTreeMap<&ReleaseId, Vec<&Name>> = BTreeMap::new();
        new.for_each(|it| brought.entry(&it.release).or_default().push(&it.service));
        let step = |(release, services): (&ReleaseId, Vec<&Name>)| {
            let requests = requests(&to.spec, |it| services.contains(&&it.name));
            let release = release.clone();
            (!requests.is_empty()).then_some(Step::Verify { generation, requests, release })
        };
        brought.into_iter().filter_map(step).collect()
    }

    /// One of its host names.
    pub(super) fn public_host(&self) -> String {
        self.hosts().first().map_or_else(|| ANY_HOST.to_owned(), sendable)
    }

    fn hosts(&self) -> Vec<String> {
        match (self.fleet.to, &self.observed.routes) {
            (Some(to), _) => to.spec.domains.clone(),
            (None, Some(routes)) => routes.hosts.clone(),
            (None, None) => vec![],
        }
    }

    fn paths(&self, at: usize, service: &ServiceSpec) -> Vec<PathRoute> {
        let instances = self.batches.serving(at, service);
        let weights = self.batches.weights(at, service, &instances);
        let files = service.files.as_ref().map(|it| self.files(service, it, &instances));
        let path = |path: &String| PathRoute {
            path: path.clone(),
            service: service.name.clone(),
            instances: instances.clone(),
            weights: weights.clone(),
            files: files.clone(),
            upstream_keepalive: service.upstream_keepalive,
            links: service.socket.and_then(|it| it.links),
        };
        service.routes.iter().map(path).collect()
    }
}

impl Draft<'_> {
    /// With the files of what served before, and of what was reachable beside it: whoever loaded a
    /// page of theirs asks for them yet.
    fn files(&self, service: &ServiceSpec, files: &Files, instances: &[Instance]) -> ServedFiles {
        let serves = |version: &str| instances.iter().any(|it| it.version == version);
        let before = self.observed.routes.iter().flat_map(|it| &it.paths);
        let before = before.filter(|it| it.service == service.name);
        let mut earlier: Vec<Earlier> = vec![];
        for path in before {
            let Some(old) = &path.files else { continue };
            let own = path.instances.iter().map(|it| Earlier {
                version: it.version.clone(),
                directory: old.files.directory.clone(),
            });
            for one in own.chain(old.earlier.iter().cloned()) {
                if !serves(&one.version) && !earlier.contains(&one) {
                    earlier.push(one);
                }
            }
        }
        earlier.truncate(EARLIER_MAX);
        ServedFiles { files: files.clone(), earlier }
    }
}

/// The same claims, and nobody behind them: what is another environment's stays another's.
fn emptied(mut routes: Routes) -> Routes {
    for path in &mut routes.paths {
        path.instances.clear();
        path.weights.clear();
    }
    routes
}

/// One question for each route, under each host name: any answer below 500 will do.
pub fn public_requests(spec: &EnvironmentSpec) -> Vec<PublicRequest> {
    requests(spec, |_| true)
}

fn requests(spec: &EnvironmentSpec, is_asked: impl Fn(&ServiceSpec) -> bool) -> Vec<PublicRequest> {
    let routed = spec.services.iter().filter(|it| !it.routes.is_empty() && is_asked(it));
    let paths: Vec<String> = routed.flat_map(question).collect();
    let all = spec.domains.iter().map(sendable).flat_map(|host| {
        paths.iter().map(move |path| PublicRequest { host: host.clone(), path: path.clone() })
    });
    all.take(VERIFY_REQUESTS_MAX).collect()
}

/// A host name for a request that it takes.
fn sendable(domain: &String) -> String {
    if domain == "*" { ANY_HOST.to_owned() } else { domain.clone() }
}

/// Per route, a path on it: the health check's where the route leads there, else the route's own.
fn question(service: &ServiceSpec) -> Vec<String> {
    let asked = match service.health.as_ref().map(|it| &it.probe) {
        Some(Probe::Http { path, .. }) => Some(path),
        _ => None,
    };
    let on = |route: &str, path: &str| {
        let route = route.trim_end_matches('/');
        path.strip_prefix(route).is_some_and(|rest| rest.starts_with(['/', '?']))
    };
    let pick = |route: &String| asked.filter(|path| on(route, path)).unwrap_or(route).clone();
    service.routes.iter().map(pick).collect()
}
