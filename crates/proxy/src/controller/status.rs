//! What is in force and what was served, for whoever asks.

use super::{Controller, Environment, elders};
use crate::address::Address;
use crate::control::{EnvironmentStatus, ProbationStatus, Status};
use crate::links;
use std::collections::BTreeMap;
use std::time::Instant;

/// The proxy's own word, and what is in flight in those before it.
pub(super) async fn status(controller: &Controller) -> Status {
    let mut status = own(controller);
    elders::count(controller, &mut status).await;
    status
}

fn own(controller: &Controller) -> Status {
    let state = controller.state.borrow();
    let mut environments: BTreeMap<String, EnvironmentStatus> =
        state.environments.iter().map(|(name, known)| (name.clone(), environment(known))).collect();
    for release in state.releases.values() {
        if let Some(status) = environments.get_mut(&release.environment) {
            status.releases.insert(release.id.clone(), release.sum());
        }
    }
    let leads = controller.lock.borrow().is_some();
    for instance in state.instances.values() {
        // Others may be led there without us; who leads counts them.
        let linked =
            leads && state.environments.get(&instance.release.environment).is_some_and(linked);
        let straight = match &instance.address {
            Address::Socket(path) if linked => links::connections(path),
            Address::Socket(_) | Address::Port(_) => 0,
        };
        let in_flight = instance.in_flight().max(straight);
        if let Some(status) = environments.get_mut(&instance.release.environment)
            && in_flight > 0
        {
            *status.in_flight.entry(instance.id.clone()).or_default() += in_flight;
        }
    }
    Status {
        nonce: controller.nonce.clone(),
        pid: std::process::id(),
        uptime_ms: controller.started.elapsed().as_millis() as u64,
        addresses: controller.addresses.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        leaving: Vec::new(),
        connections: controller.plane.connections() as u64,
        environments,
        alerts: {
            let known = state.alerts.iter().map(|(_, text)| text.clone());
            let dropped = controller.plane.access.dropped();
            let lost = format!("{dropped} lines of the access log could not be written");
            let lost = (dropped > 0).then_some(lost);
            known.chain(state.edges.alerts()).chain(lost).collect()
        },
        certificates: state.edges.certificates(),
    }
}

fn linked(known: &Environment) -> bool {
    known.file.routes.iter().any(|it| it.links.is_some())
}

fn environment(known: &Environment) -> EnvironmentStatus {
    EnvironmentStatus {
        generation: known.file.generation,
        highest: known.highest,
        probation: known.probation.as_ref().map(|underway| {
            let left = underway.expires_at.saturating_duration_since(Instant::now());
            let failures = underway.trial.failures();
            ProbationStatus {
                fallback: known.file.probation.as_ref().map_or(0, |p| p.fallback),
                expires_in_ms: left.as_millis() as u64,
                requests: underway.trial.successes() + failures,
                failures,
                times: underway.trial.heads().entries(),
                before: underway.baseline.before().entries(),
                beside: underway.baseline.beside().entries(),
            }
        }),
        fell_back: known.fell_back.clone(),
        held: known.gate.as_ref().map_or(0, |gate| gate.waiting()),
        ..EnvironmentStatus::default()
    }
}
