//! Which new instances take over together, and which old ones serve until then.

use super::fleet::Fleet;
use crate::{
    instance::Instance,
    name::Name,
    plan::Share,
    service::{ServiceSpec, Strategy},
};

/// Switches of one plan, at most: where more would be needed the batches are larger.
pub(super) const BATCHES_MAX: usize = 20;

/// The new instances by the switch that they take over with; there is always one.
///
/// What is replaced at once comes with the first.  Workers, which work as soon as they run, come
/// with the last, but for those whose old ones must be gone before.
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
        (self.count() > 1).then(|| Share {
            batch: counted(at + 1),
            batches: counted(self.count()),
            new: counted(serving.iter().filter(new).count()),
            all: counted(serving.len()),
        })
    }

    /// As many of the old have left as new ones have come; with the last of these all have.
    fn old_after(&self, at: usize, service: &ServiceSpec) -> Vec<&'f Instance> {
        let name = &service.name;
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

fn fresh_of<'f>(fleet: &'f Fleet<'f>, service: &Name) -> impl Iterator<Item = &'f Instance> {
    fleet.fresh.iter().filter(move |it| it.service == *service)
}
