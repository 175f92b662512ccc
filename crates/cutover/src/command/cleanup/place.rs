//! Who may remove releases now: the controller where it runs, else whoever has its place.

use crate::{
    controller::{CallError, Controller},
    halt::Halt,
    session::Session,
};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};

/// Who may remove releases.
pub enum Place {
    /// The controller, which is asked.
    Controller(Controller),
    /// We, for as long as this is held; none: it has never had a place here.
    Ours {
        /// Keeps a controller from starting meanwhile.
        _lock: Option<File>,
    },
    /// A controller that has the place, and does not answer.
    Taken,
}

impl Place {
    /// Finds out.
    ///
    /// # Errors
    ///
    /// Where the controller belongs to another user.
    pub async fn of(session: &Session) -> Result<Place, Halt> {
        let controller = Controller::new(&session.root);
        match controller.info().await {
            Ok(_) => return Ok(Place::Controller(controller)),
            Err(CallError::Nobody(_)) => {}
            Err(CallError::Lost(_) | CallError::Stranger(_)) => return Ok(Place::Taken),
            Err(error) => return Err(error.into()),
        }
        // Opened and not made: a full disk has no room for it.
        let lock = OpenOptions::new().read(true).open(session.root.join("state.lock")).ok();
        match lock.as_ref().map(|it| flock(it, FlockOperation::NonBlockingLockExclusive)) {
            Some(Err(_)) => Ok(Place::Taken),
            _ => Ok(Place::Ours { _lock: lock }),
        }
    }
}
