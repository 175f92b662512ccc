//! What a plan comes to, against what runs now: routes, instances, ports, and what stays done.

use crate::{
    describe,
    id::InstanceId,
    instance::Instance,
    plan::{Plan, Step},
    routes::Routes,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What would be otherwise when the plan has ended well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// Hosts with path prefixes, and the services behind them.
    pub routes: RouteChanges,
    /// Services that run another number of instances, or came, or went.
    pub instances: Vec<Count>,
    /// Ports of this machine.
    pub ports: Ports,
    /// Steps that nothing undoes, each in words.
    pub irreversible: Vec<String>,
}

/// `shop.test/api → api`, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChanges {
    /// Only there afterwards.
    pub added: Vec<String>,
    /// Only there now.
    pub removed: Vec<String>,
    /// To another service afterwards.
    pub changed: Vec<String>,
    /// As they are.
    pub same: usize,
}

/// How many instances of a service run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// It.
    pub service: String,
    /// Now.
    pub from: usize,
    /// Afterwards.
    pub to: usize,
}

/// Ports of instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Of new instances.
    pub taken: Vec<u16>,
    /// Of instances that are kept warm for a while.
    pub kept: Vec<u16>,
    /// Of instances that end.
    pub freed: Vec<u16>,
}

impl Outlook {
    /// Of a plan, where these routes are in force and these instances run.
    pub fn new(plan: &Plan, routes: Option<&Routes>, active: &[Instance]) -> Outlook {
        Outlook {
            routes: route_changes(plan, routes),
            instances: counts(plan, active.iter().filter(|it| !served_files(routes, it))),
            ports: ports(plan),
            irreversible: irreversible(plan),
        }
    }
}

fn route_changes(plan: &Plan, before: Option<&Routes>) -> RouteChanges {
    let after = plan.steps.iter().find_map(|it| match it {
        Step::Confirm { by, .. } => Some(by),
        _ => None,
    });
    let (before, after) = (before.map(led).unwrap_or_default(), after.map(led).unwrap_or_default());
    let mut changes = RouteChanges::default();
    for (claim, service) in &after {
        match before.get(claim) {
            None => changes.added.push(format!("{claim} → {service}")),
            Some(old) if old != service => {
                changes.changed.push(format!("{claim} → {service}, not {old} any more"));
            }
            Some(_) => changes.same += 1,
        }
    }
    let gone = before.iter().filter(|(claim, _)| !after.contains_key(*claim));
    changes.removed = gone.map(|(claim, service)| format!("{claim} → {service}")).collect();
    changes
}

/// What leads to instances; a path without any answers 503, as if it were not there.
fn led(routes: &Routes) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for host in &routes.hosts {
        for route in routes.paths.iter().filter(|it| !it.instances.is_empty()) {
            all.insert(format!("{host}{}", route.path), route.service.to_string());
        }
    }
    all
}

/// What the router answers for itself is no process that is counted.
fn served_files(routes: Option<&Routes>, instance: &Instance) -> bool {
    routes.is_some_and(|it| it.serves_files_of(&instance.id))
}

fn counts<'a>(plan: &Plan, active: impl Iterator<Item = &'a Instance>) -> Vec<Count> {
    let mut all: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for instance in active {
        all.entry(instance.service.to_string()).or_default().0 += 1;
    }
    let kept = plan.steps.iter().find_map(|it| match it {
        Step::Keep { instances } => Some(instances.as_slice()),
        _ => None,
    });
    let service = |it: &InstanceId| it.0.split('.').nth(2).map(str::to_owned);
    for service in kept.unwrap_or_default().iter().filter_map(service) {
        all.entry(service).or_default().1 += 1;
    }
    let changed = all.into_iter().filter(|(_, (from, to))| from != to);
    changed.map(|(service, (from, to))| Count { service, from, to }).collect()
}

fn ports(plan: &Plan) -> Ports {
    let mut ports = Ports::default();
    for step in &plan.steps {
        match step {
            Step::Start { instance } => ports.taken.extend(instance.port),
            Step::Retire { instance, .. } => ports.kept.extend(instance.port),
            Step::Stop { instance, .. } => ports.freed.extend(instance.port),
            _ => {}
        }
    }
    ports
}

/// The steps whose effect nothing takes back, numbered as the plan is printed.
fn irreversible(plan: &Plan) -> Vec<String> {
    let numbered = |(at, step): (usize, &Step)| {
        let why = stays_done(step, at >= plan.commit)?;
        Some(format!("{}. {}: {why}", at + 1, describe::title(step)))
    };
    plan.steps.iter().enumerate().filter_map(numbered).collect()
}

fn stays_done(step: &Step, committed: bool) -> Option<&'static str> {
    match step {
        Step::Backup { .. } => Some("it is kept"),
        Step::Migrate { .. } => Some("the old release must live with what it made"),
        Step::Hook { .. } => Some("what it did is not undone"),
        Step::Prune { releases, .. } if !releases.is_empty() => Some("their content is gone then"),
        Step::Stop { .. } if committed => Some("a way back starts it anew"),
        _ => None,
    }
}
