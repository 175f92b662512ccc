//! `deploy`

use super::{
    carry, confirm, later, plan,
    prepare::{Prepared, prepare},
};
use crate::{cli::grammar::Deploy, halt::Halt, session::Session};
use model::{
    deployment::{Change, Request},
    service::EnvironmentSpec,
};

/// Deploys.
///
/// # Errors
///
/// Where it was not begun.
pub async fn run(session: &Session, args: Deploy) -> Result<u8, Halt> {
    if args.dry_run {
        return plan::run(session, &args.release, false).await;
    }
    if args.later.prepare {
        return later::prepare_release(session, &args).await;
    }
    if let Some(saved) = later::Asked::of(&args) {
        return later::deploy(session, &saved, &args).await;
    }
    let mut prepared = prepare(session, &args.release).await?;
    prepared.request.overrides.break_lock = args.turn.break_lock;
    let Prepared { target, request, content } = &prepared;
    let version = match &request.change {
        _ if args.release.env_only => "another configuration",
        Change::Deploy { version: Some(version), .. } => version.as_str(),
        _ => "a new version",
    };
    let what = format!("{version} goes to {}.", target.id);
    confirm::deployment(session, spec(request), args.yes, &what)?;
    let controller = carry::reached(session).await?;
    carry::out(session, controller, target, request, Some(content), &args.turn, args.detach).await
}

/// The configuration that a request brings.
pub fn spec(request: &Request) -> Option<&EnvironmentSpec> {
    match &request.change {
        Change::Deploy { spec, .. } => Some(spec),
        _ => None,
    }
}
