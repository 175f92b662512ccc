//! Asking the proxy, from a thread or from a task.

use crate::control::{Answer, Ask};
use crate::limits::CONTROL_LINE_BYTES_MAX;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix,
    SocketFlags, SocketType, recvmsg, socket_with,
};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

/// Status answers of many environments are longer than any question.
const ANSWER_BYTES_MAX: u64 = 64 * CONTROL_LINE_BYTES_MAX as u64;
/// Listeners received with one line.
const LISTENERS_MAX: usize = 64;

/// The proxy gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens on the control socket.
    #[error("the proxy does not answer on {path}: {source}")]
    Absent {
        /// The control socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The connection ended or took too long.  The order may have been carried out.
    #[error("the proxy's answer did not come: {0}")]
    Lost(io::Error),
    /// The answer is not one that is known here.
    #[error("the proxy's answer is not understood: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// Below `ROOT/proxy`: the socket of the proxy that leads.
const NAME: &str = "control.sock";

/// Below `ROOT/proxy`: the socket of one proxy, whether it leads or not.
pub(crate) fn own_name(pid: u32) -> String {
    format!("control.{pid}.sock")
}

/// The control socket of the proxy of `root`.
pub fn socket_path(root: &Path) -> PathBuf {
    root.join("proxy").join(NAME)
}

/// Asks and waits for the answer at most `timeout`.
///
/// # Errors
/// When the proxy does not run, or does not answer in time.
pub fn ask(root: &Path, ask: &Ask, timeout: Duration) -> Result<Answer, AskError> {
    let deadline = Instant::now() + timeout;
    let mut stream = connect(root, NAME)?;
    let left = || Some(deadline.saturating_duration_since(Instant::now()).max(SHORTEST_WAIT));
    stream.set_write_timeout(left()).map_err(AskError::Lost)?;
    stream.write_all(&line_of(ask)?).map_err(AskError::Lost)?;
    stream.set_read_timeout(left()).map_err(AskError::Lost)?;
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream).take(ANSWER_BYTES_MAX);
    reader.read_until(b'\n', &mut line).map_err(AskError::Lost)?;
    parse(&line)
}

/// A time-out of zero would mean none.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// As [`ask`], for a task.
///
/// # Errors
/// As [`ask`].
pub async fn ask_async(root: &Path, ask: &Ask, timeout: Duration) -> Result<Answer, AskError> {
    ask_named(root, NAME, ask, timeout).await
}

/// As [`ask_async`], of one process, whether it leads or not.
pub(crate) async fn ask_one(
    root: &Path,
    pid: u32,
    ask: &Ask,
    timeout: Duration,
) -> Result<Answer, AskError> {
    ask_named(root, &own_name(pid), ask, timeout).await
}

async fn ask_named(
    root: &Path,
    name: &str,
    ask: &Ask,
    timeout: Duration,
) -> Result<Answer, AskError> {
    let stream = connect_at_once(root, name)?;
    let question = line_of(ask)?;
    let asked = async {
        let mut stream = tokio::net::UnixStream::from_std(stream)?;
        stream.write_all(&question).await?;
        let mut line = Vec::new();
        let mut reader = tokio::io::BufReader::new(stream).take(ANSWER_BYTES_MAX);
        reader.read_until(b'\n', &mut line).await?;
        Ok(line)
    };
    let lost = |_| AskError::Lost(io::ErrorKind::TimedOut.into());
    let line = tokio::time::timeout(timeout, asked).await.map_err(lost)?;
    parse(&line.map_err(AskError::Lost)?)
}

/// The listeners of the running proxy, with their addresses.
///
/// # Errors
/// As [`ask`].
pub fn listeners(
    root: &Path,
    timeout: Duration,
) -> Result<(Vec<TcpListener>, Vec<String>), AskError> {
    let mut stream = connect(root, NAME)?;
    stream.set_read_timeout(Some(timeout)).map_err(AskError::Lost)?;
    stream.set_write_timeout(Some(timeout)).map_err(AskError::Lost)?;
    stream.write_all(&line_of(&Ask::Listeners)?).map_err(AskError::Lost)?;
    let mut bytes = [0; 4096];
    let (count, received) = receive(&stream, &mut bytes).map_err(AskError::Lost)?;
    let mut line = bytes[..count].to_vec();
    if !line.ends_with(b"\n") {
        let mut reader = BufReader::new(stream).take(ANSWER_BYTES_MAX);
        reader.read_until(b'\n', &mut line).map_err(AskError::Lost)?;
    }
    match parse(&line)? {
        Answer::Listeners { addresses } => {
            Ok((received.into_iter().map(TcpListener::from).collect(), addresses))
        }
        _ => Err(AskError::Lost(io::ErrorKind::InvalidData.into())),
    }
}

fn receive(stream: &UnixStream, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LISTENERS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(bytes)];
    let received = recvmsg(stream, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok((received.bytes, descriptors))
}

/// The kernel takes 107 bytes of a path: the socket is named through its directory's descriptor.
fn connect(root: &Path, name: &str) -> Result<UnixStream, AskError> {
    opened(root, name, |short| UnixStream::connect(short))
}

/// Never waits: one that is stopped, and whose queue is full, is absent.
pub(crate) fn connect_at_once(root: &Path, name: &str) -> Result<UnixStream, AskError> {
    opened(root, name, |short| {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(short)?)?;
        Ok(UnixStream::from(socket))
    })
}

fn opened(
    root: &Path,
    name: &str,
    connect: impl FnOnce(&str) -> io::Result<UnixStream>,
) -> Result<UnixStream, AskError> {
    let path = root.join("proxy").join(name);
    let opened = File::open(root.join("proxy"))
        .and_then(|directory| connect(&format!("/proc/self/fd/{}/{name}", directory.as_raw_fd())));
    opened.map_err(|source| AskError::Absent { path, source })
}

pub(crate) fn line_of(ask: &Ask) -> Result<Vec<u8>, AskError> {
    let mut line = serde_json::to_vec(ask)?;
    line.push(b'\n');
    Ok(line)
}

pub(crate) fn parse(line: &[u8]) -> Result<Answer, AskError> {
    if !line.ends_with(b"\n") {
        return Err(AskError::Lost(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(serde_json::from_slice(line)?)
}
