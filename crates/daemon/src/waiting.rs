//! Who waits for an environment's lock, in the order of the first asking.
//!
//! A place is held by asking again and again: who goes away gives it up within [`PLACE_LEASE`],
//! and needs nobody to remove it.  It is kept in memory only: who asks a new controller again
//! tells since when, and so gets the same place.

use crate::api::words::Turn;
use model::{
    control::Waiter,
    deployment::{Change, Request, Stage},
    id::DeploymentId,
    journal::Status,
    name::EnvironmentId,
    plan::Kind,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a place is kept for who does not ask again.
pub const PLACE_LEASE: Duration = Duration::from_secs(5);
/// Who may wait for one environment.
pub const WAITERS_MAX: usize = 16;

/// Deployments that were asked to turn back, and are remembered.
const TURNED_MAX: usize = 64;

/// All who wait, by environment.
#[derive(Debug, Default)]
pub struct Waiting {
    all: Mutex<BTreeMap<EnvironmentId, Vec<Place>>>,
    /// The last deployments that were asked to turn back for who waits.
    turned: Mutex<VecDeque<DeploymentId>>,
}

#[derive(Clone, Debug)]
struct Place {
    waiter: Waiter,
    seen: Instant,
    /// Who took the place over.
    superseded_by: Option<Waiter>,
}

/// How it stands with somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// So many are before him; none: it is his turn.
    Waits(usize),
    /// Another one took his place over.
    Superseded(Box<Waiter>),
    /// So many wait already.
    Full(usize),
}

impl Waiting {
    /// Takes a place, or keeps it.
    pub fn ask(&self, turn: &Turn, now: Instant) -> Standing {
        let waiter = waiter(turn);
        let mut all = self.all(now);
        let places = all.entry(turn.request.environment.clone()).or_default();
        let id = &waiter.deployment;
        if let Some(place) = places.iter_mut().find(|it| it.waiter.deployment == *id) {
            if let Some(other) = &place.superseded_by {
                return Standing::Superseded(Box::new(other.clone()));
            }
            place.seen = now;
        } else {
            let waits = places.iter().filter(|it| it.superseded_by.is_none()).count();
            if waits >= WAITERS_MAX {
                return Standing::Full(waits);
            }
            places.push(Place { waiter: waiter.clone(), seen: now, superseded_by: None });
            places.sort_by(|a, b| order(&a.waiter).cmp(&order(&b.waiter)));
        }
        if turn.supersede {
            for place in places.iter_mut().filter(|it| it.waiter.deployment != *id) {
                place.superseded_by.get_or_insert_with(|| waiter.clone());
            }
        }
        let ahead = places.iter().filter(|it| it.superseded_by.is_none());
        Standing::Waits(ahead.take_while(|it| it.waiter.deployment != *id).count())
    }

    /// Takes note that a deployment is asked to turn back: true the first time.
    pub fn turns_back(&self, id: &DeploymentId) -> bool {
        let mut turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        if turned.contains(id) {
            return false;
        }
        turned.push_back(id.clone());
        if turned.len() > TURNED_MAX {
            turned.pop_front();
        }
        true
    }

    /// Gives a place up.
    pub fn leave(&self, environment: &EnvironmentId, id: &DeploymentId) {
        let mut all = self.all(Instant::now());
        if let Some(places) = all.get_mut(environment) {
            places.retain(|it| it.waiter.deployment != *id);
        }
    }

    /// Who waits, the next first.
    pub fn of(&self, environment: &EnvironmentId) -> Vec<Waiter> {
        let all = self.all(Instant::now());
        let places = all.get(environment).into_iter().flatten();
        places.filter(|it| it.superseded_by.is_none()).map(|it| it.waiter.clone()).collect()
    }

    /// All places, without those that were given up.
    fn all(&self, now: Instant) -> MutexGuard<'_, BTreeMap<EnvironmentId, Vec<Place>>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for places in all.values_mut() {
            places.retain(|it| now.saturating_duration_since(it.seen) < PLACE_LEASE);
        }
        all.retain(|_, it| !it.is_empty());
        all
    }
}

/// Whether a deployment has not begun to move the traffic.
pub fn is_before_switch(record: &model::deployment::DeploymentRecord) -> bool {
    let Some(plan) = &record.plan else { return record.stage == Stage::Planning };
    // What is not routed has no switch; what is committed is past it.
    let at = plan.switch().unwrap_or(plan.commit);
    record.steps.get(at..).unwrap_or_default().iter().all(|it| it.status == Status::Pending)
}

