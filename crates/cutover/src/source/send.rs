//! Streams content to the controller while it is read.

use super::{Content, commit::git, size};
use crate::{
    controller::{CallError, Controller},
    halt::Halt,
};
use bytes::Bytes;
use drivers::{
    host,
    releases::{Received, archive::HEAD_BYTES, opened, send::pack},
};
use futures_util::stream;
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    name::EnvironmentId,
};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// Pieces that may wait for the controller.
const PIECES_MAX: usize = 16;
/// Bytes of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// For `git` to write an archive.
const ARCHIVE_TIME_MAX: Duration = Duration::from_secs(300);

/// As a directory is packed: env files stay here, but for `.env.example`.
const SECRETS_EXCLUDED: [&str; 4] = [
    ":(exclude,glob)**/.env",
    ":(exclude,glob)**/.env.[!e]*",
    ":(exclude,glob)**/.env.e[!x]*",
    ":(exclude,glob)**/.env.ex[!a]*",
];

/// How far a sending is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    sent: Arc<AtomicU64>,
    /// About; 0: it is not known.
    total: Arc<AtomicU64>,
}

impl Progress {
    /// Bytes that the controller took, or is taking.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// About how many there will be; none: it is not known.
    pub fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|it| *it > 0)
    }

    /// Finds out how much will be sent.
    fn of(&self, content: &Content) -> Option<u64> {
        let total = match content {
            Content::Directory(path) => size::of(path),
            Content::Archive { path, .. } => fs::metadata(path).ok().map(|it| it.len()),
            Content::Commit { .. } | Content::Remote { .. } | Content::Kept { .. } => None,
        };
        self.tell(0, total.unwrap_or(0));
        total
    }

    fn tell(&self, sent: u64, total: u64) {
        self.sent.store(sent, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }
}

/// Hands a directory over, so that its content goes through no socket; none where it must be sent.
async fn handed_over(
    controller: &Controller,
    environment: &EnvironmentId,
    deployment: &DeploymentId,
    directory: &Path,
    progress: &Progress,
) -> Result<Option<Received>, Halt> {
    let opened = opened::open(directory).map_err(|it| unreadable(directory, &it))?;
    if !opened::may_hand_over(&opened) {
        return Ok(None);
    }
    let told = |bytes: u64, total: u64| progress.tell(bytes, total);
    let received = controller.hand_over(environment, deployment, &opened, told).await?;
    if let Some(Received { artifact, .. }) = &received {
        progress.tell(artifact.bytes, artifact.bytes);
    }
    Ok(received)
}

/// Sends the content for a deployment; none where there is nothing to send.
///
/// # Errors
///
/// Where it cannot be read, or is refused.
pub async fn send(
    controller: &Controller,
    environment: &EnvironmentId,
    deployment: &DeploymentId,
    content: &Content,
    state_root: &Path,
    progress: &Progress,
) -> Result<Option<Received>, Halt> {
    if content.is_there() {
        return Ok(None);
    }
    // What a kept release shares lies behind links: it is sent as it came, not as it lies there.
    if let Content::Directory(directory) = content
        && !drivers::releases::send::is_kept(directory)
        && let Some(received) =
            handed_over(controller, environment, deployment, directory, progress).await?
    {
        return Ok(Some(received));
    }
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let unread: Arc<Mutex<Option<Failure>>> = Arc::default();
    let hung_up = Arc::new(AtomicBool::new(false));
    let pieces = Pieces {
        sender: sender.clone(),
        piece: vec![],
        sent: progress.sent.clone(),
        hung_up: hung_up.clone(),
    };
    let (whole, root) = (content.clone(), state_root.to_owned());
    let told = unread.clone();
    let read = tokio::task::spawn_blocking(move || {
        if let Err(failure) = read(&whole, &root, pieces) {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            // The connection must break off, or a part would be taken for the whole.
            let _ = sender.blocking_send(Err(io::Error::other("the content cannot be read")));
        }
    });
    let stream = stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    let archive = match content {
        Content::Archive { format, .. } => Some(*format),
        _ => None,
    };
    let total = progress.of(content);
    let sent = controller.upload(environment, deployment, archive, total, stream).await;
    let unread = match &sent {
        // Its refusal ended the reading: what that says of it explains nothing.
        Err(CallError::Refused(_)) => None,
        _ => {
            // It ended by itself, or by the end of the stream.
            let _ = read.await;
            unread.lock().unwrap_or_else(PoisonError::into_inner).take()
        }
    };
    match unread {
        // Where the controller went away, that is why the reading ended, not the content.
        Some(failure) if !hung_up.load(Ordering::Relaxed) => Err(failure.into()),
        _ => Ok(Some(sent?)),
    }
}

fn read(content: &Content, state_root: &Path, mut pieces: Pieces) -> Result<(), Failure> {
    match content {
        Content::Directory(directory) => {
            pack(directory, Some(state_root), &mut pieces)?;
            pieces.flush().map_err(|it| unsent(&it))
        }
        Content::Archive { path, .. } => {
            let unread = |it: io::Error| unreadable(path, &it);
            let mut file = fs::File::open(path).map_err(unread)?;
            let mut chunk = vec![0; PIECE_BYTES];
            loop {
                match file.read(&mut chunk).map_err(unread)? {
                    0 => return pieces.flush().map_err(|it| unsent(&it)),
                    read => pieces.write_all(&chunk[..read]).map_err(|it| unsent(&it))?,
                }
            }
        }
        Content::Commit { directory, reference } => {
            read_commit(directory.clone(), reference, pieces)
        }
        Content::Remote { .. } | Content::Kept { .. } => Ok(()),
    }
}

fn read_commit(directory: PathBuf, reference: &str, mut pieces: Pieces) -> Result<(), Failure> {
    let archive = git(&directory, ARCHIVE_TIME_MAX)
        .arguments(["archive", "--format=tar"])
        .argument(reference)
        .arguments(["--", "."])
        .arguments(SECRETS_EXCLUDED);
    let ((), finished) = host::stream(&archive, move |output: &mut dyn Read| {
        io::copy(output, &mut pieces).map_err(|it| unsent(&it))?;
        // Its end is told only once git ended well.
        pieces.push().map_err(|it| unsent(&it))
    })?;
    if finished.success {
        return Ok(());
    }
    Err(finished.failure(Blame::Request, &format!("read `{reference}` by `git archive`")))
}

/// The first bytes of a file, which tell what it is.
pub fn head_of(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut head = vec![];
    let file = fs::File::open(path).map_err(|it| unreadable(path, &it))?;
    file.take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(|it| unreadable(path, &it))?;
    Ok(head)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Blame::Request, format!("read {}: {error}", path.display()))
}

fn unsent(error: &io::Error) -> Failure {
    Failure::new(Blame::Platform, format!("send the release's content: {error}"))
}

/// Collects what is written into pieces for the connection.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
    sent: Arc<AtomicU64>,
    hung_up: Arc<AtomicBool>,
}

impl Pieces {
    fn push(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let bytes = piece.len() as u64;
        if self.sender.blocking_send(Ok(Bytes::from(piece))).is_err() {
            self.hung_up.store(true, Ordering::Relaxed);
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the controller hung up"));
        }
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.push()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}
