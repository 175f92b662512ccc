//! After the commit: forward only, clearing up after the old.

use super::Draft;
use crate::{
    instance::Instance,
    plan::{Kind, Step},
    planner::Wanted,
    release::{Release, Standing},
    retention::{self, Needed},
    service::Millis,
};

impl Draft<'_> {
    pub(super) fn settle(&self) -> Vec<Step> {
        let processes = self.fleet.after().into_iter().filter(|it| !self.fleet.is_static(it));
        let instances = processes.map(|it| it.id.clone()).collect();
        let mut steps = vec![Step::Keep { instances }];
        steps.extend(self.link());
        let leaving = &self.fleet.leaving;
        let routed: Vec<&Instance> = leaving.iter().filter(|it| self.routed(it)).collect();
        if !routed.is_empty() {
            steps.push(Step::Drain {
                instances: routed.iter().map(|it| it.id.clone()).collect(),
                deadline: self.drain(&routed),
            });
        }
        let processes = leaving.iter().filter(|it| !self.served_files(it));
        steps.extend(processes.map(|it| self.let_go(it)));
        steps.extend(self.fleet.surplus.iter().map(|it| self.stop(it)));
        steps.push(Step::Prune {
            generations: self.numbers.useless_at_last(),
            releases: self.prunable(),
            backups: self.backed_up_by().map(|it| it.id.clone()).filter(|_| self.backs_up()),
        });
        steps.push(Step::Manifest);
        steps
    }

    /// Only what served well before an update is a way back that is worth its memory.
    fn let_go(&self, old: &Instance) -> Step {
        let keep_warm = self.keep_warm(std::slice::from_ref(old));
        let another = self.fleet.to.is_some_and(|it| it.id != old.release);
        let way_back = self.fleet.kind == Kind::Update && another && self.routed(old);
        if way_back && keep_warm > Millis(0) {
            Step::Retire { instance: old.clone(), keep_warm }
        } else {
            self.stop(old)
        }
    }

    fn link(&self) -> Option<Step> {
        let Wanted::Release { release, .. } = &self.desired.wanted else { return None };
        let previous = self.previous(release).map(|it| it.version.clone());
        Some(Step::Link { current: Some(release.version.clone()), previous })
    }

    /// What a rollback from the new release goes back to.
    fn previous(&self, to: &Release) -> Option<&Release> {
        let left = self.observed.current.as_ref();
        let back = self.fleet.kind == Kind::Rollback;
        let fit = |it: &&Release| {
            // A release's id begins with the time it was made: what is left for a newer one by
            // `rollback --to` was good.
            let rolled_back = back && it.id > to.id && left.is_some_and(|left| left.id == it.id);
            it.id != to.id && it.version != to.version && !rolled_back
        };
        let accepted = self.observed.releases.iter().filter(|it| it.standing == Standing::Accepted);
        let mut accepted = accepted.map(|it| &it.release);
        left.filter(fit).or_else(|| accepted.find(fit))
    }

    fn prunable(&self) -> Vec<String> {
        let Wanted::Release { release, .. } = &self.desired.wanted else { return vec![] };
        let mut versions = vec![release.version.clone()];
        let previous = self.previous(release).map(|it| it.version.clone());
        // The link stays where there is nothing better for it to point at.
        versions.extend(previous.or_else(|| self.observed.linked_previous.clone()));
        versions.extend(self.observed.current.as_ref().map(|it| it.version.clone()));
        let left = [Some(&**release), self.previous(release), self.observed.current.as_ref()];
        let left = left.into_iter().flatten().flat_map(|it| it.left.values());
        let left = left.filter_map(|it| self.observed.release(it));
        versions.extend(left.map(|it| it.version.clone()));
        versions.extend(self.after(self.numbers.confirm).earlier_files().map(str::to_owned));
        let running = [&self.fleet.leaving, &self.fleet.surplus, &self.observed.active];
        versions.extend(running.into_iter().flatten().map(|it| it.version.clone()));
        versions.extend(self.observed.prepared.iter().cloned());
        let keep = release.spec.keep_releases as usize;
        retention::prunable(&self.observed.releases, keep, &Needed { versions })
    }
}
