//! From listeners to traffic.

use crate::access::Log;
use crate::controller::{self, Controller};
use crate::error::ProxyError;
use crate::limits::THREADS_MAX;
use crate::plane::Plane;
use crate::plane::connection::Door;
use crate::route_file::routes_directory;
use crate::trusted::Trusted;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

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
    let ProxyOptions { root, listeners, addresses } = options;
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
    let doors = doors(&listeners, &addresses)?;
    let https_port = https_port(&doors);
    let listeners: Arc<[TcpListener]> = listeners.into();
    let table = controller::first_table(&mut state);
    let nonce = draw_nonce()?;
    let running =
        Plane::start(table, nonce.clone(), doors, https_port, Log::start(&root)?, threads)?;
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
    });
    if let Err(error) = controller.read_edges() {
        tracing::error!(error, "nothing is served over TLS");
        // What was found at the start is in force; links may yet lead elsewhere.
        controller.publish();
    }
    tokio::task::spawn_local(controller::edge::watch(controller.clone()));
    tokio::task::spawn_local(controller::lately::turn(controller.clone()));
    controller::monitor::start_all(&controller);
    tracing::info!(addresses = ?controller.addresses, "serving");
    tokio::select! {
        () = controller::serve(controller.clone(), control) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}

/// Each listener with the way it is come in by, which its address says.
fn doors(listeners: &[TcpListener], addresses: &[String]) -> io::Result<Vec<(TcpListener, Door)>> {
    let pairs = listeners.iter().zip(addresses);
    let door = |it: &str| if it.starts_with(SECURE) { Door::Secure } else { Door::Clear };
    pairs.map(|(listener, address)| Ok((listener.try_clone()?, door(address)))).collect()
}

/// Where clear requests are led.
fn https_port(doors: &[(TcpListener, Door)]) -> u16 {
    let secure = doors.iter().filter(|it| it.1 == Door::Secure);
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
