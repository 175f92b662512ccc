//! `version`

use crate::session::Session;

/// Prints the version.
pub fn run(session: &Session) -> u8 {
    let version = env!("CARGO_PKG_VERSION");
    if session.ui.is_json() {
        session.ui.object(&serde_json::json!({ "version": version }));
    } else {
        session.ui.line(&format!("cutover {version}"));
    }
    0
}
