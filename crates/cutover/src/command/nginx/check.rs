//! `nginx check`

use crate::{halt::Halt, session::Session, ui::figure::counted};
use drivers::nginx::Nginx;
use model::failure::{Blame, Failure};

/// Asks nginx whether it would take the files.
pub fn run(session: &Session, nginx: &Nginx) -> Result<u8, Halt> {
    let failed = |error: std::io::Error| {
        Halt::from(Failure::new(Blame::Platform, format!("make a directory: {error}")))
    };
    // nginx may run in a container, which sees only this directory.
    let scratch = match nginx.directory.is_dir() {
        true => tempfile::Builder::new().prefix("check-").tempdir_in(&nginx.directory),
        false => tempfile::tempdir(),
    };
    let scratch = scratch.or_else(|_| tempfile::tempdir()).map_err(failed)?;
    let ports_unseen = nginx
        .check(&scratch.path().join("stage"))
        .map_err(|failure| Halt::of(super::EXIT_REFUSED, failure))?;
    session.ui.done(&format!("{}: nginx takes them", counted(nginx.files().len(), "file")));
    if ports_unseen {
        session.ui.note("whether its ports are free was not seen: this user may not listen there");
    }
    Ok(0)
}
