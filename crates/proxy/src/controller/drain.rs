//! Waiting until nothing is in flight to instances that are to be stopped.

use super::lead::{self, Standing};
use super::{Controller, elders};
use crate::control::{Answer, Ask};
use crate::limits::{
    DRAIN_DEADLINE_MAX, DRAIN_GRACE, DRAIN_INTERVAL, DRAIN_JITTER_MAX, LEFT_INTERVAL, LEFT_LOOKS,
};
use crate::links;
use crate::plane::instance::Instance;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

/// Waits, ends what is left at the deadline, and closes idle connections.
pub(super) async fn drain(
    controller: &Rc<Controller>,
    instances: Vec<String>,
    deadline_ms: u64,
    epoch: u64,
) -> Answer {
    let checked = controller.state.borrow_mut().check_epoch(epoch);
    if let Err((reason, message)) = checked {
        return Answer::Refused { reason, message };
    }
    let begun = Instant::now();
    // One that leaves may not have heard of the last swap.
    lead::follow(controller).await;
    let elders = spawn_local({
        let (controller, patience) = (controller.clone(), Duration::from_millis(deadline_ms));
        let ask = Ask::Drain { instances: instances.clone(), deadline_ms, epoch };
        async move { elders::drain(&controller, &ask, patience).await }
    });
    let drained = matching(controller, &instances);
    let numbers: Vec<u64> = drained.iter().map(|instance| instance.number).collect();
    // No thread may still be claiming by an older table.
    controller.plane.turn().await;
    let patience = Duration::from_millis(deadline_ms).min(DRAIN_DEADLINE_MAX);
    wait_until_idle(&drained, begun + patience).await;
    let cut = in_flight(&drained);
    if cut > 0 {
        controller.plane.end(&numbers, DRAIN_JITTER_MAX.min(patience));
        wait_until_idle(&drained, Instant::now() + DRAIN_JITTER_MAX + DRAIN_GRACE).await;
    }
    controller.plane.forget(&numbers);
    controller.plane.turn().await;
    let cut = cut + elders.await.unwrap_or(0);
    // Ours and theirs are gone: what is left at their sockets came by links.
    let cut = cut
        + match controller.standing.get() {
            Standing::Leaves(_) => 0,
            _ => wait_until_left(&controller.root, &instances, begun + patience).await,
        };
    Answer::Drained { cut, waited_ms: begun.elapsed().as_millis() as u64 }
}

fn matching(controller: &Controller, ids: &[String]) -> Vec<Arc<Instance>> {
    let state = controller.state.borrow();
    state.instances.values().filter(|instance| ids.contains(&instance.id)).cloned().collect()
}

fn in_flight(instances: &[Arc<Instance>]) -> u64 {
    instances.iter().map(|instance| instance.in_flight()).sum()
}

async fn wait_until_idle(instances: &[Arc<Instance>], deadline: Instant) {
    while in_flight(instances) > 0 && Instant::now() < deadline {
        sleep(DRAIN_INTERVAL).await;
    }
}

/// Waits until nobody is connected to the instances' sockets; gives how many are at the deadline.
/// Who looked a link up before it was led anew may connect a moment after: so nobody must be seen
/// several times in a row.
async fn wait_until_left(root: &Path, instances: &[String], deadline: Instant) -> u64 {
    let sockets: Vec<PathBuf> = instances.iter().map(|it| links::socket_path(root, it)).collect();
    if !sockets.iter().any(|it| it.exists()) {
        return 0;
    }
    let mut quiet = 0;
    loop {
        let left: u64 = sockets.iter().map(|it| links::connections(it)).sum();
        quiet = if left == 0 { quiet + 1 } else { 0 };
        // Those who only just looked a link up are waited for in any case.
        if quiet >= LEFT_LOOKS || (left > 0 && Instant::now() >= deadline) {
            return left;
        }
        sleep(LEFT_INTERVAL).await;
    }
}
