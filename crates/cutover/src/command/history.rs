//! `history`

use super::carry;
use crate::{
    cli::grammar::History, controller::Controller, halt::Halt, session::Session, target,
    ui::history as printed,
};
use store::{OpenError, ReadOnly};

/// Lists deployments.  Starts nothing.
///
/// # Errors
///
/// Where the journal cannot be read.
pub async fn run(session: &Session, args: &History) -> Result<u8, Halt> {
    let target = target::known(session).await?.find(&args.words)?;
    let answer = Controller::new(&session.root).history(&target.id, args.limit).await;
    let records = match carry::unless_absent(answer)? {
        Some(records) => records,
        None => match journal(session)? {
            Some(journal) => journal.history(&target.id, args.limit)?,
            None => vec![],
        },
    };
    if session.ui.is_json() {
        session.ui.object(&records);
    } else {
        session.ui.line(&printed::text(&records, &target, &session.ui.clock, &session.ui.paint));
    }
    Ok(0)
}

/// The journal, for reading without the controller; none where nothing was ever deployed.
///
/// # Errors
///
/// Where it cannot be read.
pub fn journal(session: &Session) -> Result<Option<ReadOnly>, Halt> {
    if !session.layout().database().exists() {
        return Ok(None);
    }
    match store::read_only(&session.root) {
        Ok(journal) => Ok(Some(journal)),
        Err(OpenError::Missing { .. }) => Ok(None),
        Err(error) => Err(Halt::unreachable(model::failure::Failure::new(
            model::failure::Blame::Platform,
            format!("read the journal: {error}"),
        ))),
    }
}
