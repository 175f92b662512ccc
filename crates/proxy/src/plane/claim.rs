//! A request's hold on its target, from the choice to the one outcome that is counted.

use super::hold::HoldPlace;
use super::instance::{Counters, Instance};
use super::table::{Policy, Route, Target};
use super::thread::Thread;
use crate::access::Entry;
use crate::challenge;
use crate::http1::protection::Protection;
use crate::http1::refusal::Refusal;
use crate::http1::request::Request;
use crate::probation::trial::Trial;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// What is to be done with a request by the table in force.
pub(super) enum Choice {
    /// Send it there.
    Send(Claim),
    /// It has to wait.
    Hold(HoldPlace),
    /// No target is left that was not tried.
    Exhausted,
    /// Answer it with this text: it is a certificate authority's.
    Answer(Arc<str>),
    /// Lead it to TLS.
    Redirect,
    /// Tell it to come again.
    Maintain(Arc<Policy>),
    /// Answer it ourselves.
    Refuse(Refusal),
}

/// Counts as in flight while it lives, and as aborted if it ends without a word.
pub(super) struct Claim {
    pub(super) instance: Arc<Instance>,
    pub(super) keepalive: bool,
    /// Of the path, that the route takes.
    pub(super) prefix_bytes: usize,
    /// What the response gets that the instance did not write.
    pub(super) protection: Protection,
    /// The thread's entry for it.
    pub(super) slot: usize,
    thread: Rc<Thread>,
    trial: Option<Arc<Trial>>,
    /// A controller's request: nobody's traffic.
    verifies: bool,
    started: Instant,
    settled: bool,
    /// For the access log.
    entry: Option<Box<Entry>>,
}

/// Looks the request up and claims a target in the same step: nothing else runs on this thread in
/// between, and that is what an acknowledged swap relies on.
pub(super) fn choose(
    thread: &Rc<Thread>,
    request: &Request,
    tried: &[u64],
    is_first: bool,
) -> Choice {
    if request.path().starts_with(challenge::PATH)
        && let Some(answer) = challenged(thread, request)
    {
        return Choice::Answer(answer);
    }
    let table = thread.plane.table.load();
    let Some(prefix) = table.find(&request.host, request.path()) else {
        return Choice::Refuse(Refusal::NO_ROUTE);
    };
    let policy = &prefix.environment.policy;
    if is_first
        && let Some(limiter) = &policy.limiter
        && request.verify.as_ref() != Some(&thread.plane.nonce)
        && request.client().is_some_and(|it| !limiter.lets(it))
    {
        return Choice::Refuse(Refusal::RATE);
    }
    if policy.redirects() && !request.is_secure && is_led(thread, request) {
        return Choice::Redirect;
    }
    if let Some(maintenance) = &policy.maintenance
        && request.verify.as_ref() != Some(&thread.plane.nonce)
        && !maintenance.lets(request.client())
    {
        return Choice::Maintain(policy.clone());
    }
    if let Some(gate) = &prefix.environment.hold {
        return gate.enter().map_or(Choice::Refuse(Refusal::HELD), Choice::Hold);
    }
    let Some(route) = &prefix.route else { return Choice::Refuse(Refusal::EMPTY) };
    let verifies = request.verify.as_ref() == Some(&thread.plane.nonce);
    match pick(thread, route, tried, verifies) {
        Some(target) => {
            // Who verifies judges by itself: a trial is of users' traffic.
            let on_trial = target.on_trial && !verifies;
            let trial = prefix.environment.trial.as_ref().filter(|_| on_trial);
            let mut claim = Claim::new(thread, target, route.keepalive, trial.cloned(), verifies);
            claim.prefix_bytes = prefix.path.len();
            claim.protection = policy.protection(request.is_secure);
            let format = policy.access.filter(|_| !verifies);
            claim.entry = format.map(|it| Entry::of(request, it));
            Choice::Send(claim)
        }
        None if tried.is_empty() => Choice::Refuse(Refusal::EMPTY),
        None => Choice::Exhausted,
    }
}

