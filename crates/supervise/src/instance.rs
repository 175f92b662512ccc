//! One instance: its child, its output, its record.

mod adopt;
mod ending;
mod epoch;
mod life;
mod notify;
mod orders;
mod record;
mod turn;

use crate::{
    RoleError,
    cgroup::Cgroup,
    family::Family,
    message::Status,
    output::Output,
    own_log,
    place::{self, Place},
    process, session,
    socket::Server,
    spec::{FORMAT, InstanceSpec},
};
use ending::{Ending, Stopping};
use epoch::Epoch;
use life::{Backoff, Running};
use notify::Notify;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, Instant},
};

const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Everything about the one instance of this process.
struct Instance {
    place: Place,
    spec: InstanceSpec,
    output: Output,
    family: Family,
    server: Server,
    notify: Option<Notify>,
    epoch: Epoch,
    status: Status,
    /// Lines that a predecessor dropped.
    dropped_before: u64,
    running: Option<Running>,
    /// Descendants that outlived the child and are being ended.
    ending: Option<Ending>,
    stopping: Option<Stopping>,
    start_at: Option<Instant>,
    /// When the child's socket is looked for; none: it is open, or it has none.
    open_at: Option<Instant>,
    backoff: Backoff,
    _lock: File,
}

/// Holds the instance whose specification lies in `ROOT/run/INSTANCE/spec.json` until it is asked
/// to stop.  With `adopt` a predecessor died: its child is taken over where it lives.
///
/// SIGTERM, SIGINT and SIGHUP do nothing: who wants the instance to end asks over the socket, and
/// the system's shutdown ends everybody anyway.
///
/// # Errors
///
/// The specification is missing or broken, another `supervise` holds the instance, or the system
/// refuses something.
pub fn run_instance(root: &Path, instance: &str, adopt: bool) -> Result<(), RoleError> {
    let directory = place::of_instance(root, instance);
    drop(lock_patiently(&directory, instance)?);
    session::begin(&directory.join(place::LOG))?;
    session::guard_descendants()?;
    let result = open(&directory, instance, adopt).and_then(Instance::serve);
    if let Err(error) = &result {
        own_log::note(&format!("ended: {error}"));
    }
    result
}

fn open(directory: &Path, id: &str, adopt: bool) -> Result<Instance, RoleError> {
    let lock = lock_patiently(directory, id)?;
    let place = Place::open(directory.to_owned()).map_err(|error| failed(directory, error))?;
    let spec = read_spec(&place.file(place::SPEC), id)?;
    let cgroup = Cgroup::open(&group_name(&spec));
    let family = Family::new(spec.token.clone(), cgroup);
    if !adopt && let Some(alive) = family.eldest() {
        let message = format!("process {} of {id} still runs; take it over by --adopt", alive.pid);
        return Err(RoleError { message, code: crate::EXIT_TAKEN });
    }
    let output = Output::open(&place, id, &spec.output, spec.user, spec.redactor())
        .map_err(|error| RoleError::failed(format!("the output of {id}: {error}")))?;
    let socket = place.file(place::SOCKET);
    let server = Server::bind(&place, place::SOCKET).map_err(|error| failed(&socket, error))?;
    let status = record::new(id);
    let epoch = Epoch::open(place.file(place::EPOCH));
    let mut instance = Instance {
        place,
        output,
        family,
        server,
        notify: None,
        epoch,
        status,
        dropped_before: 0,
        running: None,
        ending: None,
        stopping: None,
        start_at: None,
        open_at: None,
        backoff: Backoff::default(),
        spec,
        _lock: lock,
    };
    for problem in instance.family.cgroup().limit(&instance.spec.limits) {
        own_log::note(&problem);
    }
    if adopt {
        instance.take_over();
    } else {
        instance.open_notify(None);
        instance.start();
    }
    Ok(instance)
}

/// Waits a moment for a predecessor that is being killed.
fn lock_patiently(directory: &Path, id: &str) -> Result<File, RoleError> {
    let mut tries_left = LOCK_TRIES;
    loop {
        tries_left -= 1;
        match lock(directory, id) {
            Err(error) if error.code == crate::EXIT_TAKEN && tries_left > 0 => {
                std::thread::sleep(LOCK_PAUSE);
            }
            result => return result,
        }
    }
}

/// Held for the life of the process; the kernel releases it with the process.
fn lock(directory: &Path, id: &str) -> Result<File, RoleError> {
    let path = directory.join(place::LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(|error| failed(&path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let holder = record::read(&directory.join(place::STATUS));
            let holder = holder.map(|status| format!(" (pid {})", status.supervisor_pid));
            let message = format!(
                "another supervise{} holds {id} already; ask it over its socket, or end it first",
                holder.unwrap_or_default()
            );
            Err(RoleError { message, code: crate::EXIT_TAKEN })
        }
        Err(error) => Err(failed(&path, error.into())),
    }
}

fn read_spec(path: &Path, id: &str) -> Result<InstanceSpec, RoleError> {
    let text = std::fs::read(path).map_err(|error| failed(path, error))?;
    let spec: InstanceSpec =
        serde_json::from_slice(&text).map_err(|error| failed(path, error.into()))?;
    let problem = if spec.format != FORMAT {
        Some(format!("its format is {}, this build reads {FORMAT}", spec.format))
    } else if spec.instance != id {
        Some(format!("it is for {}, not for {id}", spec.instance))
    } else if spec.token.is_empty() || spec.command.is_empty() {
        Some("it has no token or no command".to_owned())
    } else {
        None
    };
    match problem {
        Some(problem) => {
            Err(RoleError::failed(format!("{} cannot be used: {problem}", path.display())))
        }
        None => Ok(spec),
    }
}

/// See [`crate::client::remove_groups`].
pub(crate) fn remove_groups(spec: &InstanceSpec) {
    Cgroup::open(&group_name(spec)).remove();
}

/// The same after every take-over, another in every installation: the token is hashed, since names
/// of groups are for all to see.
fn group_name(spec: &InstanceSpec) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash =
        spec.token.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{}.{hash:016x}", spec.instance)
}

fn failed(path: &Path, error: std::io::Error) -> RoleError {
    RoleError::failed(format!("{}: {error}", path.display()))
}

impl Instance {
    fn child_pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.process.pid)
    }

    fn open_notify(&mut self, child: Option<u32>) {
        if !self.spec.notify {
            return;
        }
        let name = child.and_then(|pid| process::environment_value(pid, notify::VARIABLE));
        match Notify::open(name) {
            Ok(notify) => self.notify = Some(notify),
            Err(error) => own_log::note(&format!("no readiness can be told: {error}")),
        }
    }
}

/// See [`crate::client::read_status`].
pub(crate) fn read_status(path: &Path) -> Option<Status> {
    record::read(path)
}
