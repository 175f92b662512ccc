//! Which of several proxies accepts and writes route files: one at any time.
//!
//! A new proxy loads everything, and waits until it is told to lead.  Then it asks the old one to
//! leave, which stops accepting and gives the lock back; the new one reads the route files once
//! more, takes the lock and accepts.  In between, which takes milliseconds, connections wait in the
//! kernel's queue.  Should the new one die or refuse at any point of this, the old one sees their
//! connection end, takes the lock again and accepts on.

use super::{Controller, elders, load, monitor, socket};
use crate::client;
use crate::control::{Answer, Ask, RefusalReason};
use crate::limits::{
    HANDOVER_PATIENCE, LEADER_LOCK_PATIENCE, LEAVE_INTERVAL, LEAVE_JITTER, LEAVE_LIMIT_MAX,
};
use crate::trusted::Trusted;
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

/// Where a proxy is between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has loaded everything, and accepts nothing yet.
    Waits,
    /// It accepts, and alone writes route files.
    Leads,
    /// It accepts no more, and leads again if the other fails.
    HandsOver,
    /// It finishes what it has, at most so long.
    Leaves(Duration),
    /// It was to lead and could not.
    Failed,
}

impl Controller {
    fn stand(&self, standing: Standing) {
        self.standing.set(standing);
        self.turned.notify_one();
    }

    /// The generations in force.
    fn generations(&self) -> BTreeMap<String, u64> {
        let state = self.state.borrow();
        let known = state.environments.iter();
        known.map(|(name, it)| (name.clone(), it.file.generation)).collect()
    }

    /// Serves by what is on disk now.
    fn read_all(&self) -> io::Result<()> {
        match Trusted::read(&self.root) {
            Ok(trusted) => self.plane.trusted.store(Arc::new(trusted)),
            Err(error) => tracing::warn!(%error, "whom to trust cannot be read anew"),
        }
        load::read(&mut self.state.borrow_mut())?;
        if let Err(error) = self.read_edges() {
            tracing::error!(error, "edges cannot be read anew");
        }
        self.publish();
        Ok(())
    }

    /// Takes the name of the control socket, and accepts.
    fn accept(&self, lock: File) -> io::Result<()> {
        let doors = self.doors()?;
        socket::take_name(&self.root)?;
        *self.lock.borrow_mut() = Some(lock);
        // They may lead where another proxy led them, or one that was killed.
        self.lead_links(&mut self.state.borrow_mut());
        self.plane.accept(doors);
        self.stand(Standing::Leads);
        Ok(())
    }
}

/// Leads where nobody did.
pub(crate) async fn begin(controller: &Rc<Controller>) -> io::Result<()> {
    let lock = lock(&controller.root, LEADER_LOCK_PATIENCE).await?;
    controller.accept(lock)?;
    monitor::start_all(controller);
    elders::follow(controller).await;
    Ok(())
}

/// Leads after another, or says why not; then this proxy is of no use any more.
pub(super) async fn lead(controller: &Rc<Controller>, after: Option<u32>, limit_ms: u64) -> Answer {
    if controller.standing.get() != Standing::Waits {
        return refused("it does not wait to lead".to_owned());
    }
    match take_over(controller, after, limit_ms).await {
        Ok(()) => {
            monitor::start_all(controller);
            elders::follow(controller).await;
            tracing::info!(?after, "leads");
            Answer::Leads
        }
        Err(message) => {
            tracing::error!(message, "cannot lead");
            controller.stand(Standing::Failed);
            refused(message)
        }
    }
}

fn refused(message: String) -> Answer {
    Answer::Refused { reason: RefusalReason::Turn, message }
}

async fn take_over(
    controller: &Controller,
    after: Option<u32>,
    limit_ms: u64,
) -> Result<(), String> {
    let mut elder = None;
    let mut expected = BTreeMap::new();
    if let Some(pid) = after {
        let (stream, generations) = ask_to_leave(&controller.root, pid, limit_ms).await?;
        elder = Some(stream);
        expected = generations;
    }
    let lock = lock(&controller.root, HANDOVER_PATIENCE)
        .await
        .map_err(|error| format!("the route files are another's to write: {error}"))?;
    controller.read_all().map_err(|error| format!("the route files cannot be read: {error}"))?;
    let ours = controller.generations();
    let lost = expected.iter().find(|(name, generation)| ours.get(*name) != Some(generation));
    if let Some((name, generation)) = lost {
        return Err(format!("generation {generation} of {name} cannot be read; see proxy.log"));
    }
    controller.plane.turn().await;
    controller.accept(lock).map_err(|error| format!("it cannot accept: {error}"))?;
    if let Some(mut elder) = elder {
        // Should it not hear this, it finds the lock taken.
        let _gone = elder.write_all(&line(&Ask::Led)?).await;
    }
    Ok(())
}

