//! `resume`

use super::{attach, carry, which::meant};
use crate::{cli::grammar::Which, halt::Halt, session::Session};

/// Goes on with a deployment that needs attention, and watches it.
///
/// # Errors
///
/// Where it needs none.
pub async fn run(session: &Session, which: &Which) -> Result<u8, Halt> {
    let meant = meant(session, which).await?;
    let controller = carry::reached(session).await?;
    let record = attach::found(&controller, meant).await?;
    controller.resume(&record.id, &session.by).await?;
    attach::watched(session, controller, &record).await
}
