//! Keeps apart what releases did lately, so that a new one is compared with the old as it is now.

use super::Controller;
use crate::limits::LATELY_TURN;
use std::rc::Rc;
use tokio::time::sleep;

/// Begins another turn of every release now and then, until the task is dropped.
pub(crate) async fn turn(controller: Rc<Controller>) {
    loop {
        sleep(LATELY_TURN).await;
        controller.state.borrow().releases.values().for_each(|release| release.turn());
    }
}
