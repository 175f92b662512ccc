//! Which instances start, serve again, stay and leave.

mod ports;
mod scaled;

use super::{Desired, Observed, Wanted};
use crate::{
    failure::{Blame, Failure},
    id::InstanceId,
    instance::{Instance, Slot},
    name::Name,
    plan::Kind,
    release::Release,
    service::{Probe, Readiness, ServiceSpec, Strategy},
};

/// Characters of the deployment's id that end an instance's.
const SUFFIX_CHARACTERS: usize = 8;
/// Instances of one service, at most.
const INSTANCES_MAX: u16 = 256;

/// Which instances start, serve again, stay and leave.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fleet<'a> {
    pub(super) kind: Kind,
    /// Whose instances run at last; none: no instances.
    pub(super) to: Option<&'a Release>,
    /// Are started.
    pub(super) fresh: Vec<Instance>,
    /// Are warm, and serve again.
    pub(super) claimed: Vec<Instance>,
    /// Run before and after.
    pub(super) staying: Vec<Instance>,
    /// Run before; those that must be gone before the new may start come as `giving_way`.
    pub(super) leaving: Vec<Instance>,
    /// As `leaving`, and stopped before the commit.
    pub(super) giving_way: Vec<Instance>,
    /// Of no use: stopped after the commit.
    pub(super) surplus: Vec<Instance>,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(observed: &'a Observed, desired: &'a Desired) -> Result<Fleet<'a>, Failure> {
        if observed.on_probation {
            return Err(on_probation(desired));
        }
        let to = target(observed, desired)?;
        let mut fleet = Fleet {
            kind: kind(observed, &desired.wanted),
            to,
            fresh: vec![],
            claimed: vec![],
            staying: vec![],
            leaving: vec![],
            giving_way: vec![],
            surplus: observed.left_over.clone(),
        };
        if let Some(to) = to {
            expect_known_services(to, desired)?;
            let slot = fleet.slot(observed);
            for service in &to.spec.services {
                let slot = fleet.slot_of(observed, service).unwrap_or(slot);
                fleet.muster(observed, desired, to, service, slot)?;
            }
        }
        fleet.dismiss(observed);
        ports::allot(&mut fleet, observed)?;
        Ok(fleet)
    }

    /// All that runs at last, by service and number.
    pub(super) fn after(&self) -> Vec<&Instance> {
        let mut all: Vec<&Instance> =
            self.staying.iter().chain(&self.claimed).chain(&self.fresh).collect();
        all.sort_by(|a, b| (&a.service, a.number, &a.id).cmp(&(&b.service, b.number, &b.id)));
        all
    }

    /// The specification of a new instance's service.
    pub(super) fn service(&self, instance: &Instance) -> Option<&'a ServiceSpec> {
        service_of(self.to?, &instance.service)
    }

    /// Whether a new instance is no process: the router serves its files.
    pub(super) fn is_static(&self, instance: &Instance) -> bool {
        self.service(instance).is_some_and(|it| it.files.is_some())
    }

    /// Whether a service's old instance must be gone before its new one is started.
    pub(super) fn replaces(&self, service: &Name) -> bool {
        self.giving_way.iter().any(|it| it.service == *service)
    }

    fn slot(&self, observed: &Observed) -> Slot {
        let present = observed.active.iter().chain(&observed.stopped).map(|it| it.slot).next();
        match (self.kind, present) {
            (Kind::Scale, Some(slot)) => slot,
            (_, slot) => slot.map_or(Slot::Blue, Slot::other),
        }
    }

    /// A service may have been left as it ran when others took the other slot.
    fn slot_of(&self, observed: &Observed, service: &ServiceSpec) -> Option<Slot> {
        let present = observed.active.iter().chain(&observed.stopped);
        let present = present.filter(|it| it.service == service.name).map(|it| it.slot).next();
        present.map(|it| if self.kind == Kind::Scale { it } else { it.other() })
    }

    /// Finds a service's instances: those that stay, those that are warm, and new ones.
    fn muster(
        &mut self,
        observed: &Observed,
        desired: &Desired,
        to: &Release,
        service: &ServiceSpec,
        slot: Slot,
    ) -> Result<(), Failure> {
        let mut wanted = count(observed, desired, service)?;
        let owner = owner(observed, to, service)?;
        let mut numbers: Vec<u16> = vec![];
        let present = self.fit_to_stay(observed, to, service);
        if !present.is_empty() {
            if self.kind != Kind::Scale {
                // As it was scaled.
                wanted = u16::try_from(present.len()).unwrap_or(INSTANCES_MAX);
            }
            let present = present.into_iter().take(usize::from(wanted));
            let present: Vec<Instance> = present.collect();
            numbers.extend(present.iter().map(|it| it.number));
            self.staying.extend(present);
        } else if self.kind == Kind::Rollback && service.strategy != Strategy::Recreate {
            let mut warm = of_service(&observed.warm, &service.name);
            warm.retain(|it| it.release == owner.id);
            warm.truncate(usize::from(wanted));
            numbers.extend(warm.iter().map(|it| it.number));
            self.claimed.extend(warm);
        }
        let missing = usize::from(wanted) - numbers.len();
        let free = (1..=u16::MAX).filter(|it| !numbers.contains(it)).take(missing);
        let fresh = free.map(|number| Instance {
            id: instance_id(desired, &service.name, number),
            environment: desired.environment.clone(),
            service: service.name.clone(),
            release: owner.id.clone(),
            version: owner.version.clone(),
            number,
            slot,
            // Filled in when it is known who leaves.
            port: needs_port(service).then_some(service.port.unwrap_or(0)),
            socket: listens(service) && service.socket.is_some(),
        });
        self.fresh.extend(fresh);
        Ok(())
    }

    /// Those of a service that go on: all but what is too many, or what the release leaves as it
    /// runs, or what a rollback would only start again.
    fn fit_to_stay(
        &self,
        observed: &Observed,
        to: &Release,
        service: &ServiceSpec,
    ) -> Vec<Instance> {
        let mut present = of_service(&observed.active, &service.name);
        present.sort_by_key(|it| it.number);
        let owner = to.owner_of(&service.name);
        let stays = match self.kind {
            Kind::Scale => true,
            Kind::Rollback => present.iter().all(|it| it.release == *owner),
            Kind::Initial | Kind::Update => {
                to.left.contains_key(&service.name) && present.iter().all(|it| it.release == *owner)
            }
            Kind::Restart | Kind::Stop | Kind::Start => false,
        };
        if stays { present } else { vec![] }
    }

    /// Says farewell to all that neither stays nor serves again.
    fn dismiss(&mut self, observed: &Observed) {
        for old in &observed.active {
            if self.staying.iter().any(|it| it.id == old.id) {
                continue;
            }
            let service = self.to.and_then(|it| service_of(it, &old.service));
            let replaced = service.is_some_and(|it| it.strategy == Strategy::Recreate)
                && self.fresh.iter().any(|it| it.service == old.service);
            let place = if replaced { &mut self.giving_way } else { &mut self.leaving };
            place.push(old.clone());
        }
        // One warm release per environment: what served before this one.
        let keeps = matches!(self.kind, Kind::Restart | Kind::Scale | Kind::Start);
        let unclaimed = |it: &&Instance| !self.claimed.iter().any(|mine| mine.id == it.id);
        if !keeps {
            self.surplus.extend(observed.warm.iter().filter(unclaimed).cloned());
        }
    }
}

