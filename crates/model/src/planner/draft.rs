//! The steps, in their order.

mod checks;
mod secure;
mod settle;
mod traffic;

pub use traffic::public_requests;

use super::{Desired, Observed, Wanted, batch::Batches, fleet::Fleet, numbers::Numbers};
use crate::{
    bake::{BakeRule, HOLD_MAX, OnUndecided},
    build, hook,
    id::Generation,
    instance::Instance,
    migrate,
    name::Name,
    plan::{Kind, PLAN_VERSION, Plan, Probation, ReleaseLabel, StagedRoutes, Step},
    release::Release,
    service::Millis,
};
use std::collections::BTreeMap;

/// How long the proxy waits for a confirmation beyond the bake.
const PROBATION_MARGIN: Millis = Millis::seconds(20);
/// How long the questions through the public route may take.
const VERIFY_MARGIN: Millis = Millis::seconds(10);
/// How long what is in flight to the old may take while other requests are held for it.
const HELD_DRAIN_MAX: Millis = Millis::seconds(10);

/// All that the parts of a draft share.
struct Draft<'a> {
    observed: &'a Observed,
    desired: &'a Desired,
    fleet: &'a Fleet<'a>,
    batches: Batches<'a>,
    numbers: Numbers,
}

/// Writes the plan down.  Nothing is decided here any more but the order.
pub(super) fn draft<'a>(
    observed: &'a Observed,
    desired: &'a Desired,
    fleet: &'a Fleet<'a>,
) -> Plan {
    let in_force = observed.routes.as_ref();
    let routed = |it: &Instance| in_force.is_some_and(|routes| routes.leads_to(&it.id));
    let holds = fleet.giving_way.iter().any(routed);
    let batches = Batches::of(fleet);
    let before = in_force.map(|it| it.generation);
    let numbers = Numbers::new(before, observed.first_generation, holds, batches.count());
    let draft = Draft { observed, desired, fleet, batches, numbers };
    let mut steps = draft.advance();
    let commit = steps.len();
    steps.extend(draft.settle());
    let plan = Plan {
        version: PLAN_VERSION,
        deployment: desired.deployment.clone(),
        environment: desired.environment.clone(),
        kind: fleet.kind,
        from: observed.current.as_ref().filter(|_| observed.works()).map(label),
        to: fleet.to.map(label),
        stays: stays(fleet),
        steps,
        commit,
    };
    hook::woven(plan, fleet.to)
}

/// Told only where something else is brought: else it is what the plan is about.
fn stays(fleet: &Fleet<'_>) -> BTreeMap<Name, ReleaseLabel> {
    if !matches!(fleet.kind, Kind::Initial | Kind::Update | Kind::Rollback) {
        return BTreeMap::new();
    }
    let label =
        |it: &Instance| ReleaseLabel { id: it.release.clone(), version: it.version.clone() };
    fleet.staying.iter().map(|it| (it.service.clone(), label(it))).collect()
}

fn label(release: &Release) -> ReleaseLabel {
    ReleaseLabel { id: release.id.clone(), version: release.version.clone() }
}

