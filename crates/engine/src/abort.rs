//! Hearing in the midst of a wait what somebody asks of a deployment: to turn back, or to wait no
//! longer.

use tokio::sync::watch;

/// Set once somebody asked to turn back; the journal's record of it outlives the controller.
#[derive(Clone, Debug)]
pub struct AbortFlag {
    asked: watch::Sender<Option<String>>,
    /// Dies with the controller: who asked sees that it is watched on, and asks again.
    promoted: watch::Sender<Option<String>>,
}

impl Default for AbortFlag {
    fn default() -> AbortFlag {
        AbortFlag { asked: watch::Sender::new(None), promoted: watch::Sender::new(None) }
    }
}

impl AbortFlag {
    /// Somebody asks.
    pub fn raise(&self, by: &str) {
        self.asked.send_replace(Some(by.to_owned()));
    }

    /// Somebody asks to watch the release no longer, at the stage where it is; whether it is being
    /// watched.
    pub fn promote(&self, by: &str) -> bool {
        self.promoted.send(Some(by.to_owned())).is_ok()
    }

    /// Returns when somebody asks, from now on, to watch no longer: who.
    pub async fn promoted(&self) -> String {
        let mut promoted = self.promoted.subscribe();
        promoted.mark_unchanged();
        loop {
            // This value owns the sender, so that waiting cannot fail.
            let _ = promoted.changed().await;
            let by = promoted.borrow_and_update().clone();
            if let Some(by) = by {
                return by;
            }
        }
    }

    /// Who asked, if somebody did.
    pub fn raised(&self) -> Option<String> {
        self.asked.borrow().clone()
    }

    /// Returns when somebody asks: who.
    pub async fn heard(&self) -> String {
        let mut asked = self.asked.subscribe();
        loop {
            let by = asked.borrow_and_update().clone();
            if let Some(by) = by {
                return by;
            }
            // This value owns the sender, so that waiting cannot fail.
            let _ = asked.changed().await;
        }
    }
}
