//! Waiting for an environment's lock, and what is said of an environment by hand.

use super::deployments::{active, admit, discard};
use crate::{
    api::{
        refusal::Refusal,
        words::{Accepted, Leaving, Marked, Marking, Place, Turn, TurnReport},
    },
    controller::Controller,
    waiting::{Standing, is_before_switch},
};
use axum::{Json, extract::State};
use engine::port::journal::{Begun, Journal};
use model::{
    control::{Mark, REASON_CHARACTERS_MAX},
    deployment::{Change, DeploymentRecord},
    failure::{Blame, Failure},
};
use std::time::{Duration, Instant};

/// How long one asking is answered after, at most: who waits shall hear how it stands.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// From one look at the lock to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `POST /v1/turns`
pub async fn ask(
    State(controller): State<Controller>,
    Json(turn): Json<Turn>,
) -> Result<Json<TurnReport>, Refusal> {
    admit(&turn.request)?;
    let turn = Turn { request: controller.secrets.met(turn.request), ..turn };
    controller.wait_until_recovered().await;
    let deadline = Instant::now() + ANSWER_WAIT_MAX;
    loop {
        let report = stand(&controller, &turn).await;
        let (environment, id) = (&turn.request.environment, &turn.request.deployment);
        match report {
            Ok(TurnReport::Waits(place)) => {
                if Instant::now() >= deadline {
                    return Ok(Json(TurnReport::Waits(place)));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(came) => {
                controller.waiting.leave(environment, id);
                return Ok(Json(came));
            }
            Err(refusal) => {
                // Who was superseded keeps what tells him so until he asked for it.
                controller.waiting.leave(environment, id);
                discard(&controller, environment, id);
                return Err(refusal);
            }
        }
    }
}

async fn stand(controller: &Controller, turn: &Turn) -> Result<TurnReport, Refusal> {
    let request = &turn.request;
    if turn.supersede
        && let Some(holder) = active(controller, &request.environment).await?
        && holder.id != request.deployment
    {
        // Where that is refused nobody's place is taken.
        supersede(controller, turn, holder).await?;
    }
    let standing = controller.waiting.ask(turn, Instant::now());
    expect_place(turn, &standing)?;
    look(controller, turn, &standing).await
}

fn expect_place(turn: &Turn, standing: &Standing) -> Result<(), Refusal> {
    let environment = &turn.request.environment;
    match standing {
        Standing::Superseded(by) => Err(Refusal::superseded(environment, by)),
        Standing::Full(count) => {
            let message = format!("wait for the lock of {environment}: {count} wait already");
            Err(Refusal::locked(
                Failure::new(Blame::Request, message)
                    .hint(format!("`cutover lock {environment}` shows the queue"))
                    .hint("`--supersede` takes the place of all who wait"),
            ))
        }
        Standing::Waits(_) => Ok(()),
    }
}

/// Turns the one that has the lock back, where it has not begun to move the traffic.
async fn supersede(
    controller: &Controller,
    turn: &Turn,
    holder: DeploymentRecord,
) -> Result<(), Refusal> {
    let by = format!("{}, superseded by {}", turn.request.by, turn.request.deployment);
    if is_before_switch(&holder) {
        // Asked once: each asking is a line of the journal.  It may have ended just now, which is
        // as good.
        if controller.waiting.turns_back(&holder.id)
            && let Err(failure) = controller.engine.abort(&holder.id, &by).await
        {
            let id = &holder.id;
            tracing::info!(deployment = %id, "not superseded: failed to {}", failure.message);
        }
        return Ok(());
    }
    if unwinds(&holder) {
        return Ok(());
    }
    let (id, environment) = (&holder.id, &holder.environment);
    let message = format!("supersede deployment {id} of {environment}: its traffic is switched");
    let failure = Failure::new(Blame::Request, message)
        .hint(format!("`cutover abort {id}` turns it back to the release before"))
        .hint("`--wait` without `--supersede` waits until it ended");
    let mut refusal = Refusal::busy(Box::new(holder));
    refusal.say(failure);
    Err(refusal)
}

/// What turns back already will free the lock by itself.
fn unwinds(record: &DeploymentRecord) -> bool {
    use model::journal::Status;
    let turning = |it: Status| matches!(it, Status::Failed | Status::Undoing | Status::Undone);
    record.steps.iter().any(|it| turning(it.status))
}

async fn look(
    controller: &Controller,
    turn: &Turn,
    standing: &Standing,
) -> Result<TurnReport, Refusal> {
    let request = &turn.request;
    let back = matches!(request.change, Change::Rollback { .. });
    let first = matches!(standing, Standing::Waits(0));
    let ahead = if let Standing::Waits(ahead) = standing { *ahead } else { 0 };
    let (mut holder, mut kept) = (None, None);
    let quiet = controller.migrating(&request.environment).await?.is_none();
    if (first || back) && quiet {
        let deployment = request.deployment.clone();
        match controller.take(request.clone()).await? {
            Begun::Taken { .. } => {
                return Ok(TurnReport::Came(Accepted { deployment, known: false }));
            }
            Begun::Known(_) => return Ok(TurnReport::Came(Accepted { deployment, known: true })),
            Begun::Busy(record) => holder = Some(record),
            Begun::Kept(mark) => kept = Some(*mark),
        }
    } else {
        holder = active(controller, &request.environment).await?.map(Box::new);
        kept = controller.store.marks(&request.environment).await?.lock;
    }
    let queue = controller.waiting.of(&request.environment);
    Ok(TurnReport::Waits(Box::new(Place { position: ahead + 1, queue, holder, kept })))
}

/// `POST /v1/turns/leave`
pub async fn leave(State(controller): State<Controller>, Json(leaving): Json<Leaving>) {
    controller.waiting.leave(&leaving.environment, &leaving.deployment);
}

/// `POST /v1/marks`
pub async fn mark(
    State(controller): State<Controller>,
    Json(marking): Json<Marking>,
) -> Result<Json<Marked>, Refusal> {
    let reason = marking.reason.trim();
    if marking.holds && (reason.is_empty() || reason.chars().count() > REASON_CHARACTERS_MAX) {
        let message = format!("take the reason: 1 to {REASON_CHARACTERS_MAX} characters are one");
        return Err(Failure::new(Blame::Request, message).into());
    }
    controller.wait_until_recovered().await;
    let reason = controller.secrets.redactor().text(reason).into_owned();
    let since_ms = controller.local.clock.now_ms();
    let said = Mark { by: marking.by, reason, since_ms };
    // Not in the midst of taking a request on.
    let turn = controller.gates.turn(&marking.environment).await;
    let store = &controller.store;
    let before = store.mark(&marking.environment, marking.said, marking.holds, &said).await?;
    drop(turn);
    let (environment, what, holds) = (&marking.environment, marking.said, marking.holds);
    tracing::info!(%environment, ?what, holds, by = said.by, reason = said.reason, "said by hand");
    Ok(Json(Marked { before }))
}
