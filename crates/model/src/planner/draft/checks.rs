//! What is asked of an instance before it may serve, and how it is let go.

use super::Draft;
use crate::{
    check::{Check, Checks},
    instance::Instance,
    plan::{ReadyCheck, Step},
    planner::fleet::service_of,
    role::QuietSignal,
    service::{HealthSpec, Millis, Readiness, ServiceSpec},
};

/// How long an instance that is up already may take to say so.
const WARM_TIMEOUT: Millis = Millis::seconds(5);
/// Of instances whose release's record is gone.
const DRAIN_DEFAULT: Millis = Millis::seconds(30);
const START_TIMEOUT_DEFAULT: Millis = Millis::seconds(60);

impl Draft<'_> {
    pub(super) fn await_ready(&self, instance: &Instance) -> Step {
        let service = self.fleet.service(instance);
        let check = self.ready_check(service, instance);
        Step::Await { instance: instance.clone(), check }
    }

    /// One question: it was healthy when it was left.
    pub(super) fn await_once(&self, instance: &Instance) -> Step {
        let mut check = self.ready_check(self.fleet.service(instance), instance);
        check.start_timeout = WARM_TIMEOUT;
        check.health = check.health.map(|it| HealthSpec { successes: 1, tries: 1, ..it });
        Step::Await { instance: instance.clone(), check }
    }

    pub(super) fn smoke(&self, instance: &Instance) -> Option<Step> {
        let tests = &self.fleet.service(instance)?.smoke;
        let wanted = !tests.is_empty() && !self.desired.overrides.skip_smoke;
        wanted.then(|| Step::Smoke { instance: instance.clone(), tests: tests.clone() })
    }

    pub(super) fn check(&self, instance: &Instance) -> Option<Step> {
        let mut list = self.asked(self.fleet.service(instance)?);
        list.retain(|it| !it.question.is_of_what_serves());
        let checks = Checks { list, host: None, force: self.desired.overrides.force };
        let instances = vec![instance.clone()];
        (!checks.list.is_empty()).then_some(Step::Check { instances, checks })
    }

    /// Once more while the new is on probation: a step a service.
    pub(super) fn recheck(&self) -> Vec<Step> {
        let services = self.fleet.to.iter().flat_map(|it| &it.spec.services);
        services.filter_map(|it| self.recheck_of(it)).collect()
    }

    /// The proxy must not lose patience while it is asked.
    pub(super) fn recheck_time_max(&self) -> Millis {
        Millis(self.recheck().iter().map(time_max).sum())
    }

    /// The proxy must not lose patience while the next batch starts, either.
    pub(super) fn bring_up_time_max(&self, instance: &Instance) -> Millis {
        let asked = [self.smoke(instance), self.check(instance)].into_iter().flatten();
        let asked: u64 = asked.map(|it| time_max(&it)).sum();
        Millis(time_max(&self.await_ready(instance)) + asked)
    }

    fn recheck_of(&self, service: &ServiceSpec) -> Option<Step> {
        let fresh = self.fleet.fresh.iter().filter(|it| it.service == service.name);
        let instances: Vec<Instance> = fresh.cloned().collect();
        let list: Vec<Check> = self.asked(service).into_iter().filter(|it| it.after).collect();
        let host = Some(self.public_host());
        let checks = Checks { list, host, force: self.desired.overrides.force };
        let any = !instances.is_empty() && !checks.list.is_empty();
        any.then_some(Step::Check { instances, checks })
    }

    fn asked(&self, service: &ServiceSpec) -> Vec<Check> {
        let skipped = self.desired.overrides.skip_health_check;
        service.checks.iter().filter(|it| it.is_soft() || !skipped).cloned().collect()
    }

    pub(super) fn stop(&self, instance: &Instance) -> Step {
        Step::Stop { instance: instance.clone(), check: self.check_before(instance) }
    }

    /// How an instance that ran before is known to be back.
    pub(super) fn check_before(&self, instance: &Instance) -> ReadyCheck {
        self.ready_check(self.service_before(instance), instance)
    }

    pub(super) fn quiet_signal(&self, instance: &Instance) -> Option<QuietSignal> {
        self.service_before(instance).and_then(|it| it.quiet_signal)
    }

    /// The longest drain of their services.
    pub(super) fn drain(&self, instances: &[&Instance]) -> Millis {
        let drain = |it: &&Instance| self.service_before(it).map_or(DRAIN_DEFAULT, |it| it.drain);
        instances.iter().map(drain).max().unwrap_or(DRAIN_DEFAULT)
    }

    /// The longest that the new configuration, or the old where it has no such service, asks for.
    pub(super) fn keep_warm(&self, instances: &[Instance]) -> Millis {
        let keep = |it: &Instance| {
            let service = self.fleet.service(it).or_else(|| self.service_before(it));
            service.map_or(Millis(0), |it| it.keep_warm)
        };
        instances.iter().map(keep).max().unwrap_or(Millis(0))
    }

    fn service_before(&self, instance: &Instance) -> Option<&ServiceSpec> {
        service_of(self.observed.release(&instance.release)?, &instance.service)
    }

    fn ready_check(&self, service: Option<&ServiceSpec>, instance: &Instance) -> ReadyCheck {
        let Some(service) = service else {
            let readiness = if instance.listens() { Readiness::Port } else { Readiness::Running };
            return ReadyCheck { readiness, start_timeout: START_TIMEOUT_DEFAULT, health: None };
        };
        let skipped = self.desired.overrides.skip_health_check;
        ReadyCheck {
            readiness: service.readiness.clone(),
            start_timeout: service.start_timeout,
            health: service.health.clone().filter(|_| !skipped),
        }
    }
}

/// How long the questions of a step may take, in ms.
fn time_max(step: &Step) -> u64 {
    match step {
        Step::Await { check, .. } => {
            let asked = |it: &HealthSpec| {
                u64::from(it.tries.saturating_add(it.successes))
                    .saturating_mul(it.interval.0 + it.timeout.0)
            };
            check.start_timeout.0.saturating_add(check.health.as_ref().map_or(0, asked))
        }
        Step::Smoke { tests, .. } => tests.iter().map(|it| it.timeout.0).sum(),
        Step::Check { checks, .. } => {
            checks.list.iter().map(|it| it.question.time_max(it.timeout).0).sum()
        }
        _ => 0,
    }
}
