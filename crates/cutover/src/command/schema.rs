//! `schema`

use crate::session::Session;

/// Prints the JSON Schema of the configuration.
pub fn run(session: &Session) -> u8 {
    session.ui.object(&config::schema::schema());
    0
}
