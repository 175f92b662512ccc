//! One data-plane thread: what its tasks share, and the messages it takes.

use super::connection::{self, Door};
use super::pool::Pool;
use super::upstream::Upstream;
use super::{Plane, accept};
use crate::access::Way;
use crate::limits::{
    DRAIN_GRACE, DRAIN_JITTER_MAX, FILE_THREADS_MAX, POOL_SWEEP_INTERVAL, SCRATCH_BYTES,
    SHUTDOWN_IDLE_GRACE, SHUTDOWN_INTERVAL, SHUTDOWN_TIMEOUT,
};
use std::cell::{Cell, RefCell};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinHandle, LocalSet};

/// What a thread is told.
pub(crate) enum Message {
    /// Serve this client.
    Client(TcpStream, SocketAddr, Door),
    /// Tell this client that there are too many.
    Refuse(TcpStream),
    /// Accept on these, too.
    Accept(Vec<(TcpListener, Door)>),
    /// Accept no more, and answer once that is so.
    StopAccepting(oneshot::Sender<()>),
    /// Answer, to prove that no task is between reading the table and claiming a target.
    Turn(oneshot::Sender<()>),
    /// Close idle connections to these instances.
    Forget(Vec<u64>),
    /// End what is in flight to these instances.
    End { instances: Vec<u64>, window: Duration },
    /// End whatever is in flight, spread over so long.
    EndAll(Duration),
    /// Tell clients to come again on another connection, and serve those that are here.
    Go,
    /// Serve no more.
    Close,
}

/// Shared by the tasks of one thread.
pub(crate) struct Thread {
    pub(crate) index: usize,
    pub(crate) plane: Arc<Plane>,
    /// The one read buffer.  It is borrowed within a poll only.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    pub(crate) pool: RefCell<Pool>,
    pool_filled: Notify,
    exchanges: RefCell<Exchanges>,
    picks: Cell<u64>,
    /// Told when clients are to go.
    pub(crate) closing: Notify,
    /// To the access log.
    pub(crate) access: Way,
}

#[derive(Default)]
struct Exchanges {
    entries: Vec<Entry>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Entry {
    /// 0: the entry is free.
    instance: u64,
    /// Tells one use of the entry from the next.
    serial: u64,
    ending: bool,
    waker: Option<Waker>,
}

impl Thread {
    /// Registers a request in flight to `instance`; its slot.
    pub(crate) fn begin(&self, instance: u64) -> usize {
        let mut exchanges = self.exchanges.borrow_mut();
        let slot = exchanges.free.pop().unwrap_or_else(|| {
            exchanges.entries.push(Entry::default());
            exchanges.entries.len() - 1
        });
        exchanges.entries[slot].instance = instance;
        slot
    }

    pub(crate) fn finish(&self, slot: usize) {
        let mut exchanges = self.exchanges.borrow_mut();
        let serial = exchanges.entries[slot].serial + 1;
        exchanges.entries[slot] = Entry { serial, ..Entry::default() };
        exchanges.free.push(slot);
    }

    /// Whether a drain ends this request; if not, the task is woken when one does.
    pub(crate) fn is_ending(&self, slot: usize, context: &Context<'_>) -> bool {
        let entry = &mut self.exchanges.borrow_mut().entries[slot];
        if !entry.ending && !entry.waker.as_ref().is_some_and(|w| w.will_wake(context.waker())) {
            entry.waker = Some(context.waker().clone());
        }
        entry.ending
    }

    /// A number for the next pick among targets, evenly spread over 0..2^32 however few are taken.
    pub(crate) fn next_pick(&self) -> u64 {
        let pick = self.picks.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.picks.set(pick);
        pick >> 32
    }

    /// Keeps a connection for the next request.
    pub(crate) fn keep(&self, instance: u64, stream: Upstream, idle_s: Option<u64>) {
        let mut pool = self.pool.borrow_mut();
        if pool.is_empty() {
            self.pool_filled.notify_one();
        }
        pool.put(instance, stream, idle_s);
    }

    fn in_flight(&self) -> usize {
        let exchanges = self.exchanges.borrow();
        exchanges.entries.len() - exchanges.free.len()
    }
}

/// Runs until it is told to close.
pub(crate) fn run(plane: Arc<Plane>, index: usize, inbox: mpsc::UnboundedReceiver<Message>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS_MAX)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a data-plane thread could not start");
            return;
        }
    };
    let pool = Pool::new(plane.idle_per_thread_max);
    let access = plane.access.way();
    let thread = Rc::new(Thread {
        index,
        plane,
        scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
        pool: RefCell::new(pool),
        pool_filled: Notify::new(),
        exchanges: RefCell::default(),
        closing: Notify::new(),
        picks: Cell::new((index as u64) << 61),
        access,
    });
    let tasks = LocalSet::new();
    tasks.spawn_local(sweep(thread.clone()));
    tasks.block_on(&runtime, serve(&thread, inbox));
}

