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
/// Notes that are kept of a deployment until its first watcher comes: the journal has none of them.
const EARLY_NOTES_MAX: usize = 32;

/// Passes news on, and never waits for anybody.
pub struct Hub {
    clock: Arc<dyn Clock>,
    watched: Mutex<BTreeMap<DeploymentId, Watched>>,
    logs: DeploymentLogs,
    secrets: Secrets,
}

/// One deployment's watchers.
enum Watched {
    /// None came yet: what they could not find in the journal.
    Awaited(Vec<Progress>),
    /// One came.
    By(broadcast::Sender<Progress>),
}

impl Hub {
    /// Nobody watches yet.
    pub fn new(clock: Arc<dyn Clock>, logs: DeploymentLogs, secrets: Secrets) -> Hub {
        Hub { clock, watched: Mutex::default(), logs, secrets }
    }

    /// All news of the deployment from now on.
    pub fn watch(&self, deployment: &DeploymentId) -> broadcast::Receiver<Progress> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Watched::By(channel)) = watched.get(deployment) {
            return channel.subscribe();
        }
        let (channel, receiver) = broadcast::channel(LAG_LINES_MAX);
        if let Some(Watched::Awaited(early)) = watched.remove(deployment) {
            for progress in early {
                // The receiver is held here.
                let _ = channel.send(progress);
            }
        }
        watched.insert(deployment.clone(), Watched::By(channel));
        receiver
    }
}

impl Observer for Hub {
    fn tell(&self, deployment: &DeploymentId, sequence: u64, news: News) {
        let news = self.secrets.redactor().news(news);
        let progress = Progress { sequence, at_ms: self.clock.now_ms(), news };
        self.logs.write(deployment, &progress);
        let ended = matches!(progress.news, News::Ended { .. });
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let none = || Watched::Awaited(vec![]);
        match watched.entry(deployment.clone()).or_insert_with(none) {
            Watched::By(channel) => {
                // An error says that nobody watches, which is fine.
                let _ = channel.send(progress);
            }
            Watched::Awaited(early) => {
                if sequence == 0 && early.len() < EARLY_NOTES_MAX {
                    early.push(progress);
                }
            }
        }
        if ended {
            watched.remove(deployment);
        }
    }
}
