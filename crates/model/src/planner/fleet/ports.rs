//! Which new instance gets which port.

use super::{Fleet, service_of};
use crate::{
    failure::{Blame, Failure},
    instance::Instance,
    planner::Observed,
};

/// Gives each new instance its service's fixed port, or one that nobody has.
pub(super) fn allot(fleet: &mut Fleet<'_>, observed: &Observed) -> Result<(), Failure> {
    let Some(to) = fleet.to else { return Ok(()) };
    let mut free = observed.ports_free.iter().copied();
    let mut fresh = std::mem::take(&mut fleet.fresh);
    for at in 0..fresh.len() {
        let fixed = service_of(to, &fresh[at].service).and_then(|it| it.port);
        match (fresh[at].port, fixed) {
            (None, _) => {}
            (Some(_), Some(port)) => expect_free(&fresh, at, port, fleet)?,
            (Some(_), None) => fresh[at].port = Some(free.next().ok_or_else(none_left)?),
        }
    }
    fleet.fresh = fresh;
    Ok(())
}

/// A fixed port is free when its new instance starts only if whoever has it gave way.
fn expect_free(fresh: &[Instance], at: usize, port: u16, fleet: &Fleet<'_>) -> Result<(), Failure> {
    let service = &fresh[at].service;
    let has = |it: &&Instance| it.port == Some(port);
    if fresh[..at].iter().any(|it| has(&it)) {
        let message = format!("start `{service}` on port {port}, which another instance gets");
        return Err(Failure::new(Blame::Request, message)
            .hint("leave out `port`, so that each instance gets its own"));
    }
    let beside = fleet.staying.iter().chain(&fleet.claimed).chain(&fleet.leaving);
    let Some(owner) = beside.chain(&fleet.surplus).find(has) else { return Ok(()) };
    let message =
        format!("start `{service}` on its fixed port {port} beside `{}`, which has it", owner.id);
    Err(Failure::new(Blame::Request, message)
        .hint("leave out `port`, so that the new can run beside the old")
        .hint("or say `strategy: recreate`: requests are held while the old stops"))
}

fn none_left() -> Failure {
    Failure::new(Blame::Platform, "find a free port for each new instance")
        .hint("ports come from 20000 to 29999; `ss -ltnp` shows who listens")
}
