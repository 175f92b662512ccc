//! For the daemon and its drivers: asks `supervise` processes, and starts them.

use crate::{
    holder::{HolderAnswer, HolderAsk, HolderStatus},
    holder_spec::HolderSpec,
    instance,
    message::{Answer, Ask, Status},
    place::{self, Place},
    spec::InstanceSpec,
    whole_file,
};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    fs::DirBuilder,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{fs::DirBuilderExt, net::UnixStream, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A longer answer is none of ours.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// Processes that were started from here and may have ended since.
static STARTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens: it was never started, has ended, or died.
    NotRunning,
    /// It listens, and has not answered in time: it may be stopped or overloaded.
    TimedOut,
    /// It answered something that this build does not understand.
    Malformed(String),
    /// The system refused.
    Io(io::Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => {
                formatter.write_str("no supervise process answers: it is not running")
            }
            Self::TimedOut => formatter.write_str("the supervise process has not answered in time"),
            Self::Malformed(what) => write!(formatter, "the supervise process answered: {what}"),
            Self::Io(error) => write!(formatter, "the supervise process cannot be asked: {error}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::NotRunning,
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Io(error),
        }
    }
}

/// Asks an instance's `supervise` and waits at most `timeout` for its answer.  A stop is answered
/// when everybody is gone, so it needs more than the instance's grace.
///
/// # Errors
///
/// See [`ClientError`].
pub fn ask(
    root: &Path,
    instance: &str,
    ask: &Ask,
    timeout: Duration,
) -> Result<Answer, ClientError> {
    exchange(&place::of_instance(root, instance), place::SOCKET, ask, timeout)
}

/// Asks the holder of the proxy's listeners.
///
/// # Errors
///
/// See [`ClientError`].
pub fn ask_holder(
    root: &Path,
    ask: &HolderAsk,
    timeout: Duration,
) -> Result<HolderAnswer, ClientError> {
    exchange(&place::of_proxy(root), place::HOLDER_SOCKET, ask, timeout)
}

/// What was last written of an instance, also where nobody answers; it may be of an earlier boot.
pub fn read_status(root: &Path, instance: &str) -> Option<Status> {
    reap();
    instance::read_status(&place::of_instance(root, instance).join(place::STATUS))
}

/// What was last written of the holder, also where nobody answers.
pub fn read_holder_status(root: &Path) -> Option<HolderStatus> {
    reap();
    let text = std::fs::read(place::of_proxy(root).join(place::HOLDER_STATUS)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Whether a process is the holder of this state directory, by the words it was started with.
pub fn is_holder(pid: u32, root: &Path) -> bool {
    let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = text.split(|it| *it == 0).collect();
    words.contains(&&b"--holder"[..]) && words.contains(&root.as_os_str().as_encoded_bytes())
}

/// Writes `ROOT/run/INSTANCE/spec.json` whole, in a directory of its own that only we may enter.
///
/// # Errors
///
/// The disk did not take it.
pub fn write_spec(root: &Path, spec: &InstanceSpec) -> io::Result<()> {
    let directory = place::of_instance(root, &spec.instance);
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    whole_file::write(&directory.join(place::SPEC), &serde_json::to_vec(spec)?)
}

/// Writes `ROOT/proxy/holder.json` whole.
///
/// # Errors
///
/// The disk did not take it.
pub fn write_holder_spec(root: &Path, spec: &HolderSpec) -> io::Result<()> {
    let directory = place::of_proxy(root);
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    whole_file::write(&directory.join(place::HOLDER_SPEC), &serde_json::to_vec(spec)?)
}

/// Removes the control groups of an instance that ended together with its `supervise`, by a kill
/// from outside; one that was stopped has left none, and one that still runs keeps its own.
pub fn remove_groups(spec: &InstanceSpec) {
    instance::remove_groups(spec);
}

/// Starts `PROGRAM supervise …` for an instance whose specification is written; gives its pid.  It
/// outlives this process.  Whether it works is told by asking it, or by its `supervise.log`.
///
/// # Errors
///
/// The program cannot be executed.
pub fn spawn(program: &Path, root: &Path, instance: &str, adopt: bool) -> io::Result<u32> {
    let mut command = Command::new(program);
    command.arg("supervise").arg("--root").arg(root).arg("--instance").arg(instance);
    if adopt {
        command.arg("--adopt");
    }
    start(command)
}

/// Starts the holder of the proxy's listeners, whose specification is written; gives its pid.
///
/// # Errors
///
/// The program cannot be executed.
pub fn spawn_holder(program: &Path, root: &Path) -> io::Result<u32> {
    let mut command = Command::new(program);
    command.arg("supervise").arg("--root").arg(root).arg("--holder");
    start(command)
}

fn start(mut command: Command) -> io::Result<u32> {
    command.env_clear().process_group(0).current_dir("/");
    for name in ["PATH", "HOME", "LANG"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn()?;
    let pid = child.id();
    reap();
    started().push(child);
    Ok(pid)
}

/// Lets go of those that have ended, so that none stays a zombie while we live.
fn reap() {
    started().retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

fn started() -> std::sync::MutexGuard<'static, Vec<Child>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn exchange<Question: Serialize, Reply: DeserializeOwned>(
    directory: &Path,
    socket: &str,
    question: &Question,
    timeout: Duration,
) -> Result<Reply, ClientError> {
    reap();
    let deadline = Instant::now() + timeout;
    let mut stream = open(directory, socket, timeout)?;
    let mut line = serde_json::to_vec(question).map_err(io::Error::from)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let left = deadline.saturating_duration_since(Instant::now());
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    let mut reply = Vec::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_until(b'\n', &mut reply)?;
    if reply.last() != Some(&b'\n') {
        return Err(ClientError::NotRunning);
    }
    serde_json::from_slice(&reply).map_err(|error| ClientError::Malformed(error.to_string()))
}

/// Connects within `timeout`: a process that is stopped does not empty its queue.
fn open(directory: &Path, socket: &str, timeout: Duration) -> Result<UnixStream, ClientError> {
    let place = Place::open(directory.to_owned())?;
    let address = SocketAddrUnix::new(place.socket(socket)).map_err(io::Error::from)?;
    let descriptor =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(io::Error::from)?;
    set_socket_timeout(&descriptor, Timeout::Send, Some(timeout)).map_err(io::Error::from)?;
    connect(&descriptor, &address).map_err(io::Error::from)?;
    Ok(UnixStream::from(descriptor))
}
