//! Who watches deployments: live watchers, and each deployment's log file.

use crate::{deployment_log::DeploymentLogs, secrets::Secrets};
use engine::port::{clock::Clock, observer::Observer};
use model::{
    deployment::{News, Progress},
    id::DeploymentId,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::broadcast;

/// Lines a slow watcher may lag behind before it misses some; it then replays the journal.
const LAG_LINES_MAX: usize = 1024;

/// Passes news on, and never waits for anybody.
pub struct Hub {
    clock: Arc<dyn Clock>,
    watched: Mutex<BTreeMap<DeploymentId, broadcast::Sender<Progress>>>,
    logs: DeploymentLogs,
    secrets: Secrets,
}

impl Hub {
    /// Nobody watches yet.
    pub fn new(clock: Arc<dyn Clock>, logs: DeploymentLogs, secrets: Secrets) -> Hub {
        Hub { clock, watched: Mutex::default(), logs, secrets }
    }

    /// All news of the deployment from now on.
    pub fn watch(&self, deployment: &DeploymentId) -> broadcast::Receiver<Progress> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = || broadcast::channel(LAG_LINES_MAX).0;
        watched.entry(deployment.clone()).or_insert_with(channel).subscribe()
    }
}

impl Observer for Hub {
    fn tell(&self, deployment: &DeploymentId, sequence: u64, news: News) {
        let news = self.secrets.redactor().news(news);
        let progress = Progress { sequence, at_ms: self.clock.now_ms(), news };
        self.logs.write(deployment, &progress);
        let ended = matches!(progress.news, News::Ended { .. });
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = watched.get(deployment) {
            // An error says that nobody watches, which is fine.
            let _ = channel.send(progress);
        }
        if ended {
            watched.remove(deployment);
        }
    }
}