fn order(waiter: &Waiter) -> (u64, &DeploymentId) {
    (waiter.since_ms, &waiter.deployment)
}

fn waiter(turn: &Turn) -> Waiter {
    let request = &turn.request;
    Waiter {
        deployment: request.deployment.clone(),
        kind: kind(request),
        version: match &request.change {
            Change::Deploy { version, .. } => version.clone(),
            Change::Rollback { to, .. } => to.clone(),
            _ => None,
        },
        by: request.by.clone(),
        reason: request.reason.clone(),
        since_ms: turn.since_ms,
    }
}

fn kind(request: &Request) -> Kind {
    match request.change {
        Change::Deploy { .. } => Kind::Update,
        Change::Rollback { .. } => Kind::Rollback,
        Change::Restart => Kind::Restart,
        Change::Scale { .. } => Kind::Scale,
        Change::Stop => Kind::Stop,
        Change::Start => Kind::Start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::deployment::Overrides;

    fn turn(number: u32, since_ms: u64, supersede: bool) -> Turn {
        let request = Request {
            deployment: DeploymentId(format!("01K0000000000000000000{number:04}")),
            environment: "shop/production".parse().unwrap(),
            change: Change::Restart,
            by: "ann".into(),
            reason: None,
            overrides: Overrides::default(),
        };
        Turn { request, since_ms, supersede }
    }

    fn waiting_ids(waiting: &Waiting) -> Vec<u64> {
        let of = waiting.of(&"shop/production".parse().unwrap());
        of.iter().map(|it| it.since_ms).collect()
    }

    #[test]
    fn turns_are_taken_in_the_order_of_asking_also_at_a_new_controller() {
        let (waiting, now) = (Waiting::default(), Instant::now());
        assert_eq!(waiting.ask(&turn(1, 30, false), now), Standing::Waits(0));
        // Asked earlier, of a controller that is gone.
        assert_eq!(waiting.ask(&turn(2, 10, false), now), Standing::Waits(0));
        assert_eq!(waiting.ask(&turn(3, 20, false), now), Standing::Waits(1));
        assert_eq!(waiting.ask(&turn(1, 30, false), now), Standing::Waits(2));
        assert_eq!(waiting_ids(&waiting), [10, 20, 30]);
        let first = turn(2, 10, false).request;
        waiting.leave(&first.environment, &first.deployment);
        assert_eq!(waiting.ask(&turn(1, 30, false), now), Standing::Waits(1));
    }

    #[test]
    fn who_does_not_ask_again_gives_the_place_up() {
        let (waiting, now) = (Waiting::default(), Instant::now());
        waiting.ask(&turn(1, 1, false), now);
        waiting.ask(&turn(2, 2, false), now);
        let later = now + PLACE_LEASE / 2;
        assert_eq!(waiting.ask(&turn(2, 2, false), later), Standing::Waits(1));
        let later = now + PLACE_LEASE + Duration::from_millis(1);
        assert_eq!(waiting.ask(&turn(2, 2, false), later), Standing::Waits(0));
    }

    #[test]
    fn a_place_is_taken_over_and_told_so() {
        let (waiting, now) = (Waiting::default(), Instant::now());
        waiting.ask(&turn(1, 1, false), now);
        assert_eq!(waiting.ask(&turn(2, 2, true), now), Standing::Waits(0));
        let Standing::Superseded(by) = waiting.ask(&turn(1, 1, false), now) else { panic!() };
        assert_eq!(by.since_ms, 2);
        assert_eq!(waiting_ids(&waiting), [2]);
        // Who supersedes him in turn is told as the one who did.
        waiting.ask(&turn(3, 3, true), now);
        let Standing::Superseded(by) = waiting.ask(&turn(2, 2, true), now) else { panic!() };
        assert_eq!(by.since_ms, 3);
    }

    #[test]
    fn the_queue_is_bounded() {
        let (waiting, now) = (Waiting::default(), Instant::now());
        for number in 0..WAITERS_MAX as u32 {
            waiting.ask(&turn(number, 1, false), now);
        }
        assert_eq!(waiting.ask(&turn(99, 1, false), now), Standing::Full(WAITERS_MAX));
        assert_eq!(waiting.ask(&turn(3, 1, false), now), Standing::Waits(3));
    }
}
