//! What removes releases or uploads, and what takes a request on, take turns by environment.

use model::name::EnvironmentId;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

/// One gate an environment.
#[derive(Debug, Default)]
pub struct Gates {
    all: Mutex<BTreeMap<EnvironmentId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Gates {
    /// Waits for the environment's turn, which ends with what is returned.
    pub async fn turn(&self, environment: &EnvironmentId) -> OwnedMutexGuard<()> {
        let gate = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(environment.clone()).or_default().clone()
        };
        gate.lock_owned().await
    }
}
