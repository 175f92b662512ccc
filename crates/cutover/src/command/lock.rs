//! `lock`, `unlock`, `freeze`, `unfreeze`

use super::carry;
use crate::{
    cli::grammar::control::{Freeze, Lift, Lock},
    controller::Controller,
    halt::Halt,
    session::Session,
    target::{self, Target},
    ui::{figure::now_ms, lock as printed},
};
use daemon::api::words::Marking;
use model::control::Said;

/// Shows who has the lock, or keeps it.
///
/// # Errors
///
/// Where it is kept already, or the state cannot be read.
pub async fn lock(session: &Session, args: Lock) -> Result<u8, Halt> {
    let target = target::known(session).await?.find(&args.words)?;
    if let Some(reason) = args.reason {
        said(session, &target, Said::Lock, true, reason).await?;
        let (id, typed) = (&target.id, &target.typed);
        let text = format!("{id} is locked: nobody changes it · cutover unlock {typed}");
        session.ui.done(&text);
        return Ok(0);
    }
    let report = Controller::new(&session.root).status().await?;
    let environment = report.environments.iter().find(|it| it.id == target.id);
    if session.ui.is_json() {
        session.ui.object(&printed::object(&target.id, &report, environment));
    } else {
        let (clock, paint) = (&session.ui.clock, &session.ui.paint);
        let text = printed::text(&target, &report, environment, now_ms(), clock, paint);
        session.ui.line(&text);
    }
    Ok(0)
}

/// Lets everybody in again.
///
/// # Errors
///
/// Where nobody keeps it by hand.
pub async fn unlock(session: &Session, args: Lift) -> Result<u8, Halt> {
    let target = lifted(session, args, Said::Lock).await?;
    session.ui.done(&format!("{} is unlocked", target.id));
    Ok(0)
}

/// Keeps other releases away.
///
/// # Errors
///
/// Where it is frozen already.
pub async fn freeze(session: &Session, args: Freeze) -> Result<u8, Halt> {
    let target = target::known(session).await?.find(&args.words)?;
    said(session, &target, Said::Freeze, true, args.reason).await?;
    let (id, typed) = (&target.id, &target.typed);
    let text = format!("{id} is frozen: no other release comes to it · cutover unfreeze {typed}");
    session.ui.done(&text);
    Ok(0)
}

/// Lets other releases in again.
///
/// # Errors
///
/// Where it is not frozen.
pub async fn unfreeze(session: &Session, args: Lift) -> Result<u8, Halt> {
    let target = lifted(session, args, Said::Freeze).await?;
    session.ui.done(&format!("{} is not frozen any more", target.id));
    Ok(0)
}

async fn lifted(session: &Session, args: Lift, said_before: Said) -> Result<Target, Halt> {
    let target = target::known(session).await?.find(&args.words)?;
    said(session, &target, said_before, false, args.reason.unwrap_or_default()).await?;
    Ok(target)
}

async fn said(
    session: &Session,
    target: &Target,
    said: Said,
    holds: bool,
    reason: String,
) -> Result<(), Halt> {
    let controller = carry::reached(session).await?;
    let (environment, by) = (target.id.clone(), session.by.clone());
    controller.mark(&Marking { environment, said, holds, by, reason }).await?;
    Ok(())
}
