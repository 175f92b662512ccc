//! Ending warm instances whose time has come.

use crate::{deploy::Engine, port::runtime::Life};
use model::{failure::Failure, id::InstanceId, instance::Instance};
use std::sync::PoisonError;

impl Engine {
    /// Ends retired instances whose time has come, or that died, if no generation on disk names
    /// them and no deployment of their environment is on its way.  To be called again and again.
    ///
    /// # Errors
    ///
    /// Where the journal, the router or the runtime cannot be asked; what was not ended stays
    /// retired.
    pub async fn reap(&self) -> Result<(), Failure> {
        let retired = self.ports.journal.retired().await?;
        self.time(&retired);
        for (instance, _) in retired {
            if self.is_due(&instance.id) || self.is_dead(&instance).await? {
                self.bury(&instance).await?;
            }
        }
        Ok(())
    }

    /// The journal can hold a time of the wall clock only, which may leap.  What it said when an
    /// instance was first seen is held against the other clock from then on.
    fn time(&self, retired: &[(Instance, u64)]) {
        let (wall_ms, elapsed_ms) = (self.ports.clock.now_ms(), self.ports.clock.elapsed_ms());
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        warm.retain(|id, (until, _)| retired.iter().any(|it| it.0.id == *id && it.1 == *until));
        for (instance, until_ms) in retired {
            let due_ms = elapsed_ms.saturating_add(until_ms.saturating_sub(wall_ms));
            warm.entry(instance.id.clone()).or_insert((*until_ms, due_ms));
        }
    }

    fn is_due(&self, id: &InstanceId) -> bool {
        let warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        warm.get(id).is_some_and(|(_, due_ms)| self.ports.clock.elapsed_ms() >= *due_ms)
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
