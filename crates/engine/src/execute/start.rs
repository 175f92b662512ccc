//! Starting an instance, also where the host needs a moment.

use super::{Execution, aborted};
use model::{
    failure::{Blame, Failure},
    instance::Instance,
    service::Millis,
};

/// Tries to start one instance.
const TRIES: u32 = 3;
/// Between two of them.
const PAUSE: Millis = Millis::seconds(5);

/// Whether an abort ends the pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hears {
    /// On the way forward.
    Abort,
    /// On the way back, which an abort may be the reason of.
    Nothing,
}

impl Execution<'_> {
    /// What the host could not do is tried again: no process could be made, no file written, its
    /// supervisor did not answer.  Once the process exists nothing is: that it exits is a verdict
    /// on the release, and an attempt of its own would only hide it.
    pub(super) async fn start(&self, instance: &Instance, hears: Hears) -> Result<(), Failure> {
        let release = self.release(&instance.release).await?;
        let epoch = self.ports.journal.epoch();
        for tried in 1..=TRIES {
            let started = self.ports.runtime.start(instance, &release, epoch).await;
            let Err(failure) = started else { return Ok(()) };
            if tried == TRIES || !self.may_pass(instance, &failure).await {
                return Err(failure);
            }
            let (why, seconds) = (&failure.message, PAUSE.0 / 1000);
            self.note(format!("failed to {why}; try {tried} of {TRIES}, again in {seconds} s"));
            tokio::select! {
                biased;
                by = self.abort.heard(), if hears == Hears::Abort => return Err(aborted(&by)),
                () = self.ports.clock.wait(PAUSE) => {}
            }
        }
        Ok(())
    }

    /// A port that a stranger has stays in the plan, and in routes that are written already: only
    /// another attempt has another one.
    async fn may_pass(&self, instance: &Instance, failure: &Failure) -> bool {
        let port: Vec<u16> = instance.port.into_iter().collect();
        let taken = self.ports.machine.ports_taken(&port).await;
        failure.blame == Blame::Platform && taken.is_ok_and(|it| it.is_empty())
    }
}
