//! Which new instances take over together, which old ones serve until then, and with what share.

use super::fleet::Fleet;
use crate::{
    bake::BakeRule,
    instance::Instance,
    name::Name,
    plan::{Kind, Share},
    service::{Millis, ServiceSpec, Strategy},
};

/// Switches of one plan, at most: where more would be needed the batches are larger.
pub(super) const BATCHES_MAX: usize = 20;

/// The new instances by the switch that they take over with; there is always one.
///
/// What is replaced at once comes with the first, and so does what is then given more and more of
/// the requests: each of its stages is a switch, as each batch is.  Workers, which work as soon as
/// they run, come with the last, but for those whose old ones must be gone before.
pub(super) struct Batches<'f> {
    fleet: &'f Fleet<'f>,
    all: Vec<Vec<&'f Instance>>,
}

impl<'f> Batches<'f> {
    pub(super) fn of(fleet: &'f Fleet<'f>) -> Batches<'f> {
        let mut all: Vec<Vec<&Instance>> = vec![vec![]];
        let services = || fleet.to.iter().flat_map(|it| &it.spec.services);
        for service in services().filter(|it| !comes_last(fleet, it)) {
            let fresh: Vec<&Instance> = fresh_of(fleet, &service.name).collect();
            let size = size(fleet, service).unwrap_or(fresh.len()).max(1);
            for (at, batch) in fresh.chunks(size).enumerate() {
                if all.len() == at {
                    all.push(vec![]);
                }
                all[at].extend(batch);
            }
            let switches = stages(fleet, service).map_or(1, |it| it.len() + 1);
            all.resize(all.len().max(switches), vec![]);
        }
        let workers = services().filter(|it| comes_last(fleet, it));
        let workers = workers.flat_map(|it| fresh_of(fleet, &it.name));
        let last = all.len() - 1;
        all[last].extend(workers);
        Batches { fleet, all }
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// By their index.
    pub(super) fn new_in(&self, at: usize) -> &[&'f Instance] {
        self.all.get(at).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_last(&self, at: usize) -> bool {
        at + 1 >= self.count()
    }

    /// All that are started when the batch is.
    pub(super) fn new_until(&self, at: usize) -> impl Iterator<Item = &'f Instance> {
        self.all.iter().take(at + 1).flatten().copied()
    }

    /// The instances of a service that serve once the batch took over, by number.
    pub(super) fn serving(&self, at: usize, service: &ServiceSpec) -> Vec<Instance> {
        let fleet = self.fleet;
        let mut all: Vec<&Instance> = fleet.staying.iter().chain(&fleet.claimed).collect();
        all.extend(self.new_until(at));
        all.retain(|it| it.service == service.name);
        all.extend(self.old_after(at, service));
        all.sort_by(|a, b| (a.number, &a.id).cmp(&(b.number, &b.id)));
        all.into_iter().cloned().collect()
    }

    /// How far it has come with the batch; none where there is only one.
    pub(super) fn share(&self, at: usize) -> Option<Share> {
        let counted = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let services = self.fleet.to.iter().flat_map(|it| &it.spec.services);
        let routed = services.filter(|it| !it.routes.is_empty());
        let serving: Vec<Instance> = routed.flat_map(|it| self.serving(at, it)).collect();
        let new = |it: &&Instance| !self.fleet.leaving.iter().any(|old| old.id == it.id);
        let mut services = self.fleet.to.iter().flat_map(|it| &it.spec.services);
        let percent = services.find_map(|it| {
            let stages = stages(self.fleet, it)?;
            Some(stages.get(at).copied().unwrap_or(100))
        });
        (self.count() > 1).then(|| Share {
            percent,
            batch: counted(at + 1),
            batches: counted(self.count()),
            new: counted(serving.iter().filter(new).count()),
            all: counted(serving.len()),
        })
    }