impl Draft<'_> {
    /// What is undone if a part of it fails.
    fn advance(&self) -> Vec<Step> {
        let mut steps = self.prepare();
        for at in 0..self.batches.count() {
            steps.extend(self.bring_up_batch(at));
            steps.extend(self.turn(at));
        }
        let confirms = self.last_trial();
        steps.push(Step::Confirm { confirms, by: self.after(self.numbers.confirm) });
        steps
    }

    /// Whether no route leads to its service.
    fn is_worker(&self, instance: &Instance) -> bool {
        self.fleet.service(instance).is_some_and(|it| it.routes.is_empty())
    }

    fn prepare(&self) -> Vec<Step> {
        let mut steps = self.secure();
        if let Wanted::Release { release, source: Some(source), .. } = &self.desired.wanted {
            steps.push(Step::Stage {
                release: release.id.clone(),
                version: release.version.clone(),
                source: source.clone(),
            });
            let run = build::run(release, &self.desired.deployment);
            steps.extend(run.map(|build| Step::Build { build }));
        }
        steps.extend(self.migrations());
        steps.push(Step::StageRoutes { staged: self.staged() });
        if let Some(generation) = self.numbers.announced {
            steps.push(Step::Announce { generation });
        }
        if !self.fleet.claimed.is_empty() {
            let instances = self.fleet.claimed.clone();
            steps.push(Step::Claim { instances, keep_warm: self.keep_warm(&self.fleet.claimed) });
        }
        // As late as can be: nothing of the new runs yet, and it meets the data it knows.
        steps.extend(self.bring_back());
        steps
    }

    /// Not for what goes back: its code meets the database as later releases left it.
    fn migrations(&self) -> Vec<Step> {
        let Wanted::Release { release, back, .. } = &self.desired.wanted else { return vec![] };
        let current = self.observed.current.as_ref();
        let is_older = current.is_some_and(|it| release.created_at_ms < it.created_at_ms);
        if self.desired.overrides.skip_migrate || (*back && is_older) {
            return vec![];
        }
        let from = current.map(|it| it.version.as_str());
        let runs = migrate::runs(release, from, &self.desired.deployment);
        runs.into_iter().map(|migration| Step::Migrate { migration }).collect()
    }

    fn staged(&self) -> Vec<StagedRoutes> {
        let plain = |routes| StagedRoutes { routes, probation: None };
        let numbers = &self.numbers;
        let mut staged = vec![];
        staged.extend(numbers.announced.map(|it| plain(self.before(it))));
        staged.extend(numbers.held.map(|it| plain(self.before_held(it))));
        staged.extend(numbers.trials.iter().enumerate().map(|(at, trial)| StagedRoutes {
            routes: self.tried(at, *trial),
            probation: Some(Probation {
                fallback: numbers.switched_from(),
                expires: self.probation_expires(at),
            }),
        }));
        staged.extend(numbers.back_held.map(|it| plain(self.before_held(it))));
        staged.push(plain(self.before(numbers.back)));
        staged
    }

    /// What cannot run beside its successor gives way in the first batch.
    fn bring_up_batch(&self, at: usize) -> Vec<Step> {
        let beside = |it: &&Instance| !self.fleet.replaces(&it.service);
        let new = self.batches.new_in(at).iter().copied();
        // What the router serves itself is there as soon as its content is.
        let processes = new.filter(|it| !self.fleet.is_static(it));
        let (beside, instead): (Vec<&Instance>, Vec<&Instance>) = processes.partition(beside);
        // A worker works as soon as it runs, so it is started when everything else that is new has
        // proved fit: by then the switch is likely.
        let (served, workers): (Vec<&Instance>, Vec<&Instance>) =
            beside.into_iter().partition(|it| !self.is_worker(it));
        let mut steps = self.bring_up(&served, at == 0);
        steps.extend(self.bring_up(&workers, false));
        if at == 0 {
            steps.extend(self.give_way());
            steps.extend(self.bring_up(&instead, false));
        }
        if self.batches.is_last(at) {
            steps.extend(self.quiet());
        }
        steps
    }

    /// All are started before the first is waited for, or many instances would cost as many boots.
    fn bring_up(&self, fresh: &[&Instance], and_claimed: bool) -> Vec<Step> {
        let start = |it: &&Instance| Step::Start { instance: (*it).clone() };
        let mut steps: Vec<Step> = fresh.iter().map(start).collect();
        if and_claimed {
            steps.extend(self.fleet.claimed.iter().map(|it| self.await_once(it)));
        }
        steps.extend(fresh.iter().map(|it| self.await_ready(it)));
        steps.extend(fresh.iter().filter_map(|it| self.smoke(it)));
        steps.extend(fresh.iter().filter_map(|it| self.check(it)));
        steps
    }

    /// Stops what cannot run beside its successor, while its requests wait.
    fn give_way(&self) -> Vec<Step> {
        let going = &self.fleet.giving_way;
        let numbers = &self.numbers;
        let mut steps = vec![];
        if let Some(held) = numbers.held {
            steps.push(Step::Hold { from: numbers.before, held, back: numbers.back });
            let routed: Vec<&Instance> = going.iter().filter(|it| self.routed(it)).collect();
            steps.push(Step::Drain {
                instances: routed.iter().map(|it| it.id.clone()).collect(),
                deadline: self.drain(&routed).min(HELD_DRAIN_MAX),
            });
        }
        steps.extend(going.iter().map(|it| self.stop(it)));
        steps
    }

    /// The last thing before the switch, since a quiet worker returns by a restart only: whatever
    /// failed so far has disturbed none of the old.
    fn quiet(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = vec![];
        for old in self.fleet.leaving.iter().filter(|it| !self.routed(it)) {
            let Some(signal) = self.quiet_signal(old) else { continue };
            let with = steps.iter_mut().find_map(|it| match it {
                Step::Quiet { instances, .. } if instances[0].service == old.service => {
                    Some(instances)
                }
                _ => None,
            });
            match with {
                Some(instances) => instances.push(old.clone()),
                None => {
                    let (instances, check) = (vec![old.clone()], self.check_before(old));
                    steps.push(Step::Quiet { instances, signal, check });
                }
            }
        }
        steps
    }

    /// From a batch's switch to the end of its bake.
    fn turn(&self, at: usize) -> Vec<Step> {
        let (numbers, trial) = (&self.numbers, self.numbers.trials[at]);
        let before = at.checked_sub(1).map(|it| numbers.trials[it]);
        let mut steps = vec![Step::Switch {
            from: before.unwrap_or(numbers.switched_from()),
            to: trial,
            back: numbers.switched_back(),
            share: self.batches.share(at),
        }];
        steps.extend(self.verify(trial, self.batches.new_until(at)));
        if self.batches.is_last(at) {
            // By the public route, which leads to the new alone from here on.
            steps.extend(self.recheck());
        }
        let tried = self.fleet.claimed.iter().chain(self.batches.new_until(at));
        let tried = tried.filter(|it| !self.fleet.is_static(it));
        let (for_at_least, rule) = self.bake(at);
        let instances = tried.map(|it| it.id.clone()).collect();
        steps.push(Step::Bake { generation: trial, instances, for_at_least, rule });
        steps
    }

    fn last_trial(&self) -> Generation {
        self.numbers.trials[self.batches.count() - 1]
    }

    /// The longest bake, and the strictest rule, of those services that have a part in the switch.
    fn bake(&self, at: usize) -> (Millis, BakeRule) {
        let services = self.fleet.to.iter().flat_map(|it| &it.spec.services);
        let watched = services.filter_map(|it| self.batches.watch(at, it));
        let both = |a: (Millis, BakeRule), b: (Millis, BakeRule)| (a.0.max(b.0), a.1.and(b.1));
        watched.reduce(both).unwrap_or((Millis(0), BakeRule::default()))
    }

    /// It lasts until the next batch takes over: the proxy goes on watching while that one starts.
    fn probation_expires(&self, at: usize) -> Millis {
        let verify = if self.verifies() { VERIFY_MARGIN.0 } else { 0 };
        let next = self.batches.new_in(at + 1).iter().map(|it| self.bring_up_time_max(it).0);
        let last = self.batches.is_last(at);
        let then = if last { self.recheck_time_max().0 } else { next.sum() };
        let (watched, rule) = self.bake(at);
        let held = if rule.on_undecided == OnUndecided::Hold { HOLD_MAX.0 } else { 0 };
        Millis(watched.0 + held + verify + then + PROBATION_MARGIN.0)
    }

    /// Nothing is asked where nothing new was started: a warm release serves at once.
    fn verifies(&self) -> bool {
        !self.fleet.fresh.is_empty() && self.fleet.kind != Kind::Stop
    }
}
