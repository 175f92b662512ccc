//! `restart`, `stop`, `start`

use super::{carry, prepare::request};
use crate::{cli::grammar, halt::Halt, session::Session, target};
use model::deployment;

/// Changes what runs of the present release.
///
/// # Errors
///
/// Where it was not begun.
pub async fn run(
    session: &Session,
    args: grammar::Change,
    change: deployment::Change,
) -> Result<u8, Halt> {
    let target = target::known(session).await?.find(&args.words)?;
    let controller = carry::reached(session).await?;
    let mut request = request(session, &target, change, args.reason);
    request.overrides.break_lock = args.turn.break_lock;
    carry::out(session, controller, &target, &request, None, &args.turn, false).await
}
