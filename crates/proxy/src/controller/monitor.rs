//! Watches a probation and ends it, without asking anyone.
//!
//! A probation that begins before a restart of the proxy begins again in full after it: how much
//! of its time was used up is not on disk.  Where the marker cannot be written the generation goes
//! on, and writing is tried again every quarter of a second, because a fall-back that a restart
//! would forget lets the same generation serve twice.  Only when all its targets refuse
//! connections, so that there is nothing to lose, does the proxy return at once without a marker;
//! a restart would come to the same verdict.

use super::{Controller, marker};
use crate::address::Address;
use crate::limits::{PROBE_INTERVAL, PROBE_NUDGE_INTERVAL, PROBE_TIMEOUT};
use crate::probation::trial::Trial;
use crate::route_file::{FellBack, RouteFile, RouteTarget};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

/// What the monitor needs to know of a probation.
struct Subject {
    environment: String,
    generation: u64,
    fallback: u64,
    candidates: Vec<Address>,
    fallback_targets: Vec<Address>,
    expires_at: Instant,
    trial: Arc<Trial>,
}

/// Watches the probation of `environment`, if it is on one.
pub(super) fn start(controller: &Rc<Controller>, environment: &str) {
    if let Some(subject) = subject(controller, environment) {
        let controller = controller.clone();
        spawn_local(async move { watch(&controller, &subject).await });
    }
}

/// Watches all probations that were found at the start.
pub(crate) fn start_all(controller: &Rc<Controller>) {
    let names: Vec<String> = controller.state.borrow().environments.keys().cloned().collect();
    names.iter().for_each(|name| start(controller, name));
}

fn subject(controller: &Controller, environment: &str) -> Option<Subject> {
    let state = controller.state.borrow();
    let known = state.environments.get(environment)?;
    let underway = known.probation.as_ref()?;
    let fallback = underway.fallback.as_ref()?;
    let old: BTreeSet<&str> = fallback.targets().map(|t| t.instance.as_str()).collect();
    // Nobody connects to files.
    let listens = |target: &&RouteTarget| target.files.is_none();
    let new = known.file.targets().filter(listens);
    let new = new.filter(|target| !old.contains(target.instance.as_str()));
    Some(Subject {
        environment: environment.to_owned(),
        generation: known.file.generation,
        fallback: fallback.generation,
        candidates: new.filter_map(|target| target.address.parse().ok()).collect(),
        fallback_targets: addresses(fallback),
        expires_at: underway.expires_at,
        trial: underway.trial.clone(),
    })
}

fn addresses(file: &RouteFile) -> Vec<Address> {
    let listening = file.targets().filter(|target| target.files.is_none());
    listening.filter_map(|target| target.address.parse().ok()).collect()
}

async fn watch(controller: &Rc<Controller>, subject: &Subject) {
    while is_underway(controller, subject) {
        if let Some((reason, all_dead)) = verdict(subject).await
            && is_underway(controller, subject)
        {
            fall_back(controller, subject, reason, all_dead).await;
        }
        let left = subject.expires_at.saturating_duration_since(Instant::now());
        let pause = if left.is_zero() { PROBE_INTERVAL } else { PROBE_INTERVAL.min(left) };
        tokio::select! {
            () = sleep(pause) => {}
            () = subject.trial.nudge.notified() => sleep(PROBE_NUDGE_INTERVAL).await,
        }
    }
}

fn is_underway(controller: &Controller, subject: &Subject) -> bool {
    let state = controller.state.borrow();
    state.environments.get(&subject.environment).is_some_and(|known| {
        known.file.generation == subject.generation && known.probation.is_some()
    })
}

/// Why the generation is to be left, and whether none of its targets takes connections.
async fn verdict(subject: &Subject) -> Option<(String, bool)> {
    let trial = &subject.trial;
    if trial.has_tripped() {
        let (failed, sent) = (trial.failures(), trial.failures() + trial.successes());
        let reason =
            format!("{failed} of {sent} requests failed, far more than the release before fails");
        return Some((reason, all_refuse(&subject.candidates).await));
    }
    if all_refuse(&subject.candidates).await {
        let reason = "every new instance refuses connections".to_owned();
        return Some((reason, true));
    }
    let expired = Instant::now() >= subject.expires_at;
    // Returning to what does not answer would make an outage of a missing confirmation.
    if expired && !all_refuse(&subject.fallback_targets).await {
        return Some(("it was not confirmed in time".to_owned(), false));
    }
    None
}

/// Whether there are targets, and all refuse.
async fn all_refuse(targets: &[Address]) -> bool {
    for target in targets {
        if !timeout(PROBE_TIMEOUT, target.refuses()).await.unwrap_or(false) {
            return false;
        }
    }
    !targets.is_empty()
}

async fn fall_back(controller: &Rc<Controller>, subject: &Subject, reason: String, all_dead: bool) {
    let Subject { environment, generation, fallback, .. } = subject;
    let fell_back = FellBack { generation: *generation, fallback: *fallback, reason };
    let directory = controller.state.borrow().directory.clone();
    let written = marker::commit(&directory, environment, &fell_back);
    if let Err(error) = &written {
        let text = format!(
            "{environment}: generation {generation} is to be left ({}), but that cannot be \
             written: {error}; make room in {}",
            fell_back.reason,
            directory.display()
        );
        controller.state.borrow_mut().alert(environment, text);
        if !all_dead {
            return;
        }
    }
    tracing::warn!(environment, generation, fallback, reason = fell_back.reason, "fell back");
    {
        let mut state = controller.state.borrow_mut();
        let Some(known) = state.environments.get_mut(environment) else { return };
        let file = known.probation.take().and_then(|underway| underway.fallback);
        let Some(file) = file else { return };
        known.settle(file);
        known.fell_back = Some(fell_back.clone());
    }
    controller.publish();
    if written.is_ok() {
        controller.state.borrow_mut().clear_alerts(environment);
    } else {
        let (controller, environment) = (controller.clone(), environment.clone());
        spawn_local(async move { record_late(&controller, &environment, &fell_back).await });
    }
    controller.settled().await;
}

/// Tries to write the marker until it is there, or a later generation makes it needless.
async fn record_late(controller: &Controller, environment: &str, fell_back: &FellBack) {
    loop {
        sleep(PROBE_INTERVAL).await;
        let mut state = controller.state.borrow_mut();
        let known = state.environments.get(environment);
        let needed = known.is_some_and(|known| known.highest <= fell_back.generation);
        if !needed || marker::commit(&state.directory, environment, fell_back).is_ok() {
            state.clear_alerts(environment);
            return;
        }
    }
}
