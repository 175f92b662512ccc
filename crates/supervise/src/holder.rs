//! Holds the proxy's listeners, so that no client is refused while the proxy is started again.

mod heir;
mod listeners;
mod proxy;
mod replace;
mod seats;
mod succession;
mod turn;

use crate::{
    RoleError, clock,
    holder_spec::{FORMAT, HolderSpec},
    notify,
    output::Output,
    own_log,
    place::{self, Place},
    session, signals,
    socket::{ClientId, Server},
    spec, whole_file,
};
use listeners::Listeners;
use model::redact::Redactor;
use proxy::{Crashes, Proxy};
use replace::{Candidate, Leaving, Unsure};
use rustix::fs::{FlockOperation, flock};
use seats::Seats;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    time::Instant,
};

const PROXY_LOG_BYTES: u64 = 10 * 1024 * 1024;
const PROXY_LOG_COUNT: u32 = 3;
/// The proxy's lines are dropped while less is free.
const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// What the holder may be asked over `ROOT/proxy/holder.sock`: one JSON object a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum HolderAsk {
    /// How it is.
    Status,
    /// Close the listeners, end the proxy by SIGTERM, then end.  Answered when the proxy is gone.
    Stop,
    /// Start another proxy, of `program` from now on where one is given, and have it lead instead
    /// of the old one, which finishes what it has.  Where it cannot, nothing changes; nor during a
    /// probation.
    Replace {
        /// None: the program that runs now, as it lies on disk.
        program: Option<PathBuf>,
        /// How long the old one may finish what it has; none: five minutes.
        #[serde(default)]
        limit_ms: Option<u64>,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum HolderAnswer {
    /// See [`HolderAsk::Status`].
    Status(HolderStatus),
    /// The proxy is gone, and its addresses are free.
    Stopped {
        /// SIGTERM was not enough: it was killed.
        killed: bool,
    },
    /// The new proxy serves, and the old one accepts no more.
    Replaced {
        /// The new one's process.
        pid: u32,
    },
    /// Not understood, or not done: nothing was changed.
    Refused {
        /// Why.
        message: String,
    },
}

/// How the holder is: also written, whole, to `ROOT/proxy/holder-status.json` at each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderStatus {
    /// The holder's process.
    pub pid: u32,
    /// The proxy's process, while it runs.
    pub proxy_pid: Option<u32>,
    /// As they are bound, with the real port where 0 was asked.
    pub addresses: Vec<String>,
    /// What clients meet.
    pub state: HolderState,
    /// Times the proxy ended without being asked since this holder started.
    pub crashes: u32,
    /// Unix time in ms since when `state` is so.
    pub since_ms: u64,
    /// What went wrong last, for an operator.
    pub error: Option<String>,
}

/// What clients meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderState {
    /// The listeners are open and a proxy runs.
    Serving,
    /// The proxy crashed too often: clients are refused, and it is tried again every 5 s.
    Closed,
    /// It was asked to stop, and waits for the proxy's end.
    Stopping,
    /// It has ended as asked.
    Stopped,
    /// It has ended: `error` says why.
    Failed,
}

/// Everything about the proxy and its listeners.
struct Holder {
    place: Place,
    spec: HolderSpec,
    seats: Seats,
    output: Output,
    server: Server,
    listeners: Option<Listeners>,
    proxy: Option<Proxy>,
    candidate: Option<Candidate>,
    leaving: Vec<Leaving>,
    unsure: Option<Unsure>,
    crashes: Crashes,
    retry_at: Option<Instant>,
    stopping: Option<Stopping>,
    status: HolderStatus,
    _lock: File,
}

/// It was asked to stop.
struct Stopping {
    kill_at: Instant,
    killed: bool,
    waiting: Vec<ClientId>,
}

/// Holds what `ROOT/proxy/holder.json` names until it is asked to stop.  Where a proxy lives whose
/// holder died, its listeners are taken over from it, and it is left as it is.
///
/// SIGTERM, SIGINT and SIGHUP do nothing, as for an instance.  Only where a service manager started
/// it SIGTERM ends it, and it alone: the proxy serves on until the next holder takes it over.  The
/// listeners are then kept by the service manager too, should both of them die.
///
/// # Errors
///
/// The specification is missing or broken, another holder is there, or an address cannot be bound
/// ([`crate::EXIT_NOT_BOUND`]).
pub fn run_holder(root: &Path) -> Result<(), RoleError> {
    let directory = place::of_proxy(root);
    drop(lock(&directory)?);
    let handed = notify::handed();
    session::begin_with(&directory.join(place::HOLDER_LOG), handed)?;
    if notify::is_heard() {
        signals::end_by_term();
    }
    let kept = notify::take(handed)
        .map_err(|it| RoleError::failed(format!("the listeners that were kept: {it}")))?;
    let result = open(root, &directory, kept).and_then(|holder| {
        heard(notify::tell("READY=1"));
        holder.serve()
    });
    if let Err(error) = &result {
        own_log::note(&format!("ended: {error}"));
    }
    result
}