    /// What each of the instances of a service gets of its requests; empty: all the same.
    pub(super) fn weights(
        &self,
        at: usize,
        service: &ServiceSpec,
        serving: &[Instance],
    ) -> Vec<u16> {
        let Some(percent) = stages(self.fleet, service).and_then(|it| it.get(at)) else {
            return vec![];
        };
        let is_old = |it: &&Instance| self.fleet.leaving.iter().any(|old| old.id == it.id);
        let old = serving.iter().filter(is_old).count();
        let new = serving.len() - old;
        // Each side's share, whatever the numbers of instances.
        let (of_new, of_old) = (usize::from(*percent) * old, usize::from(100 - percent) * new);
        let common = common_divisor(of_new, of_old).max(1);
        let weight = |it: &Instance| {
            let whole = if is_old(&it) { of_old } else { of_new };
            u16::try_from(whole / common).unwrap_or(u16::MAX)
        };
        serving.iter().map(weight).collect()
    }

    /// How long the service is watched after the switch, and by what rule; none: it has no part in
    /// it.
    pub(super) fn watch(&self, at: usize, service: &ServiceSpec) -> Option<(Millis, BakeRule)> {
        let time = match stages(self.fleet, service) {
            Some(stages) if at < stages.len() => service.canary.each,
            Some(stages) if at == stages.len() => service.bake,
            Some(_) => return None,
            None if self.new_in(at).iter().any(|it| it.service == service.name) => service.bake,
            None => return None,
        };
        // What has no routes has no traffic to be judged by.
        let rule = if service.routes.is_empty() { BakeRule::default() } else { service.verdict };
        Some((time, rule))
    }

    /// As many of the old have left as new ones have come; with the last of these all have.
    fn old_after(&self, at: usize, service: &ServiceSpec) -> Vec<&'f Instance> {
        let name = &service.name;
        if let Some(stages) = stages(self.fleet, service) {
            let old = self.fleet.leaving.iter().filter(|it| it.service == *name);
            return if at < stages.len() { old.collect() } else { vec![] };
        }
        let came = self.new_until(at).filter(|it| it.service == *name).count();
        let rolls = size(self.fleet, service).is_some();
        if !rolls || came >= fresh_of(self.fleet, name).count() {
            return vec![];
        }
        let mut old: Vec<&Instance> =
            self.fleet.leaving.iter().filter(|it| it.service == *name).collect();
        old.sort_by_key(|it| it.number);
        old.into_iter().skip(came).collect()
    }
}

fn comes_last(fleet: &Fleet<'_>, service: &ServiceSpec) -> bool {
    service.routes.is_empty() && !fleet.replaces(&service.name)
}

/// Instances in each batch, where there is something to roll over.
fn size(fleet: &Fleet<'_>, service: &ServiceSpec) -> Option<usize> {
    let replaces = fleet.leaving.iter().any(|it| it.service == service.name);
    if service.strategy != Strategy::Rolling || service.routes.is_empty() || !replaces {
        return None;
    }
    let least = fresh_of(fleet, &service.name).count().div_ceil(BATCHES_MAX);
    Some(usize::from(service.rolling.batch).max(least))
}

/// The shares by which the service's requests move, in percent and before all of them do, where
/// there is something that they move from.  Going back, and the same once more, need no trial.
fn stages<'s>(fleet: &Fleet<'_>, service: &'s ServiceSpec) -> Option<&'s [u8]> {
    let replaces = fleet.leaving.iter().any(|it| it.service == service.name);
    let moves = service.strategy == Strategy::Canary && !service.routes.is_empty() && replaces;
    let moves = moves && fleet.kind == Kind::Update && fresh_of(fleet, &service.name).count() > 0;
    moves.then_some(service.canary.stages.as_slice())
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

fn fresh_of<'f>(fleet: &'f Fleet<'f>, service: &Name) -> impl Iterator<Item = &'f Instance> {
    fleet.fresh.iter().filter(move |it| it.service == *service)
}
