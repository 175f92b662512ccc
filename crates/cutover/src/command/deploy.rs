//! `deploy`

use super::{
    carry, confirm, plan,
    prepare::{Prepared, prepare},
};
use crate::{cli::grammar::Deploy, halt::Halt, session::Session};
use model::deployment::Change;

/// The environment in which a deployment is confirmed by hand, where a hand is there.
const CONFIRMED: &str = "production";

/// Deploys.
///
/// # Errors
///
/// Where it was not begun.
pub async fn run(session: &Session, args: Deploy) -> Result<u8, Halt> {
    if args.dry_run {
        return plan::run(session, &args.release).await;
    }
    let mut prepared = prepare(session, &args.release).await?;
    prepared.request.overrides.break_lock = args.turn.break_lock;
    let Prepared { target, request, content } = &prepared;
    if target.id.environment.as_str() == CONFIRMED && !args.yes && session.ui.can_ask() {
        let version = match &request.change {
            _ if args.release.env_only => "another configuration",
            Change::Deploy { version: Some(version), .. } => version.as_str(),
            _ => "a new version",
        };
        confirm::typed("deploy", &format!("{version} goes to {}.", target.id))?;
    }
    let controller = carry::reached(session).await?;
    carry::out(session, controller, target, request, Some(content), &args.turn, args.detach).await
}
