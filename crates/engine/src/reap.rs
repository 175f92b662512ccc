//! Ending warm instances whose time has come.

use crate::{deploy::Engine, port::runtime::Life};
use model::{failure::Failure, instance::Instance};

impl Engine {
    /// Ends retired instances whose time has come, or that died, if no generation on disk names
    /// them and no deployment of their environment is on its way.  To be called again and again.
    ///
    /// # Errors
    ///
    /// Where the journal, the router or the runtime cannot be asked; what was not ended stays
    /// retired.
    pub async fn reap(&self) -> Result<(), Failure> {
        let now_ms = self.ports.clock.now_ms();
        for (instance, not_before_ms) in self.ports.journal.retired().await? {
            let due = now_ms >= not_before_ms;
            if due || self.is_dead(&instance).await? {
                self.bury(&instance).await?;
            }
        }
        Ok(())
    }

    async fn is_dead(&self, instance: &Instance) -> Result<bool, Failure> {
        let life = self.ports.runtime.observe(&instance.id).await?;
        Ok(!matches!(life, Life::Running(_)))
    }

    /// Whoever takes the environment's lock waits for this turn, so that nothing is claimed between
    /// the look and the act.
    async fn bury(&self, instance: &Instance) -> Result<(), Failure> {
        let _turn = self.turn(&instance.environment).await;
        let unfinished = self.ports.journal.unfinished().await?;
        let busy = unfinished.iter().any(|it| it.environment == instance.environment);
        let retired = self.ports.journal.retired().await?;
        let claimed = !retired.iter().any(|(it, _)| it.id == instance.id);
        let named = self.ports.router.named_on_disk().await?.contains(&instance.id);
        if busy || claimed || named {
            return Ok(());
        }
        let stopped = self.ports.runtime.stop(&instance.id, self.ports.journal.epoch()).await?;
        tracing::info!(instance = %instance.id, killed = stopped.killed, "no longer kept warm");
        self.ports.journal.free_ports(std::slice::from_ref(&instance.id)).await?;
        self.ports.journal.buried(&instance.id).await
    }
}
