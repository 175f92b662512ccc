//! The data plane: threads that share nothing but the route table and their counters.

mod accept;
mod claim;
pub(crate) mod connection;
mod download;
mod exchange;
mod files;
pub(crate) mod histogram;
pub(crate) mod hold;
mod http2;
pub(crate) mod instance;
mod pool;
pub(crate) mod secure;
mod stream;
pub(crate) mod table;
pub(crate) mod thread;
mod tunnel;
mod upload;
mod upstream;
mod wire;

use crate::access::Log;
use crate::error::ProxyError;
use crate::limits::{DESCRIPTORS_PER_IDLE, DESCRIPTORS_RESERVED, REFUSALS_MAX, TURN_TIMEOUT};
use crate::trusted::Trusted;
use arc_swap::ArcSwap;
use connection::Door;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use secure::Certificates;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use table::Table;
use thread::Message;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

/// What the threads share with each other and with the controller.
pub(crate) struct Plane {
    pub(crate) table: ArcSwap<Table>,
    /// Whose word is taken on who clients are.
    pub(crate) trusted: ArcSwap<Trusted>,
    /// Which certificates clients are shown.
    pub(crate) certificates: Arc<ArcSwap<Certificates>>,
    acceptor: TlsAcceptor,
    /// Where clear requests are led.
    pub(crate) https_port: u16,
    pub(crate) access: Log,
    /// Drawn at start; only who may ask for the status knows it.
    pub(crate) nonce: String,
    threads: Box<[ThreadHandle]>,
    connections_max: usize,
    idle_per_thread_max: usize,
    refusals: AtomicUsize,
    closing: AtomicBool,
}

struct ThreadHandle {
    sender: mpsc::UnboundedSender<Message>,
    connections: AtomicUsize,
    /// Requests of HTTP/2, of which one connection carries many.
    streams: AtomicUsize,
}

/// The running threads.
pub(crate) struct Running {
    pub(crate) plane: Arc<Plane>,
    threads: Vec<JoinHandle<()>>,
}

impl Plane {
    /// Starts `count` data-plane threads.
    pub(crate) fn start(
        table: Table,
        nonce: String,
        https_port: u16,
        access: Log,
        count: usize,
    ) -> Result<Running, ProxyError> {
        let descriptors = raise_descriptor_limit();
        let idle_max = (descriptors / DESCRIPTORS_PER_IDLE) as usize;
        let left = descriptors.saturating_sub(DESCRIPTORS_RESERVED) as usize;
        let mut receivers = Vec::new();
        let threads = (0..count)
            .map(|_| {
                let (sender, receiver) = mpsc::unbounded_channel();
                receivers.push(receiver);
                let (connections, streams) = (AtomicUsize::new(0), AtomicUsize::new(0));
                ThreadHandle { sender, connections, streams }
            })
            .collect();
        let certificates = Arc::new(ArcSwap::from_pointee(Certificates::default()));
        let plane = Arc::new(Plane {
            table: ArcSwap::from_pointee(table),
            trusted: ArcSwap::default(),
            acceptor: secure::acceptor(&certificates)?,
            certificates,
            https_port,
            access,
            nonce,
            threads,
            // Each client's connection may need one to an instance.
            connections_max: (left.saturating_sub(idle_max + REFUSALS_MAX) / 2).max(1),
            idle_per_thread_max: idle_max / count,
            refusals: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        for (index, receiver) in receivers.into_iter().enumerate() {
            let plane = plane.clone();
            let name = format!("data-{index}");
            let run = move || thread::run(plane, index, receiver);
            threads.push(std::thread::Builder::new().name(name).spawn(run)?);
        }
        Ok(Running { plane, threads })
    }

    /// Accepts on these, too.
    pub(crate) fn accept(&self, listeners: Vec<(TcpListener, Door)>) {
        // The first one accepts for all.
        let _ended = self.threads[0].sender.send(Message::Accept(listeners));
    }

    /// Returns when nothing is accepted any more, and all that was is handed over.
    pub(crate) async fn stop_accepting(&self) {
        let (done, stopped) = oneshot::channel();
        if self.threads[0].sender.send(Message::StopAccepting(done)).is_ok() {
            let _ended = stopped.await;
        }
    }

    /// From now on each response tells its client to come again on another connection.
    pub(crate) fn close_gently(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.send_all(|| Message::Go);
    }

    /// Ends whatever is in flight, spread over `window`.
    pub(crate) fn end_all(&self, window: Duration) {
        self.send_all(|| Message::EndAll(window));
    }

    /// Client connections open now.
    pub(crate) fn connections(&self) -> usize {
        self.threads.iter().map(|thread| thread.connections.load(Ordering::Relaxed)).sum()
    }

    /// Whether no descriptor is left for one more client, or for one more of its requests.
    pub(crate) fn is_full(&self) -> bool {
        let streams = self.threads.iter().map(|thread| thread.streams.load(Ordering::Relaxed));
        // A connection has two: its own, and one to an instance.
        2 * self.connections() + streams.sum::<usize>() >= 2 * self.connections_max
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Returns when every thread has run a turn since the call: none then uses an older table for
    /// a request that has not claimed its target.  `false` if one is stuck.
    pub(crate) async fn turn(&self) -> bool {
        let mut turns = Vec::new();
        for thread in &self.threads {
            let (done, turn) = oneshot::channel();
            if thread.sender.send(Message::Turn(done)).is_ok() {
                turns.push(turn);
            }
        }
        let all = async {
            for turn in turns {
                // A thread that has ended serves nothing.
                let _ended = turn.await;
            }
        };
        tokio::time::timeout(TURN_TIMEOUT, all).await.is_ok()
    }

    /// Closes idle connections to these instances.
    pub(crate) fn forget(&self, instances: &[u64]) {
        self.send_all(|| Message::Forget(instances.to_vec()));
    }

    /// Ends what is in flight to these instances, spread over `window`.
    pub(crate) fn end(&self, instances: &[u64], window: Duration) {
        self.send_all(|| Message::End { instances: instances.to_vec(), window });
    }

    fn send_all(&self, message: impl Fn() -> Message) {
        for thread in &self.threads {
            let _ended = thread.sender.send(message());
        }
    }
}

impl Running {
    /// Stops accepting, lets what is in flight end within the shutdown's limit, and returns.
    pub(crate) async fn stop(self) {
        self.plane.close_gently();
        // What was accepted has to be handed over before the threads hear of the end.
        self.plane.stop_accepting().await;
        self.plane.send_all(|| Message::Close);
        let threads = self.threads;
        let join = move || threads.into_iter().for_each(|it| drop(it.join()));
        // Meanwhile the control socket is answered.
        let _panicked = tokio::task::spawn_blocking(join).await;
        self.plane.access.finish();
    }
}

fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::from(u32::MAX)),
        Err(_) => limit.current.unwrap_or(1024),
    }
}