/// Whoever manages this service may go on without it.
fn heard(told: std::io::Result<()>) {
    if let Err(error) = told {
        own_log::note(&format!("the service manager cannot be told: {error}"));
    }
}

fn open(root: &Path, directory: &Path, kept: Vec<OwnedFd>) -> Result<Holder, RoleError> {
    let seats = Seats::reserve()?;
    let lock = lock(directory)?;
    let place = Place::open(directory.to_owned()).map_err(|error| failed(directory, error))?;
    let spec = read_spec(&place.file(place::HOLDER_SPEC), root)?;
    let output = Output::open(&place, "proxy", &proxy_output(&place), None, Redactor::default())
        .map_err(|error| RoleError::failed(format!("the proxy's output: {error}")))?;
    let socket = place.file(place::HOLDER_SOCKET);
    let server = Server::bind(&place, place::HOLDER_SOCKET).map_err(|it| failed(&socket, it))?;
    let status = HolderStatus {
        pid: std::process::id(),
        proxy_pid: None,
        addresses: spec.listen.clone(),
        state: HolderState::Serving,
        crashes: 0,
        since_ms: clock::unix_ms(),
        error: None,
    };
    let mut holder = Holder {
        place,
        spec,
        seats,
        output,
        server,
        listeners: None,
        proxy: None,
        candidate: None,
        leaving: Vec::new(),
        unsure: None,
        crashes: Crashes::default(),
        retry_at: None,
        stopping: None,
        status,
        _lock: lock,
    };
    if let Err(error) = holder.take_over_or_bind(kept) {
        holder.status.error = Some(error.message.clone());
        holder.enter(HolderState::Failed);
        holder.server.unlink();
        return Err(error);
    }
    Ok(holder)
}

/// Its two streams go to one file, each line with its time.
fn proxy_output(place: &Place) -> spec::Output {
    spec::Output {
        out: "/dev/null".into(),
        error: "/dev/null".into(),
        combined: place.file(place::PROXY_LOG),
        rotate_bytes: PROXY_LOG_BYTES,
        rotate_count: PROXY_LOG_COUNT,
        free_bytes_min: FREE_BYTES_MIN,
    }
}

fn lock(directory: &Path) -> Result<File, RoleError> {
    let path = directory.join(place::HOLDER_LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(|error| failed(&path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(RoleError {
            message: format!("another process holds the listeners: {} is locked", path.display()),
            code: crate::EXIT_TAKEN,
        }),
        Err(error) => Err(failed(&path, error.into())),
    }
}

fn read_spec(path: &Path, root: &Path) -> Result<HolderSpec, RoleError> {
    let text = std::fs::read(path).map_err(|error| failed(path, error))?;
    let spec: HolderSpec =
        serde_json::from_slice(&text).map_err(|error| failed(path, error.into()))?;
    if spec.format != FORMAT {
        let message = format!("format {} cannot be read, only {FORMAT}", spec.format);
        return Err(RoleError::failed(format!("{}: {message}", path.display())));
    }
    if spec.root != root {
        let message = format!("it is for {}, not for {}", spec.root.display(), root.display());
        return Err(RoleError::failed(format!("{}: {message}", path.display())));
    }
    Ok(spec)
}

fn failed(path: &Path, error: std::io::Error) -> RoleError {
    RoleError::failed(format!("{}: {error}", path.display()))
}

impl Holder {
    /// Notes a change of state, or of anything else, on disk.
    fn enter(&mut self, state: HolderState) {
        if self.status.state != state {
            self.status.state = state;
            self.status.since_ms = clock::unix_ms();
        }
        self.status.proxy_pid = self.proxy.as_ref().map(|proxy| proxy.process.pid);
        let path = self.place.file(place::HOLDER_STATUS);
        let written = serde_json::to_vec(&self.status)
            .map_err(std::io::Error::from)
            .and_then(|text| whole_file::write_for_this_boot(&path, &text));
        if let Err(error) = written {
            own_log::note(&format!("the status is not on disk: {error}"));
        }
    }
}
