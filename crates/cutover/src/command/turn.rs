//! Waiting for an environment's lock: the place is held by asking, so that it is given up when this
//! side ends.

use super::carry::{ticking, upload};
use crate::{
    cli::grammar::control::{self, WAIT},
    controller::{CallError, Controller},
    halt::Halt,
    session::Session,
    source::Content,
    ui::{
        figure::{duration, now_ms},
        view::View,
    },
};
use daemon::api::words::{ErrorReport, Leaving, Place, Turn, TurnReport};
use model::{
    control::kept_out,
    deployment::Request,
    failure::{Blame, Failure},
};
use std::time::{Duration, Instant};

/// Another has the lock.
const EXIT_BUSY: u8 = 6;
/// For a controller that goes away to be gone.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Waits until the request is taken.
///
/// # Errors
///
/// Where it is refused, another took the place, or the patience is spent.
pub async fn awaited(
    session: &Session,
    controller: &Controller,
    request: &Request,
    content: Option<&Content>,
    asked: &control::Turn,
    view: &mut View<'_>,
) -> Result<(), Halt> {
    let turn = Turn { request: request.clone(), since_ms: now_ms(), supersede: asked.supersede };
    let (began, wait) = (Instant::now(), asked.wait.unwrap_or(WAIT));
    let mut controller = controller.clone();
    let mut position = None;
    loop {
        match ticking(view, |_| (), controller.turn(&turn)).await {
            Ok(TurnReport::Came(_)) => return Ok(()),
            Ok(TurnReport::Waits(place)) => {
                if began.elapsed() >= wait {
                    let (environment, deployment) =
                        (request.environment.clone(), request.deployment.clone());
                    // Where that is not heard the place is given up a little later.
                    let _ = controller.leave(&Leaving { environment, deployment }).await;
                    return Err(spent(request, *place, wait));
                }
                let waited = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                if position.replace(place.position) != Some(place.position) {
                    view.queued(&place, waited);
                }
                view.doing(&ahead(&place));
            }
            // The next controller knows nothing of the place, nor of what was sent to this one.
            Err(error @ CallError::Lost(_)) if began.elapsed() >= wait => return Err(error.into()),
            Err(error) if error.is_lost() => {
                view.note("the controller went away, asking it again");
                tokio::time::sleep(ASK_AGAIN).await;
                controller = crate::controller::start(session, false).await?;
                if let Some(content) = content {
                    upload(session, &controller, request, content, view).await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// `its turn: place 2 of 3, after deployment 01K… by ann`.
fn ahead(place: &Place) -> String {
    let count = place.queue.len().max(place.position);
    let holder = match (&place.holder, &place.kept) {
        (Some(holder), _) => format!(", {} by {} goes on", holder.id, holder.by),
        (None, Some(mark)) => format!(", kept by {}", mark.told()),
        (None, None) => String::new(),
    };
    format!("its turn: place {} of {count}{}", place.position, daemon::logs::plain(&holder))
}

fn spent(request: &Request, place: Place, wait: Duration) -> Halt {
    let environment = &request.environment;
    let waited = duration(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let failure = match (&place.holder, &place.kept) {
        (None, Some(mark)) => kept_out(environment, mark),
        _ => {
            let what = format!("get the lock of {environment} within {waited}: {}", ahead(&place));
            Failure::new(Blame::Request, what)
                .hint("a longer patience: `--wait=1h`")
                .hint(format!("`cutover lock {environment}` shows who has it, and who waits"))
        }
    };
    ErrorReport { exit_code: EXIT_BUSY, failure, holder: place.holder }.into()
}
