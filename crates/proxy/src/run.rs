//! From listeners to traffic.

use crate::access::Log;
use crate::controller::lead::{self, Standing};
use crate::controller::{self, Controller};
use crate::error::ProxyError;
use crate::limits::{THREADS_MAX, WAIT_LIMIT};
use crate::plane::Plane;
use crate::plane::connection::Door;
use crate::route_file::routes_directory;
use crate::trusted::Trusted;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::timeout;

/// Before the address of a listener whose clients begin with a TLS handshake.
pub const SECURE: &str = "https://";
const HTTPS_PORT: u16 = 443;

/// What the proxy is started with.
#[derive(Debug)]
pub struct ProxyOptions {
    /// The state directory.
    pub root: PathBuf,
    /// Bound and listening.
    pub listeners: Vec<TcpListener>,
    /// As they were bound, in the order of `listeners`; [`SECURE`] before those for TLS.
    pub addresses: Vec<String>,
    /// Another proxy runs: accept nothing before an order to lead comes.
    pub waits: bool,
}

/// Serves until SIGTERM or SIGINT; then accepts no more, lets requests in flight end, and returns.
///
/// # Errors
/// When the state directory or the system do not allow a start.
pub fn run(options: ProxyOptions) -> Result<(), ProxyError> {
    if options.listeners.is_empty() {
        return Err(ProxyError::NoListeners);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(options))
}

async fn serve(options: ProxyOptions) -> Result<(), ProxyError> {
    let ProxyOptions { root, listeners, addresses, waits } = options;
    let started = Instant::now();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let mut state = controller::load(&root, threads)
        .map_err(|source| ProxyError::Routes { path: routes_directory(&root), source })?;
    let trusted = Trusted::read(&root).unwrap_or_else(|error| {
        tracing::warn!(%error, "whom to trust cannot be read, so nobody is");
        Trusted::default()
    });
    let https_port = https_port(&listeners, &addresses);
    let listeners: Arc<[TcpListener]> = listeners.into();
    let table = controller::first_table(&mut state);
    let nonce = draw_nonce()?;
    let running = Plane::start(table, nonce.clone(), https_port, Log::start(&root)?, threads)?;
    running.plane.trusted.store(Arc::new(trusted));
    let control = bind(&root)?;
    let controller = Rc::new(Controller {
        root,
        plane: running.plane.clone(),
        state: RefCell::new(state),
        nonce,
        started,
        addresses,
        listeners,
        standing: Cell::new(Standing::Waits),
        turned: Notify::new(),
        lock: RefCell::default(),
    });
    if let Err(error) = controller.read_edges() {
        tracing::error!(error, "nothing is served over TLS");
    }
    tokio::task::spawn_local(controller::edge::watch(controller.clone()));
    tokio::task::spawn_local(controller::lately::turn(controller.clone()));
    tokio::task::spawn_local(controller::serve(controller.clone(), control));
    if !waits {
        lead::begin(&controller).await?;
    }
    tracing::info!(addresses = ?controller.addresses, waits, "serving");
    tokio::select! {
        () = until_left(&controller) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    controller::unbind(&controller.root);
    Ok(())
}

/// Until another proxy leads and all is finished here, or this one cannot lead.
async fn until_left(controller: &Controller) {
    loop {
        match controller.standing.get() {
            Standing::Leaves(limit) => return lead::finish(controller, limit).await,
            Standing::Failed => return,
            Standing::Waits => {
                if timeout(WAIT_LIMIT, controller.turned.notified()).await.is_err()
                    && controller.standing.get() == Standing::Waits
                {
                    tracing::error!("nobody has asked this proxy to lead");
                    return;
                }
            }
            Standing::Leads | Standing::HandsOver => controller.turned.notified().await,
        }
    }
}

/// Where clear requests are led.
fn https_port(listeners: &[TcpListener], addresses: &[String]) -> u16 {
    let doors = listeners.iter().zip(addresses);
    let secure = doors.filter(|it| Door::of(it.1) == Door::Secure);
    let ports = secure.filter_map(|it| it.0.local_addr().ok()).map(|it| it.port());
    // The usual one needs no word in an address.
    let found: Vec<u16> = ports.collect();
    let usual = found.contains(&HTTPS_PORT) || found.is_empty();
    if usual { HTTPS_PORT } else { found[0] }
}

fn bind(root: &Path) -> Result<tokio::net::UnixListener, ProxyError> {
    controller::bind(root).map_err(|source| ProxyError::Control { path: root.to_owned(), source })
}

fn draw_nonce() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