/// What the controller put there; all else is the application's to answer.
fn challenged(thread: &Thread, request: &Request) -> Option<Arc<str>> {
    let is_asked = matches!(request.method(), "GET" | "HEAD");
    let certificates = thread.plane.certificates.load();
    certificates.challenges.answer(request.path()).filter(|_| is_asked).cloned()
}

/// Not where TLS would be refused; nor who verifies, or proves to a certificate authority whose the
/// host is: both ask by clear HTTP.
fn is_led(thread: &Thread, request: &Request) -> bool {
    !request.path().starts_with(challenge::PATH)
        && request.verify.as_ref() != Some(&thread.plane.nonce)
        && thread.plane.certificates.load().find(&request.host).is_some()
}

/// Who verifies asks what is on trial, however small its share is.
fn pick<'a>(
    thread: &Thread,
    route: &'a Route,
    tried: &[u64],
    verifies: bool,
) -> Option<&'a Target> {
    let tries = verifies && route.targets.iter().any(|target| target.on_trial);
    let fresh = |target: &&Target| {
        let wanted = target.on_trial || !tries;
        wanted && target.weight > 0 && !tried.contains(&target.instance.number)
    };
    let by_weight = |targets: &'a [Target]| {
        let total: u64 = targets.iter().filter(fresh).map(|t| u64::from(t.weight)).sum();
        let mut place = (thread.next_pick() * total) >> 32;
        targets.iter().filter(fresh).find(|target| {
            let hit = place < u64::from(target.weight);
            place = place.saturating_sub(u64::from(target.weight));
            hit
        })
    };
    by_weight(&route.targets).or_else(|| match tried {
        [] => None,
        _ => by_weight(&route.rescue),
    })
}

impl Claim {
    fn new(
        thread: &Rc<Thread>,
        target: &Target,
        keepalive: bool,
        trial: Option<Arc<Trial>>,
        verifies: bool,
    ) -> Self {
        let instance = target.instance.clone();
        instance.claim(thread.index);
        if !verifies {
            instance.release.counters(thread.index).routed();
        }
        Claim {
            slot: thread.begin(instance.number),
            instance,
            keepalive,
            prefix_bytes: 0,
            protection: Protection::default(),
            thread: thread.clone(),
            trial,
            verifies,
            started: Instant::now(),
            settled: false,
            entry: None,
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        self.instance.release.counters(self.thread.index)
    }

    /// The head of the final response came.
    pub(super) fn answered(&self, status: u16) {
        if status >= 500 {
            return self.failed();
        }
        let took = self.started.elapsed();
        if !self.verifies {
            self.counters().answered(took);
        }
        if let Some(trial) = &self.trial {
            trial.succeeded(self.thread.index, took);
        }
    }

    /// The instance answered 5xx, or not at all.
    pub(super) fn failed(&self) {
        self.counters().failed();
        if let Some(trial) = &self.trial {
            trial.failed();
        }
    }

    /// It took no connection: the monitor of a probation should look at once.
    pub(super) fn refused(&self) {
        self.failed();
        if let Some(trial) = &self.trial {
            trial.nudge.notify_one();
        }
    }

    /// The whole response was handed to the client.
    pub(super) fn completed(mut self, status: u16) {
        self.settled = true;
        self.log(status);
        match self.verifies {
            true if status < 500 => self.counters().verified(),
            true => {}
            false => self.counters().completed(status, self.started.elapsed()),
        }
    }

    fn log(&mut self, status: u16) {
        if let Some(entry) = self.entry.take() {
            let entry = entry.ended(status, self.started.elapsed(), &self.instance);
            self.thread.access.send(entry);
        }
    }

    /// A drain ended it properly: the client has a whole, if shorter, response.
    pub(super) fn ended_by_drain(self, status: u16) {
        self.counters().ended_by_drain();
        self.completed(status);
    }

    /// The request is sent to another target, and counts there.
    pub(super) fn moved(mut self) {
        self.settled = true;
        self.entry = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.settled && !self.verifies {
            self.counters().aborted();
        }
        self.log(0);
        self.thread.finish(self.slot);
        self.instance.release_claim(self.thread.index);
    }
}
