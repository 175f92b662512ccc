//! Hearing an abort in the midst of a wait.

use tokio::sync::watch;

/// Set once somebody asked to turn back; the journal's record of it outlives the controller.
#[derive(Clone, Debug)]
pub struct AbortFlag {
    asked: watch::Sender<Option<String>>,
}

impl Default for AbortFlag {
    fn default() -> AbortFlag {
        AbortFlag { asked: watch::Sender::new(None) }
    }
}

impl AbortFlag {
    /// Somebody asks.
    pub fn raise(&self, by: &str) {
        self.asked.send_replace(Some(by.to_owned()));
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
