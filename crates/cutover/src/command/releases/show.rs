//! `releases show`

use super::{Known, split};
use crate::{halt::Halt, session::Session, ui::releases as printed};

/// Shows one release.  Starts nothing.
///
/// # Errors
///
/// Where it is not kept, or the state cannot be read.
pub async fn run(session: &Session, words: &[String]) -> Result<u8, Halt> {
    let (environment, [version]) = split(session, words, "one version").await?;
    let known = Known::new(session, environment).await?;
    let (release, report) = known.find(version)?;
    if session.ui.is_json() {
        session.ui.object(&printed::show::object(release, report));
    } else {
        session.ui.line(&printed::show::text(release, report, &session.ui.clock));
    }
    Ok(0)
}
