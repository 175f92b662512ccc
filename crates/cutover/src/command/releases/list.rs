//! `releases list`

use super::{Known, environments};
use crate::{halt::Halt, session::Session, ui::releases as printed};

/// Lists releases.  Starts nothing.
///
/// # Errors
///
/// Where the state cannot be read.
pub async fn run(session: &Session, words: &[String]) -> Result<u8, Halt> {
    let mut reports = vec![];
    for environment in environments(session, words).await? {
        let known = Known::new(session, environment).await?;
        reports.extend(known.releases.into_iter().map(|it| it.1));
    }
    if session.ui.is_json() {
        session.ui.object(&reports);
    } else {
        session.ui.line(&printed::table(&reports, &session.ui.clock));
    }
    Ok(0)
}