/// Whether a service's instances are given a port.
pub(super) fn needs_port(service: &ServiceSpec) -> bool {
    listens(service) && service.socket.is_none()
}

fn listens(service: &ServiceSpec) -> bool {
    let asked = service.health.as_ref().map(|it| &it.probe);
    let listens = !service.routes.is_empty()
        || service.port.is_some()
        || service.readiness == Readiness::Port
        || !service.smoke.is_empty()
        || matches!(asked, Some(Probe::Http { .. } | Probe::Tcp));
    listens && service.files.is_none()
}

pub(super) fn service_of<'a>(release: &'a Release, name: &Name) -> Option<&'a ServiceSpec> {
    release.spec.services.iter().find(|it| it.name == *name)
}

/// The release whose instances the service runs.
fn owner<'a>(
    observed: &'a Observed,
    to: &'a Release,
    service: &ServiceSpec,
) -> Result<&'a Release, Failure> {
    let id = to.owner_of(&service.name);
    if *id == to.id {
        return Ok(to);
    }
    observed.release(id).ok_or_else(|| {
        let message = format!(
            "run `{}` as {} leaves it: its release {id} is not kept",
            service.name, to.version
        );
        Failure::new(Blame::Request, message)
            .hint("deploy all services: leave `--service` out, or name a release that is kept")
    })
}

fn kind(observed: &Observed, wanted: &Wanted) -> Kind {
    match wanted {
        Wanted::Release { back: true, .. } => Kind::Rollback,
        Wanted::Release { .. } if observed.current.is_none() => Kind::Initial,
        Wanted::Release { .. } => Kind::Update,
        Wanted::Restart => Kind::Restart,
        Wanted::Scale { .. } => Kind::Scale,
        Wanted::Stop => Kind::Stop,
        Wanted::Start => Kind::Start,
    }
}

