//! One life of the daemon: from its start to its orderly end.

use crate::{
    api::{self, audit::Audit},
    background, behind, certificates,
    controller::Controller,
    deployment_log::DeploymentLogs,
    hub::Hub,
    one_off,
    secrets::Secrets,
    socket::{Peer, PeerListener},
};
use drivers::{Local, audit::AuditLog, layout::Layout};
use engine::{deploy::Engine, one_off::OneOffs, port::Ports};
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::{OpenError, Store};
use tokio::sync::watch;

/// How long a controller that is to be replaced may take to end.
const TAKE_OVER_WAIT: Duration = Duration::from_secs(5);

/// How the daemon is to run.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// The state directory.
    pub root: PathBuf,
    /// This very program.
    pub program: PathBuf,
    /// End a daemon that holds the lock, instead of refusing.
    pub take_over: bool,
    /// What is masked, in its log too.
    pub secrets: Secrets,
}

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The state directory, a socket or a thread.
    #[error("failed to {doing}: {source}")]
    Platform {
        /// What was tried.
        doing: String,
        /// What came of it.
        source: io::Error,
    },
    /// The journal.
    #[error("{0}")]
    Store(#[from] OpenError),
    /// Another daemon did not end in time.
    #[error("the daemon with pid {pid} did not end within {} s", TAKE_OVER_WAIT.as_secs())]
    WillNotEnd {
        /// Its process.
        pid: u32,
    },
}

/// Runs until it is asked to end.
///
/// # Errors
///
/// Where it cannot start; what then runs is not touched.
pub fn run(options: &DaemonOptions) -> Result<(), DaemonError> {
    make_root(&options.root).map_err(platform(format!("make {}", options.root.display())))?;
    let store = open_store(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(platform("start the threads"))?;
    runtime.block_on(serve(options, store))
}

fn make_root(root: &Path) -> io::Result<()> {
    // An instance with a user of its own passes through to its release, and can list nothing.
    DirBuilder::new().recursive(true).mode(0o711).create(root)?;
    fs::create_dir_all(root.join("routes"))?;
    fs::create_dir_all(root.join("run"))?;
    fs::create_dir_all(root.join("proxy"))
}

fn platform<T: Into<String>>(doing: T) -> impl FnOnce(io::Error) -> DaemonError {
    |source| DaemonError::Platform { doing: doing.into(), source }
}

fn open_store(options: &DaemonOptions) -> Result<Store, DaemonError> {
    let open = || store::open_if(&options.root, |it| behind::refuse(&options.root, it));
    match open() {
        Err(OpenError::Locked { pid, .. }) if options.take_over => {
            end_other(pid)?;
            Ok(open()?)
        }
        opened => Ok(opened?),
    }
}

/// Ends the other daemon by a descriptor of the very process, and waits until it is gone.
fn end_other(pid: u32) -> Result<(), DaemonError> {
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
    };
    let doing = || format!("end the daemon with pid {pid}");
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(raw) = raw else { return Err(DaemonError::WillNotEnd { pid }) };
    let process = match pidfd_open(raw, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        process => process.map_err(|it| platform(doing())(it.into()))?,
    };
    // It may be stopped, and a controller must be able to die at any instruction.
    pidfd_send_signal(&process, Signal::KILL).map_err(|it| platform(doing())(it.into()))?;
    let wait = Timespec { tv_sec: TAKE_OVER_WAIT.as_secs().cast_signed(), tv_nsec: 0 };
    let mut polled = [PollFd::new(&process, PollFlags::IN)];
    match poll(&mut polled, Some(&wait)) {
        Ok(1..) => Ok(()),
        Ok(0) => Err(DaemonError::WillNotEnd { pid }),
        Err(error) => Err(platform(doing())(error.into())),
    }
}

async fn serve(options: &DaemonOptions, store: Store) -> Result<(), DaemonError> {
    if let Err(error) = drivers::abandoned::clear_up(&options.root) {
        tracing::warn!(%error, "some of what an earlier controller left half-way stays");
    }
    let local = Arc::new(drivers::local(options.root.clone(), options.program.clone()));
    let secrets = options.secrets.clone();
    let store = Arc::new(store.masked_by(move || secrets.redactor()));
    let layout = Layout::new(&options.root);
    let audit = AuditLog::open(&options.root).map_err(platform("open audit.log"))?;
    let audit = Arc::new(audit);
    let logs =
        DeploymentLogs::start(layout, audit.clone()).map_err(platform("start the log thread"))?;
    let hub = Arc::new(Hub::new(local.clock.clone(), logs, options.secrets.clone()));
    let ports = ports(&local, &store, &hub);
    let (recovered, watched) = watch::channel(false);
    let (ending, mut ended) = watch::channel(false);
    let one_offs = OneOffs {
        runner: local.one_offs.clone(),
        releases: local.releases.clone(),
        router: local.router.clone(),
        clock: local.clock.clone(),
        epoch: store.epoch(),
        busy: Arc::default(),
    };
    let controller = Controller {
        one_offs,
        watchers: Arc::default(),
        engine: Arc::new(Engine::new(ports)),
        store,
        started_at_ms: local.clock.now_ms(),
        local,
        gates: Arc::default(),
        waiting: Arc::default(),
        hub,
        root: options.root.clone(),
        audit: Audit::new(audit),
        secrets: options.secrets.clone(),
        recovered: watched,
        ending,
    };
    let listener = PeerListener::bind(&options.root).map_err(platform("bind daemon.sock"))?;
    tracing::info!(epoch = api::status::of(&controller).epoch, "the controller runs");
    if let Err(error) = supervise::notify::tell("READY=1") {
        tracing::warn!(%error, "the service manager cannot be told that the controller runs");
    }
    tokio::spawn(background::run(controller.clone(), recovered));
    tokio::spawn(certificates::tend(controller.clone()));
    tokio::spawn(one_off::tend(controller.clone()));
    let until = async move {
        // An error means that the sender is gone, with the controller.
        let _ = ended.wait_for(|it| *it).await;
    };
    tokio::select! {
        served = async {
            let service = api::router(controller).into_make_service_with_connect_info::<Peer>();
            axum::serve(listener, service).await
        } => {
            served.map_err(platform("serve the API"))
        }
        () = until => Ok(()),
    }
}

fn ports(local: &Local, store: &Arc<Store>, hub: &Arc<Hub>) -> Ports {
    Ports {
        runtime: local.runtime.clone(),
        router: local.router.clone(),
        hooks: local.hooks.clone(),
        builder: local.builder.clone(),
        migrator: local.migrator.clone(),
        prober: local.prober.clone(),
        backups: local.backups.clone(),
        releases: local.releases.clone(),
        journal: store.clone(),
        machine: local.machine.clone(),
        clock: local.clock.clone(),
        observer: hub.clone(),
    }
}
