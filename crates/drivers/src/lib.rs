//! The effects behind the engine's ports, for one machine.

pub mod abandoned;
mod account;
pub mod acme;
pub mod audit;
pub mod backups;
mod blocking;
pub mod clock;
pub mod file;
pub mod ground;
pub mod host;
pub mod layout;
pub mod machine;
pub mod nginx;
pub mod probe;
pub mod releases;
mod roots;
pub mod router;
pub mod runtime;
mod seal;
pub mod secrets;
pub mod state;
pub mod units;

use acme::Certificates;
use backups::DirectoryBackups;
use clock::SystemClock;
use engine::port::{
    builder::Builder, clock::Clock, hook::HookRunner, machine::Machine, migrator::Migrator,
    one_off::OneOffRunner, prober::Prober, router::Router, runtime::Runtime,
};
use layout::Layout;
use machine::LocalMachine;
use probe::LocalProber;
use releases::DirectoryReleases;
use router::EmbeddedRouter;
use runtime::{
    ChosenRuntime, HostBuilder, OneOffProcesses, Pm2Runtime, ProcessRuntime, SystemdRuntime,
};
use std::{path::PathBuf, sync::Arc};

/// All that the engine needs of this machine, besides a journal and who watches.
#[derive(Clone)]
pub struct Local {
    /// Instances, each as its release says.
    pub runtime: Arc<dyn Runtime>,
    /// What of them PM2 runs.
    pub pm2: Pm2Runtime,
    /// What of them systemd runs.
    pub systemd: SystemdRuntime,
    /// One-off processes.
    pub one_offs: Arc<dyn OneOffRunner>,
    /// Builds content where it lies.
    pub builder: Arc<dyn Builder>,
    /// Runs the owner's programs beside the steps.
    pub hooks: Arc<dyn HookRunner>,
    /// Migrates databases.
    pub migrator: Arc<dyn Migrator>,
    /// The proxy that comes with this program.
    pub router: Arc<dyn Router>,
    /// Certificates that an authority issues.
    pub certificates: Certificates,
    /// Asks them.
    pub prober: Arc<dyn Prober>,
    /// Backups in directories.
    pub backups: Arc<DirectoryBackups>,
    /// Also takes uploads.
    pub releases: Arc<DirectoryReleases>,
    /// Space, memory, ports, users.
    pub machine: Arc<dyn Machine>,
    /// Its clocks.
    pub clock: Arc<dyn Clock>,
}

/// The parts for the state directory `root`; `program` is this very program, which is executed for
/// the roles `supervise` and `proxy`.  Nothing is started or written yet.
pub fn local(root: PathBuf, program: PathBuf) -> Local {
    let layout = Layout::new(&root);
    let one_offs = OneOffProcesses::new(layout.clone(), program.clone());
    parts(ProcessRuntime::new(layout.clone(), program.clone()), one_offs, layout, program)
}

/// The same for somebody who only looks, since no controller runs: nothing is ever started.
pub fn onlooker(root: PathBuf) -> Local {
    let layout = Layout::new(&root);
    let one_offs = OneOffProcesses::onlooker(layout.clone());
    parts(ProcessRuntime::onlooker(layout.clone()), one_offs, layout, PathBuf::new())
}

fn parts(
    runtime: ProcessRuntime,
    one_offs: OneOffProcesses,
    layout: Layout,
    program: PathBuf,
) -> Local {
    let runtime = ChosenRuntime::new(runtime);
    let router = EmbeddedRouter::new(layout.clone(), program);
    let prober = LocalProber::new(runtime.clone(), router.clone());
    Local {
        pm2: runtime.pm2().clone(),
        systemd: runtime.systemd().clone(),
        runtime: Arc::new(runtime),
        hooks: Arc::new(one_offs.clone()),
        migrator: Arc::new(one_offs.clone()),
        builder: Arc::new(HostBuilder::new(
            one_offs.clone(),
            DirectoryReleases::new(layout.clone()),
        )),
        one_offs: Arc::new(one_offs),
        router: Arc::new(router),
        certificates: Certificates::new(layout.clone()),
        prober: Arc::new(prober),
        backups: Arc::new(DirectoryBackups::new(layout.clone())),
        releases: Arc::new(DirectoryReleases::new(layout.clone())),
        machine: Arc::new(LocalMachine::new(layout)),
        clock: Arc::new(SystemClock),
    }
}