/// The connection on which it waits for our word, and what it had in force.
async fn ask_to_leave(
    root: &Path,
    pid: u32,
    limit_ms: u64,
) -> Result<(UnixStream, BTreeMap<String, u64>), String> {
    let asked = async {
        let name = client::own_name(pid);
        let stream = client::connect_at_once(root, &name).map_err(|it| it.to_string())?;
        let io = |error: io::Error| error.to_string();
        let mut stream = UnixStream::from_std(stream).map_err(io)?;
        stream.write_all(&line(&Ask::Leave { limit_ms })?).await.map_err(io)?;
        let mut answer = Vec::new();
        BufReader::new(&mut stream).read_until(b'\n', &mut answer).await.map_err(io)?;
        match client::parse(&answer).map_err(|it| it.to_string())? {
            Answer::Leaves { generations } => Ok((stream, generations)),
            Answer::Refused { message, .. } => Err(message),
            other => Err(format!("it answered {other:?}")),
        }
    };
    let late = |_| Err("it does not answer".to_owned());
    let answer = timeout(HANDOVER_PATIENCE, asked).await.unwrap_or_else(late);
    answer.map_err(|message| format!("the proxy that leads (pid {pid}) does not leave: {message}"))
}

fn line(ask: &Ask) -> Result<Vec<u8>, String> {
    client::line_of(ask).map_err(|error| error.to_string())
}

/// Lets another lead, which asks over `stream`.  Returns when that is decided.
pub(super) async fn leave(
    controller: &Rc<Controller>,
    stream: &mut UnixStream,
    received: &mut Vec<u8>,
    limit_ms: u64,
) -> io::Result<()> {
    if let Some(message) = why_not_leave(controller) {
        return socket::say(stream, &refused(message)).await;
    }
    controller.stand(Standing::HandsOver);
    controller.plane.stop_accepting().await;
    *controller.lock.borrow_mut() = None;
    let generations = controller.generations();
    let mut heard = socket::say(stream, &Answer::Leaves { generations }).await.is_ok();
    loop {
        let next = socket::next_line(stream, received);
        let word = match heard {
            true => timeout(HANDOVER_PATIENCE, next).await,
            false => Ok(Ok(None)),
        };
        if let Ok(Ok(Some(Ok(line)))) = &word
            && matches!(serde_json::from_slice(line), Ok(Ask::Led))
        {
            break;
        }
        heard = word.is_err();
        if let Ok(Some(lock)) = try_lock(&controller.root) {
            if let Err(error) = lead_on(controller, lock).await {
                tracing::error!(%error, "nor can this one: it ends, for another start");
                controller.stand(Standing::Failed);
            }
            return Ok(());
        }
        if !heard {
            // It is gone, and somebody leads.
            break;
        }
    }
    let limit = Duration::from_millis(limit_ms).min(LEAVE_LIMIT_MAX);
    controller.plane.close_gently();
    controller.stand(Standing::Leaves(limit));
    Ok(())
}

fn why_not_leave(controller: &Controller) -> Option<String> {
    if controller.standing.get() != Standing::Leads {
        return Some("it does not lead".to_owned());
    }
    let state = controller.state.borrow();
    let tried = state.environments.iter().find(|it| it.1.probation.is_some());
    tried.map(|(name, it)| {
        let generation = it.file.generation;
        format!("generation {generation} of {name} is on probation; try again when that has ended")
    })
}

/// The other one has failed.
async fn lead_on(controller: &Rc<Controller>, lock: File) -> io::Result<()> {
    tracing::error!("the new proxy does not lead: this one accepts on");
    controller.read_all()?;
    controller.accept(lock)?;
    monitor::start_all(controller);
    elders::follow(controller).await;
    Ok(())
}

/// Until all that is in flight has ended, or the limit has passed and it was ended politely.
pub(crate) async fn finish(controller: &Controller, limit: Duration) {
    let begun = Instant::now();
    while controller.plane.connections() > 0 && begun.elapsed() < limit {
        sleep(LEAVE_INTERVAL).await;
    }
    if controller.plane.connections() > 0 {
        controller.plane.end_all(LEAVE_JITTER.min(limit));
        let jittered = Instant::now();
        while controller.plane.connections() > 0 && jittered.elapsed() < LEAVE_JITTER {
            sleep(LEAVE_INTERVAL).await;
        }
    }
}

/// Serves by what another proxy has put on disk.
pub(super) async fn follow(controller: &Controller) -> Answer {
    if matches!(controller.standing.get(), Standing::Leaves(_)) {
        if let Err(error) = controller.read_all() {
            let message = format!("the route files cannot be read: {error}");
            return Answer::Refused { reason: RefusalReason::Disk, message };
        }
        controller.settled().await;
    }
    Answer::Follows
}

async fn lock(root: &Path, patience: Duration) -> io::Result<File> {
    let begun = Instant::now();
    loop {
        if let Some(lock) = try_lock(root)? {
            return Ok(lock);
        }
        if begun.elapsed() >= patience {
            let message = format!("another proxy runs on {}", root.display());
            return Err(io::Error::other(message));
        }
        sleep(LEAVE_INTERVAL).await;
    }
}

/// None while another proxy has it; the kernel gives it back when that ends.
fn try_lock(root: &Path) -> io::Result<Option<File>> {
    let path = root.join("proxy/leader.lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
