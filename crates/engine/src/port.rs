//! The traits through which the engine has effects: one where the world varies.

pub mod backups;
pub mod builder;
pub mod clock;
pub mod hook;
pub mod job_book;
pub mod journal;
pub mod machine;
pub mod migrator;
pub mod observer;
pub mod one_off;
pub mod prober;
pub mod releases;
pub mod router;
pub mod runtime;

use std::sync::Arc;

/// All of them, as the engine is given them.
#[derive(Clone)]
pub struct Ports {
    /// Runs instances.
    pub runtime: Arc<dyn runtime::Runtime>,
    /// Sends traffic.
    pub router: Arc<dyn router::Router>,
    /// Builds content where it lies.
    pub builder: Arc<dyn builder::Builder>,
    /// Runs the owner's programs beside the steps.
    pub hooks: Arc<dyn hook::HookRunner>,
    /// Migrates databases.
    pub migrator: Arc<dyn migrator::Migrator>,
    /// Asks instances and public routes.
    pub prober: Arc<dyn prober::Prober>,
    /// Keeps backups.
    pub backups: Arc<dyn backups::Backups>,
    /// Keeps releases.
    pub releases: Arc<dyn releases::Releases>,
    /// Keeps intents and outcomes.
    pub journal: Arc<dyn journal::Journal>,
    /// What the host has.
    pub machine: Arc<dyn machine::Machine>,
    /// Tells the time.
    pub clock: Arc<dyn clock::Clock>,
    /// Is told of progress.
    pub observer: Arc<dyn observer::Observer>,
}
