//! The control socket: one question a line, one answer a line.

use super::install::{self, Order};
use super::lead::{self, Standing};
use super::{Controller, drain, edge, elders, status};
use crate::client::own_name;
use crate::control::{Answer, Ask, RefusalReason};
use crate::limits::{CONTROL_CONNECTIONS_MAX, CONTROL_IDLE_TIMEOUT, CONTROL_LINE_BYTES_MAX};
use crate::trusted::{Trusted, trusted_path};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::cell::Cell;
use std::fs::{self, File, Permissions};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Duration, sleep, timeout};

/// Listeners that can be sent with one line.
const LISTENERS_MAX: usize = 64;

/// Binds this process's own socket under `root`.
pub(crate) fn bind(root: &Path) -> io::Result<UnixListener> {
    let directory = root.join("proxy");
    fs::create_dir_all(&directory)?;
    // The kernel takes 107 bytes of a path: it is named through the directory's descriptor.
    let opened = File::open(&directory)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    let temporary = format!("control.sock.{}.tmp", std::process::id());
    let _missing = fs::remove_file(directory.join(&temporary));
    let listener = UnixListener::bind(short.join(&temporary))?;
    fs::set_permissions(directory.join(&temporary), Permissions::from_mode(0o600))?;
    fs::rename(directory.join(&temporary), directory.join(own_name(std::process::id())))?;
    Ok(listener)
}

/// Gives this process's socket the name of the one that leads, which may be a dead one's.
pub(super) fn take_name(root: &Path) -> io::Result<()> {
    let directory = root.join("proxy");
    let temporary = directory.join(format!("control.sock.{}.tmp", std::process::id()));
    let _missing = fs::remove_file(&temporary);
    fs::hard_link(directory.join(own_name(std::process::id())), &temporary)?;
    fs::rename(&temporary, directory.join("control.sock"))?;
    // Two names of one file are not renamed onto each other.
    let _renamed = fs::remove_file(&temporary);
    Ok(())
}

/// Nobody is to ask this process any more.
pub(crate) fn unbind(root: &Path) {
    let _missing = fs::remove_file(root.join("proxy").join(own_name(std::process::id())));
}

/// Answers until the task is dropped.
pub(crate) async fn serve(controller: Rc<Controller>, listener: UnixListener) {
    let open = Rc::new(Cell::new(0));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a control connection could not be accepted");
                sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        if open.get() >= CONTROL_CONNECTIONS_MAX || !is_allowed(&stream) {
            continue;
        }
        open.set(open.get() + 1);
        let (controller, open) = (controller.clone(), open.clone());
        tokio::task::spawn_local(async move {
            if let Err(error) = converse(&controller, stream).await {
                tracing::debug!(%error, "a control connection broke");
            }
            open.set(open.get() - 1);
        });
    }
}

fn is_allowed(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn converse(controller: &Rc<Controller>, mut stream: UnixStream) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        let line = match timeout(CONTROL_IDLE_TIMEOUT, next_line(&mut stream, &mut received)).await
        {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(error)) => return Err(error),
        };
        let ask = line.map_err(str::to_owned).and_then(|line| {
            let unknown = |error| format!("not a question that is known here: {error}");
            serde_json::from_slice(&line).map_err(unknown)
        });
        let answer = match ask {
            Ok(Ask::Leave { limit_ms }) => {
                return lead::leave(controller, &mut stream, &mut received, limit_ms).await;
            }
            // Whoever asks has to ask the one that leads, in a moment.
            Ok(ask) if is_order(&ask) && !leads(controller) => return Ok(()),
            Ok(ask) => answer(controller, ask).await,
            Err(message) => refused(message),
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        if let Answer::Listeners { .. } = answer {
            let sent = send_listeners(controller, &stream, &text).await?;
            text.drain(..sent);
        }
        stream.write_all(&text).await?;
    }
}

/// Sends one answer.
pub(super) async fn say(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    stream.write_all(&text).await
}

/// Only whoever leads carries it out.
fn is_order(ask: &Ask) -> bool {
    matches!(ask, Ask::Install { .. } | Ask::Trust | Ask::Edges)
}

fn leads(controller: &Controller) -> bool {
    controller.standing.get() == Standing::Leads
}

/// A line without its end; in words what is wrong with it; or nothing at the end.
pub(super) async fn next_line(
    stream: &mut UnixStream,
    received: &mut Vec<u8>,
) -> io::Result<Option<Result<Vec<u8>, &'static str>>> {
    loop {
        if let Some(end) = memchr::memchr(b'\n', received) {
            let mut line: Vec<u8> = received.drain(..=end).collect();
            line.pop();
            return Ok(Some(Ok(line)));
        }
        if received.len() > CONTROL_LINE_BYTES_MAX {
            received.clear();
            return Ok(Some(Err("the line is too long")));
        }
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

async fn answer(controller: &Rc<Controller>, ask: Ask) -> Answer {
    match ask {
        Ask::Install { environment, generation, expects, epoch } => {
            let order = Order { environment, generation, expects, epoch };
            install::install(controller, order).await
        }
        Ask::Drain { instances, deadline_ms, epoch } => {
            drain::drain(controller, instances, deadline_ms, epoch).await
        }
        Ask::Trust => {
            let answer = trust(controller);
            elders::follow(controller).await;
            answer
        }
        Ask::Edges => {
            let answer = edge::reload(controller);
            elders::follow(controller).await;
            answer
        }
        Ask::Status => Answer::Status(status::status(controller).await),
        Ask::Listeners => Answer::Listeners { addresses: controller.addresses.clone() },
        Ask::Follow => lead::follow(controller).await,
        Ask::Lead { after, limit_ms } => lead::lead(controller, after, limit_ms).await,
        Ask::Leave { .. } | Ask::Led => refused("nobody hands over".to_owned()),
    }
}

/// A list that cannot be read changes nothing.
fn trust(controller: &Controller) -> Answer {
    match Trusted::read(&controller.root) {
        Ok(trusted) => {
            controller.plane.trusted.store(Arc::new(trusted));
            Answer::Trusts
        }
        Err(error) => {
            let path = trusted_path(&controller.root);
            let message = format!("{} cannot be read: {error}", path.display());
            Answer::Refused { reason: RefusalReason::Disk, message }
        }
    }
}

fn refused(message: String) -> Answer {
    Answer::Refused { reason: RefusalReason::Malformed, message }
}

/// Sends the descriptors along with the first bytes of the line; how many bytes.
async fn send_listeners(
    controller: &Controller,
    stream: &UnixStream,
    line: &[u8],
) -> io::Result<usize> {
    let descriptors: Vec<BorrowedFd<'_>> =
        controller.listeners.iter().take(LISTENERS_MAX).map(AsFd::as_fd).collect();
    stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LISTENERS_MAX))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
            let slices = [IoSlice::new(line)];
            Ok(sendmsg(stream, &slices, &mut ancillary, SendFlags::NOSIGNAL)?)
        })
        .await
}
