//! What the API's handlers share: the engine, the journal, who watches.

use crate::{
    api::{audit::Audit, refusal::Refusal},
    by_hand,
    gate::Gates,
    hub::Hub,
    one_off::Watchers,
    saved,
    secrets::Secrets,
    waiting::Waiting,
};
use drivers::Local;
use engine::{deploy::Engine, one_off::OneOffs, port::journal::Begun};
use model::{
    deployment::{DeploymentRecord, Request, Stage},
    failure::{Blame, Failure},
    id::DeploymentId,
    journal::Outcome,
    saved::Saved,
};
use std::{path::PathBuf, sync::Arc};
use store::Store;
use tokio::sync::watch;

/// The controller, as its handlers see it.
#[derive(Clone)]
pub struct Controller {
    /// Decides and does.
    pub engine: Arc<Engine>,
    /// Runs processes beside instances.
    pub one_offs: OneOffs,
    /// Who waits for which of them.
    pub watchers: Arc<Watchers>,
    /// The journal.
    pub store: Arc<Store>,
    /// The parts of this machine.
    pub local: Arc<Local>,
    /// What must not happen at the same time.
    pub gates: Arc<Gates>,
    /// Who waits for a lock.
    pub waiting: Arc<Waiting>,
    /// Who watches.
    pub hub: Arc<Hub>,
    /// The state directory.
    pub root: PathBuf,
    /// Who asked for what.
    pub audit: Audit,
    /// What is masked in all answers.
    pub secrets: Secrets,
    /// Unix time in ms.
    pub started_at_ms: u64,
    /// True once what an earlier life left behind is dealt with.
    pub recovered: watch::Receiver<bool>,
    /// Set to true to end the daemon.
    pub ending: watch::Sender<bool>,
}

impl Controller {
    /// Takes a request on, and starts to work on it where it is new.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be written, or somebody migrates a database by hand.
    pub async fn take(&self, request: Request) -> Result<Begun, Refusal> {
        self.take_saved(request, None).await
    }

    /// As [`Controller::take`], of what was kept for later, which is used up by it.
    ///
    /// # Errors
    ///
    /// As [`Controller::take`].
    pub async fn take_saved(
        &self,
        request: Request,
        saved: Option<Saved>,
    ) -> Result<Begun, Refusal> {
        let request = self.secrets.met(request);
        self.wait_until_recovered().await;
        let turn = self.gates.turn(&request.environment).await;
        if let Some(migration) = self.migrating(&request.environment).await? {
            return Err(Refusal::locked(by_hand::in_the_way(&migration)));
        }
        let begun = self.engine.begin(&request).await?;
        drop(turn);
        if matches!(begun, Begun::Taken { .. }) {
            let this = self.clone();
            tokio::spawn(async move {
                let deployment = request.deployment.clone();
                match this.engine.run(&request).await {
                    Ok(outcome) => {
                        tracing::info!(%deployment, ?outcome, "ended");
                        if let Some(saved) = saved {
                            saved::used(&this, &saved, outcome).await;
                        }
                    }
                    Err(failure) => {
                        tracing::error!(%deployment, "stopped: failed to {}", failure.message);
                    }
                }
            });
        }
        Ok(begun)
    }

    /// Goes on with a deployment that needs attention: forward, or back where `abort`.
    ///
    /// # Errors
    ///
    /// Where it does not need attention, somebody migrates by hand, or the journal cannot be
    /// written.
    pub async fn resume(&self, record: &DeploymentRecord, abort: bool) -> Result<(), Failure> {
        self.wait_until_recovered().await;
        let turn = self.gates.turn(&record.environment).await;
        if let Some(migration) = self.migrating(&record.environment).await? {
            return Err(by_hand::in_the_way(&migration));
        }
        self.engine.reopen(&record.id, abort).await?;
        drop(turn);
        let (engine, deployment) = (self.engine.clone(), record.id.clone());
        tokio::spawn(async move {
            match engine.resume(&deployment).await {
                Ok(outcome) => tracing::info!(%deployment, ?outcome, "ended"),
                Err(failure) => {
                    tracing::error!(%deployment, "stopped: failed to {}", failure.message);
                }
            }
        });
        Ok(())
    }

    /// Asks a deployment to turn back.
    ///
    /// # Errors
    ///
    /// Where it has ended, or is committed.
    pub async fn abort(&self, id: &DeploymentId, by: &str) -> Result<(), Failure> {
        let record = self.store_deployment(id).await?;
        match record.stage {
            Stage::Ended(Outcome::NeedsAttention) => self.resume(&record, true).await,
            _ => self.engine.abort(id, by).await,
        }
    }

    /// One deployment's record.
    ///
    /// # Errors
    ///
    /// Where there is none of this id, or the journal cannot be read.
    pub async fn store_deployment(&self, id: &DeploymentId) -> Result<DeploymentRecord, Failure> {
        use engine::port::journal::Journal;
        let found = self.store.deployment(id).await?;
        found.ok_or_else(|| {
            Failure::new(Blame::Request, format!("find deployment `{id}`"))
                .hint("`cutover history` lists the deployments")
        })
    }

    /// Whether an earlier life's leftovers are still being dealt with.
    pub fn recovering(&self) -> bool {
        !*self.recovered.borrow()
    }

    /// Returns once what an earlier life left behind is dealt with.
    pub async fn wait_until_recovered(&self) {
        let mut recovered = self.recovered.clone();
        // An error means that the recovering task is gone, and there is nothing to wait for.
        let _ = recovered.wait_for(|it| *it).await;
    }
}
