//! A release that brings some services, and leaves the others to earlier releases.

use super::Release;
use crate::{
    failure::{Blame, Failure},
    id::ReleaseId,
    name::Name,
    service::{EnvironmentSpec, ServiceSpec},
};
use std::collections::BTreeMap;

/// What comes of a configuration where only some of its services are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The wanted services as they are configured now, the others as they run.
    pub spec: EnvironmentSpec,
    /// The others, and whose instances they are.
    pub left: BTreeMap<Name, ReleaseId>,
}

impl Part {
    /// Of `spec`, only the services that are `wanted`, or all where none is named; `current` is
    /// what runs.
    ///
    /// # Errors
    ///
    /// Where the configuration has no such service.
    pub fn of(
        spec: &EnvironmentSpec,
        wanted: &[Name],
        current: Option<&Release>,
    ) -> Result<Part, Failure> {
        let has = |name: &Name| spec.services.iter().any(|it| it.name == *name);
        if let Some(unknown) = wanted.iter().find(|it| !has(it)) {
            let names: Vec<&str> = spec.services.iter().map(|it| it.name.as_str()).collect();
            let message = format!("deploy `{unknown}`: {} has no such service", spec.id);
            return Err(Failure::new(Blame::Request, message)
                .hint(format!("its services are {}", names.join(", "))));
        }
        if wanted.is_empty() {
            return Ok(Part { spec: spec.clone(), left: BTreeMap::new() });
        }
        let mut services: Vec<ServiceSpec> = spec.services.clone();
        services.retain(|it| wanted.contains(&it.name));
        let mut left = BTreeMap::new();
        for service in current.iter().flat_map(|it| &it.spec.services) {
            if let (false, Some(current)) = (wanted.contains(&service.name), current) {
                left.insert(service.name.clone(), current.owner_of(&service.name).clone());
                services.push(service.clone());
            }
        }
        expect_apart(&services)?;
        Ok(Part { spec: EnvironmentSpec { services, ..spec.clone() }, left })
    }
}

impl Release {
    /// The release whose instances a service of this one runs: its own, or an earlier one.
    pub fn owner_of(&self, service: &Name) -> &ReleaseId {
        self.left.get(service).unwrap_or(&self.id)
    }

    /// Every release whose instances its services run.
    pub fn owners(&self) -> Vec<&ReleaseId> {
        let mut all: Vec<&ReleaseId> =
            self.spec.services.iter().map(|it| self.owner_of(&it.name)).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// What was moved from one service to another is served by both until both are deployed.
fn expect_apart(services: &[ServiceSpec]) -> Result<(), Failure> {
    for (at, service) in services.iter().enumerate() {
        for route in &service.routes {
            let other = services[..at].iter().find(|it| it.routes.contains(route));
            if let Some(other) = other {
                let (name, other) = (&service.name, &other.name);
                let message =
                    format!("deploy `{other}` alone: the route `{route}` leads to `{name}` still");
                return Err(Failure::new(Blame::Request, message)
                    .hint(format!("deploy both: `--service {other} --service {name}`")));
            }
        }
    }
    Ok(())
}