async fn serve(thread: &Rc<Thread>, mut inbox: mpsc::UnboundedReceiver<Message>) {
    let accept =
        |(listener, door)| tokio::task::spawn_local(accept::run(thread.clone(), listener, door));
    let mut accepting: Vec<JoinHandle<()>> = Vec::new();
    while let Some(message) = inbox.recv().await {
        match message {
            Message::Client(stream, peer, door) => match tokio::net::TcpStream::from_std(stream) {
                Ok(stream) => spawn_client(thread, stream, peer, door),
                Err(error) => {
                    tracing::warn!(%error, "a client's connection could not be taken over");
                    drop(ConnectionGuard(thread.clone()));
                }
            },
            Message::Refuse(stream) => {
                tokio::task::spawn_local(refuse(thread.clone(), stream));
            }
            Message::Accept(listeners) => accepting.extend(listeners.into_iter().map(accept)),
            Message::StopAccepting(done) => {
                for task in accepting.drain(..) {
                    task.abort();
                    let _aborted = task.await;
                }
                // The asker may have given up.
                let _gone = done.send(());
            }
            Message::Turn(done) => {
                let _gone = done.send(());
            }
            Message::Forget(instances) => {
                thread.pool.borrow_mut().retain(|number| !instances.contains(&number));
            }
            Message::End { instances, window } => {
                end(thread, |instance| instances.contains(&instance), window);
            }
            Message::EndAll(window) => end(thread, |instance| instance > 0, window),
            Message::Go => thread.closing.notify_waiters(),
            Message::Close => break,
        }
    }
    thread.closing.notify_waiters();
    close(thread).await;
}

/// Lets requests in flight end.  Idle clients have a moment as well: one may be sending right now,
/// and its next response tells it to come again on another connection.
async fn close(thread: &Rc<Thread>) {
    let handle = &thread.plane.threads[thread.index];
    let begun = tokio::time::Instant::now();
    let mut is_ended = false;
    while handle.connections.load(Ordering::Relaxed) > 0 {
        let idle = thread.in_flight() == 0 && begun.elapsed() >= SHUTDOWN_IDLE_GRACE;
        if idle || begun.elapsed() >= SHUTDOWN_TIMEOUT + DRAIN_JITTER_MAX + DRAIN_GRACE {
            return;
        }
        if !is_ended && begun.elapsed() >= SHUTDOWN_TIMEOUT {
            is_ended = true;
            end(thread, |instance| instance > 0, DRAIN_JITTER_MAX);
        }
        tokio::time::sleep(SHUTDOWN_INTERVAL).await;
    }
}

/// Serves a client that was counted as a connection of this thread.
pub(super) fn spawn_client(
    thread: &Rc<Thread>,
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    door: Door,
) {
    let counted = ConnectionGuard(thread.clone());
    tokio::task::spawn_local(async move {
        connection::serve(&counted.0, stream, peer, door).await;
    });
}

struct ConnectionGuard(Rc<Thread>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let handle = &self.0.plane.threads[self.0.index];
        handle.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn refuse(thread: Rc<Thread>, stream: TcpStream) {
    let _counted = accept::RefusalGuard(thread.plane.clone());
    if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
        connection::refuse(&thread, stream).await;
    }
}

/// Marks the requests, each after a part of the window, and wakes their tasks.
fn end(thread: &Rc<Thread>, is_meant: impl Fn(u64) -> bool, window: Duration) {
    let exchanges = thread.exchanges.borrow();
    let marked: Vec<(usize, u64)> = exchanges
        .entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| is_meant(entry.instance))
        .map(|(slot, entry)| (slot, entry.serial))
        .collect();
    let count = marked.len() as u32;
    for (place, (slot, serial)) in (0u32..).zip(marked) {
        let thread = thread.clone();
        let delay = window.mul_f64(f64::from(place) / f64::from(count));
        tokio::task::spawn_local(async move {
            tokio::time::sleep(delay).await;
            let entry = &mut thread.exchanges.borrow_mut().entries[slot];
            if entry.serial == serial {
                entry.ending = true;
                entry.waker.take().into_iter().for_each(Waker::wake);
            }
        });
    }
}

/// Looks after the pool, and sleeps while it is empty.
async fn sweep(thread: Rc<Thread>) {
    loop {
        if thread.pool.borrow().is_empty() {
            thread.pool_filled.notified().await;
        }
        tokio::time::sleep(POOL_SWEEP_INTERVAL).await;
        thread.pool.borrow_mut().sweep();
    }
}