/// The release whose instances run at last.
fn target<'a>(
    observed: &'a Observed,
    desired: &'a Desired,
) -> Result<Option<&'a Release>, Failure> {
    let name = &desired.environment;
    let runs = !observed.active.is_empty();
    let refuse = |message: String| Failure::new(Blame::Request, message);
    match &desired.wanted {
        Wanted::Release { release, .. } => Ok(Some(release)),
        Wanted::Stop if observed.works() => Ok(None),
        Wanted::Stop => Err(refuse(format!("stop {name}: no instance of it runs"))),
        Wanted::Start if observed.works() => Err(refuse(format!("start {name}: it runs"))
            .hint(format!("`cutover restart {name}` starts new instances"))),
        Wanted::Restart | Wanted::Scale { .. } if !runs => {
            Err(refuse(format!("change {name}: no instance of it runs"))
                .hint(format!("`cutover start {name}` starts what was stopped")))
        }
        Wanted::Restart | Wanted::Scale { .. } | Wanted::Start => {
            observed.current.as_ref().map(Some).ok_or_else(|| {
                refuse(format!("change {name}: it has no release yet"))
                    .hint(format!("`cutover deploy {name}` makes the first"))
            })
        }
    }
}

fn on_probation(desired: &Desired) -> Failure {
    let name = &desired.environment;
    let message = format!("plan a change of {name}: what serves is still on probation");
    Failure::new(Blame::Platform, message)
        .hint("it ends by itself within a minute; or `cutover abort` ends it now")
}

fn expect_known_services(to: &Release, desired: &Desired) -> Result<(), Failure> {
    let Wanted::Scale { instances } = &desired.wanted else { return Ok(()) };
    let names: Vec<&str> = to.spec.services.iter().map(|it| it.name.as_str()).collect();
    match instances.keys().find(|it| service_of(to, it).is_none()) {
        None => Ok(()),
        Some(unknown) => {
            let message = format!("scale `{unknown}`: {} has no such service", desired.environment);
            Err(Failure::new(Blame::Request, message)
                .hint(format!("its services are {}", names.join(", "))))
        }
    }
}

/// How many instances of a service run at last.
fn count(observed: &Observed, desired: &Desired, service: &ServiceSpec) -> Result<u16, Failure> {
    let counted = |of: &[Instance]| match of_service(of, &service.name).len() {
        0 => service.instances,
        some => u16::try_from(some).unwrap_or(INSTANCES_MAX),
    };
    let present = of_service(&observed.active, &service.name).len();
    let wanted = match &desired.wanted {
        Wanted::Restart => counted(&observed.active),
        Wanted::Start => counted(&observed.stopped),
        Wanted::Scale { instances } => match instances.get(&service.name) {
            Some(wanted) => *wanted,
            None => u16::try_from(present).unwrap_or(INSTANCES_MAX),
        },
        _ => scaled::remembered(observed, service).unwrap_or(service.instances),
    };
    let refuse = |why: String| Failure::new(Blame::Request, why);
    if service.files.is_some() {
        return match &desired.wanted {
            Wanted::Scale { instances } if instances.contains_key(&service.name) => {
                let why = format!("scale `{}`: it is static", service.name);
                Err(refuse(why).hint("the proxy serves its files itself: there is no instance"))
            }
            _ => Ok(1),
        };
    }
    if service.schedule.is_some() {
        return match &desired.wanted {
            Wanted::Scale { instances } if instances.contains_key(&service.name) => {
                let why = format!("scale `{}`: it runs by a schedule", service.name);
                Err(refuse(why).hint("there is never more than one of it at a time"))
            }
            _ => Ok(0),
        };
    }
    if wanted == 0 && !service.routes.is_empty() {
        let why = format!("run no instance of `{}`: requests are routed to it", service.name);
        return Err(refuse(why).hint("`cutover stop` stops all and answers 503 in its stead"));
    }
    if wanted > INSTANCES_MAX {
        let why = format!("run {wanted} instances of `{}`", service.name);
        return Err(refuse(why).hint(format!("at most {INSTANCES_MAX} are supported")));
    }
    Ok(wanted)
}

fn of_service(instances: &[Instance], service: &Name) -> Vec<Instance> {
    instances.iter().filter(|it| it.service == *service).cloned().collect()
}

fn instance_id(desired: &Desired, service: &Name, number: u16) -> InstanceId {
    let id = &desired.deployment.0;
    let suffix = id.get(id.len().saturating_sub(SUFFIX_CHARACTERS)..).unwrap_or(id);
    let suffix = suffix.to_ascii_lowercase();
    InstanceId(format!("{}.{service}.{number}.{suffix}", desired.environment.stem()))
}
