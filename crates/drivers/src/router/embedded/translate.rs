//! Between the model's routes and the proxy's route file.

use super::EmbeddedRouter;
use crate::{layout::Layout, machine::boot_id};
use model::{
    failure::{Blame, Failure},
    id::{Epoch, Generation, InstanceId, ReleaseId},
    instance::{Instance, Slot},
    name::{EnvironmentId, Name},
    plan::StagedRoutes,
    routes::{Hold, PathRoute, Routes},
    service::Millis,
};
use proxy::route_file::{self, Confirms, Probation, Route, RouteFile, RouteTarget};

/// Each target's share.
const WEIGHT: u16 = 1;

/// As the proxy reads it.
pub(super) fn to_file(
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
        routes: routes.paths.iter().map(route).collect::<Result<_, _>>()?,
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

fn route(path: &PathRoute) -> Result<Route, Failure> {
    let target = |instance: &Instance| {
        let address = instance.address().ok_or_else(|| {
            Failure::new(Blame::Us, format!("route to {}: it has no port", instance.id))
        })?;
        Ok(RouteTarget {
            instance: instance.id.0.clone(),
            address,
            release: instance.release.0.clone(),
            version: instance.version.clone(),
            weight: WEIGHT,
        })
    };
    Ok(Route {
        path: path.path.clone(),
        service: path.service.to_string(),
        targets: path.instances.iter().map(target).collect::<Result<_, Failure>>()?,
        upstream_keepalive: path.upstream_keepalive,
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
                upstream_keepalive: route.upstream_keepalive,
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

fn instance(
    layout: &Layout,
    environment: &EnvironmentId,
    service: &Name,
    target: &RouteTarget,
) -> Option<Instance> {
    let id = InstanceId(target.instance.clone());
    let number = target.instance.split('.').nth(3)?.parse().ok()?;
    let port = target.address.rsplit_once(':')?.1.parse().ok()?;
    Some(Instance {
        slot: slot(layout, &id),
        id,
        environment: environment.clone(),
        service: service.clone(),
        release: ReleaseId(target.release.clone()),
        version: target.version.clone(),
        number,
        port: Some(port),
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
