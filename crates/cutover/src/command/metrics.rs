//! `metrics`

use super::proxy::asked;
use crate::{halt::Halt, session::Session, ui::metrics};
use model::failure::{Blame, Failure};

/// Prints what the proxy counts, for Prometheus; as an object where JSON is wanted.
///
/// # Errors
///
/// Where no proxy answers.
pub async fn run(session: &Session) -> Result<u8, Halt> {
    let Some(status) = asked(&session.root).await else {
        let failure =
            Failure::new(Blame::Platform, "ask the proxy for its counts: it does not run");
        return Err(Halt::unreachable(failure.hint("`cutover proxy start` starts it")));
    };
    if session.ui.is_json() {
        session.ui.object(&status);
    } else {
        session.ui.line(metrics::text(&status).trim_end());
    }
    Ok(0)
}
