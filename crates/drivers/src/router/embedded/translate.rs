//! Between the model's routes and the proxy's route file.

use super::EmbeddedRouter;
use crate::{layout::Layout, machine::boot_id};
use model::{
    failure::{Blame, Failure},
    files::{Earlier, Files, ServedFiles},
    id::{Epoch, Generation, InstanceId, ReleaseId},
    instance::{Instance, Slot},
    name::{EnvironmentId, Name},
    plan::StagedRoutes,
    routes::{Hold, PathRoute, Routes},
    service::Millis,
};
use proxy::address::UNIX;
use proxy::route_file::{self, Confirms, Probation, Route, RouteFile, RouteTarget};
use std::path::Path;

/// Of what the proxy answers for itself.
const NO_ADDRESS: &str = "127.0.0.1:0";
/// Each target's share, where nothing else is said.
const WEIGHT: u16 = 1;

/// As the proxy reads it.
pub(super) fn to_file(
    layout: &Layout,
    environment: &EnvironmentId,
    staged: &StagedRoutes,
    confirms: Option<Confirms>,
    epoch: Epoch,
) -> Result<RouteFile, Failure> {
    let StagedRoutes { routes, probation } = staged;
    let file = RouteFile {
        format: route_file::FORMAT,
        environment: environment.stem(),
        generation: routes.generation.0,
        epoch: epoch.0,
        boot_id: boot_id(),
        hosts: routes.hosts.clone(),
        routes: routes
            .paths
            .iter()
            .map(|it| route(layout, environment, it))
            .collect::<Result<_, _>>()?,
        probation: probation
            .map(|it| Probation { fallback: it.fallback.0, expires_ms: it.expires.0 }),
        confirms,
        hold: routes
            .hold
            .map(|it| route_file::Hold { requests_max: it.requests_max, wait_ms: it.wait.0 }),
        checksum: String::new(),
    };
    Ok(file.seal())
}

fn route(layout: &Layout, environment: &EnvironmentId, path: &PathRoute) -> Result<Route, Failure> {
    let target = |(at, instance): (usize, &Instance)| {
        let files = path.files.as_ref().map(|it| files(layout, environment, instance, it));
        let nobody = || files.is_some().then(|| NO_ADDRESS.to_owned());
        let address = layout.address(instance).or_else(nobody).ok_or_else(|| {
            Failure::new(Blame::Us, format!("route to {}: it listens nowhere", instance.id))
        })?;
        Ok(RouteTarget {
            instance: instance.id.0.clone(),
            address,
            release: instance.release.0.clone(),
            version: instance.version.clone(),
            weight: path.weights.get(at).copied().unwrap_or(WEIGHT),
            files,
        })
    };
    Ok(Route {
        path: path.path.clone(),
        service: path.service.to_string(),
        targets: path.instances.iter().enumerate().map(target).collect::<Result<_, Failure>>()?,
        upstream_keepalive: path.upstream_keepalive,
        links: path.links,
    })
}

/// By their absolute paths.
fn files(
    layout: &Layout,
    environment: &EnvironmentId,
    instance: &Instance,
    served: &ServedFiles,
) -> route_file::Files {
    let root = |version: &str, directory: &str| route_file::FilesRoot {
        release: layout.release(environment, version).display().to_string(),
        directory: directory.to_owned(),
    };
    let mut roots = vec![root(&instance.version, &served.files.directory)];
    roots.extend(served.earlier.iter().map(|it| root(&it.version, &it.directory)));
    let shared = layout.environment(environment).join(model::shared::DIRECTORY);
    route_file::Files {
        roots,
        shared: Some(shared.display().to_string()),
        index: served.files.index.clone(),
        fallback: served.files.fallback.clone(),
    }
}

/// As it was before it became paths; none: it has no root.
fn served(files: &route_file::Files) -> Option<ServedFiles> {
    let (own, earlier) = files.roots.split_first()?;
    let version = |it: &route_file::FilesRoot| {
        let name = Path::new(&it.release).file_name()?;
        name.to_str().map(str::to_owned)
    };
    let one = |it: &route_file::FilesRoot| {
        Some(Earlier { version: version(it)?, directory: it.directory.clone() })
    };
    Some(ServedFiles {
        files: Files {
            directory: own.directory.clone(),
            index: files.index.clone(),
            fallback: files.fallback.clone(),
        },
        earlier: earlier.iter().map(one).collect::<Option<_>>()?,
    })
}

impl EmbeddedRouter {
    /// As the model has it.
    pub(super) fn routes_of(&self, file: &RouteFile) -> Result<Routes, Failure> {
        let odd = |what: &str| {
            let message = format!(
                "understand generation {} of {}: {what}",
                file.generation, file.environment
            );
            Failure::new(Blame::Platform, message)
        };
        let (project, name) =
            file.environment.split_once('.').ok_or_else(|| odd("its environment"))?;
        let environment: EnvironmentId =
            format!("{project}/{name}").parse().map_err(|_| odd("its environment"))?;
        let paths = file.routes.iter().map(|route| {
            let service: Name = route.service.parse().map_err(|_| odd("a service's name"))?;
            let instances = route.targets.iter().map(|target| {
                instance(self.layout(), &environment, &service, target)
                    .ok_or_else(|| odd(&format!("target {}", target.instance)))
            });
            Ok(PathRoute {
                path: route.path.clone(),
                service: service.clone(),
                instances: instances.collect::<Result<_, Failure>>()?,
                weights: weights(&route.targets),
                files: route.targets.iter().find_map(|it| served(it.files.as_ref()?)),
                upstream_keepalive: route.upstream_keepalive,
                links: route.links,
            })
        });
        Ok(Routes {
            generation: Generation(file.generation),
            hosts: file.hosts.clone(),
            paths: paths.collect::<Result<_, Failure>>()?,
            hold: file
                .hold
                .as_ref()
                .map(|it| Hold { requests_max: it.requests_max, wait: Millis(it.wait_ms) }),
        })
    }
}

/// None where they are all the same.
fn weights(targets: &[RouteTarget]) -> Vec<u16> {
    let all: Vec<u16> = targets.iter().map(|it| it.weight).collect();
    if all.iter().all(|it| *it == WEIGHT) { vec![] } else { all }
}

fn instance(
    layout: &Layout,
    environment: &EnvironmentId,
    service: &Name,
    target: &RouteTarget,
) -> Option<Instance> {
    let id = InstanceId(target.instance.clone());
    let number = target.instance.split('.').nth(3)?.parse().ok()?;
    let socket = target.address.starts_with(UNIX);
    let port = match target.files {
        None if !socket => Some(target.address.rsplit_once(':')?.1.parse().ok()?),
        None | Some(_) => None,
    };
    Some(Instance {
        slot: slot(layout, &id),
        id,
        environment: environment.clone(),
        service: service.clone(),
        release: ReleaseId(target.release.clone()),
        version: target.version.clone(),
        number,
        port,
        socket,
    })
}

/// The route file does not say it, since it is nothing to the proxy; what the instance was told
/// does.
fn slot(layout: &Layout, instance: &InstanceId) -> Slot {
    let bytes = crate::file::read(&layout.instance_spec(instance)).ok().flatten();
    let spec =
        bytes.and_then(|it| serde_json::from_slice::<supervise::spec::InstanceSpec>(&it).ok());
    let told = spec.and_then(|it| it.environment.get("CUTOVER_SLOT").cloned());
    if told.as_deref() == Some("green") { Slot::Green } else { Slot::Blue }
}
