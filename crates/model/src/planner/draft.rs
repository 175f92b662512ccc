//! The steps, in their order.

mod checks;
mod settle;
mod traffic;

pub use traffic::public_requests;

use super::{Desired, Observed, Wanted, fleet::Fleet, numbers::Numbers};
use crate::{
    hook,
    instance::Instance,
    plan::{Kind, PLAN_VERSION, Plan, Probation, ReleaseLabel, StagedRoutes, Step},
    release::Release,
    service::Millis,
};

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
    numbers: Numbers,
}

/// Writes the plan down.  Nothing is decided here any more but the order.
pub(super) fn draft(observed: &Observed, desired: &Desired, fleet: &Fleet<'_>) -> Plan {
    let in_force = observed.routes.as_ref();
    let routed = |it: &Instance| in_force.is_some_and(|routes| routes.leads_to(&it.id));
    let holds = fleet.giving_way.iter().any(routed);
    let numbers = Numbers::new(in_force.map(|it| it.generation), observed.first_generation, holds);
    let draft = Draft { observed, desired, fleet, numbers };
    let mut steps = draft.advance();
    let commit = steps.len();
    steps.extend(draft.settle());
    let plan = Plan {
        version: PLAN_VERSION,
        deployment: desired.deployment.clone(),
        environment: desired.environment.clone(),
        kind: fleet.kind,
        from: observed.current.as_ref().filter(|_| !observed.active.is_empty()).map(label),
        to: fleet.to.map(label),
        steps,
        commit,
    };
    hook::woven(plan, fleet.to)
}

fn label(release: &Release) -> ReleaseLabel {
    ReleaseLabel { id: release.id.clone(), version: release.version.clone() }
}

impl Draft<'_> {
    /// What is undone if a part of it fails.
    fn advance(&self) -> Vec<Step> {
        let mut steps = self.prepare();
        let beside = |it: &&Instance| !self.fleet.replaces(&it.service);
        let (beside, instead): (Vec<&Instance>, Vec<&Instance>) =
            self.fleet.fresh.iter().partition(beside);
        // A worker works as soon as it runs, so it is started when everything else that is new has
        // proved fit: by then the switch is likely.
        let (served, workers): (Vec<&Instance>, Vec<&Instance>) =
            beside.into_iter().partition(|it| !self.is_worker(it));
        steps.extend(self.bring_up(&served, true));
        steps.extend(self.bring_up(&workers, false));
        steps.extend(self.give_way());
        steps.extend(self.bring_up(&instead, false));
        steps.extend(self.quiet());
        steps.extend(self.turn());
        steps
    }

    /// Whether no route leads to its service.
    fn is_worker(&self, instance: &Instance) -> bool {
        self.fleet.service(instance).is_some_and(|it| it.routes.is_empty())
    }

    fn prepare(&self) -> Vec<Step> {
        let mut steps = vec![];
        if let Wanted::Release { release, source: Some(source), .. } = &self.desired.wanted {
            steps.push(Step::Stage {
                release: release.id.clone(),
                version: release.version.clone(),
                source: source.clone(),
            });
        }
        steps.push(Step::StageRoutes { staged: self.staged() });
        if let Some(generation) = self.numbers.announced {
            steps.push(Step::Announce { generation });
        }
        if !self.fleet.claimed.is_empty() {
            let instances = self.fleet.claimed.clone();
            steps.push(Step::Claim { instances, keep_warm: self.keep_warm(&self.fleet.claimed) });
        }
        steps
    }

    fn staged(&self) -> Vec<StagedRoutes> {
        let plain = |routes| StagedRoutes { routes, probation: None };
        let numbers = self.numbers;
        let mut staged = vec![];
        staged.extend(numbers.announced.map(|it| plain(self.before(it))));
        staged.extend(numbers.held.map(|it| plain(self.before_held(it))));
        staged.push(StagedRoutes {
            routes: self.after(numbers.trial),
            probation: Some(Probation {
                fallback: numbers.switched_from(),
                expires: self.probation_expires(),
            }),
        });
        staged.extend(numbers.back_held.map(|it| plain(self.before_held(it))));
        staged.push(plain(self.before(numbers.back)));
        staged
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
        let numbers = self.numbers;
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

    /// From the switch to the commit.
    fn turn(&self) -> Vec<Step> {
        let numbers = self.numbers;
        let mut steps = vec![Step::Switch {
            from: numbers.switched_from(),
            to: numbers.trial,
            back: numbers.switched_back(),
        }];
        steps.extend(self.verify());
        steps.extend(self.recheck());
        let tried = self.fleet.claimed.iter().chain(&self.fleet.fresh);
        steps.push(Step::Bake {
            generation: numbers.trial,
            instances: tried.map(|it| it.id.clone()).collect(),
            for_at_least: self.bake(),
        });
        steps.push(Step::Confirm { confirms: numbers.trial, by: self.after(numbers.confirm) });
        steps
    }

    /// The longest bake of those services whose instances are new.
    fn bake(&self) -> Millis {
        let services = self.fleet.fresh.iter().filter_map(|it| self.fleet.service(it));
        services.map(|it| it.bake).max().unwrap_or(Millis(0))
    }

    fn probation_expires(&self) -> Millis {
        let verify = if self.verifies() { VERIFY_MARGIN.0 } else { 0 };
        Millis(self.bake().0 + verify + self.recheck_time_max().0 + PROBATION_MARGIN.0)
    }

    /// Nothing is asked where nothing new was started: a warm release serves at once.
    fn verifies(&self) -> bool {
        !self.fleet.fresh.is_empty() && self.fleet.kind != Kind::Stop
    }
}
