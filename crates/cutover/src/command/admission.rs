//! Asks to be let in before anything is sent.

use crate::{
    controller::Controller,
    halt::Halt,
    session::Session,
    source::{Content, list},
};
use daemon::api::words::Admission;
use model::deployment::{Change, Request};

/// Whether the deployment would be let in; not asked where nothing is sent.
///
/// # Errors
///
/// Where it would not, or its content cannot be read.
pub async fn asked(
    session: &Session,
    controller: &Controller,
    request: &Request,
    content: &Content,
    waits: bool,
) -> Result<(), Halt> {
    if content.is_there() {
        return Ok(());
    }
    let digest = match (&request.change, content) {
        // Reading all of it twice is worth it only where that decides.
        (Change::Deploy { spec, .. }, Content::Directory(directory))
            if spec.control.require.is_some() =>
        {
            Some(list::read(directory, &session.root).await?.digest)
        }
        _ => None,
    };
    let admission = Admission { request: request.clone(), digest, waits };
    Ok(controller.admission(&admission).await?)
}
