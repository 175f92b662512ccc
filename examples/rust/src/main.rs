//! An example app for `cutover`: few crates, one thread a connection, and every way to misbehave
//! that its tests need (`breakage.rs`).  Its twins in `../node` and `../python` answer the same.

mod breakage;
mod crc;
mod document;
mod http;
mod route;
mod websocket;

use breakage::Breakage;
use http::Connection;
use std::{
    collections::HashMap,
    env, fs,
    io::{self, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const STOP_WITHIN: Duration = Duration::from_millis(4500);
const LOOK_UP: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_secs(75);
const STACK_BYTES: usize = 512 << 10;

/// What the requests of all threads share.
#[derive(Debug)]
struct App {
    version: String,
    broken: Breakage,
    started: Instant,
    stopping: AtomicBool,
    requests: AtomicU64,
    health: AtomicU64,
    busy: AtomicU64,
    posts: Mutex<Posts>,
    /// Connections on which no request has begun, by number.
    idle: Mutex<HashMap<u64, TcpStream>>,
}

#[derive(Debug, Default)]
struct Posts {
    count: u64,
    ids: HashMap<String, u64>,
}

fn main() {
    if breakage::is_descendant() {
        return;
    }
    let broken = match Breakage::read(&[env::var("BREAK").unwrap_or_default(), beside("BREAK")]) {
        Ok(broken) => broken,
        Err(message) => leave(64, &message),
    };
    let app = Arc::new(App::new(broken));
    // Before anything slow: a stop that comes early must not be met by the default.
    let signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM]);
    let Ok(mut signals) = signals else { leave(1, "cannot take signals") };
    let server = Arc::clone(&app);
    thread::spawn(move || listen(&server));
    for _ in signals.forever() {
        if !app.broken.has("ignore_sigterm") {
            break;
        }
    }
    stop(&app);
}

impl App {
    fn new(broken: Breakage) -> Self {
        // The file wins: it shows which content runs, whatever the environment says.
        let named = [beside("VERSION"), env::var("CUTOVER_VERSION").unwrap_or_default()];
        let named = named.into_iter().find(|version| !version.is_empty());
        let version = match broken.has("wrong_version") {
            true => "0.0.0-wrong".to_owned(),
            false => named.unwrap_or_else(|| "0.0.0".to_owned()),
        };
        Self {
            version,
            broken,
            started: Instant::now(),
            stopping: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            health: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            posts: Mutex::default(),
            idle: Mutex::default(),
        }
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.idle.lock().expect("no holder of this lock panics")
    }

    fn note_post(&self, id: &str) -> io::Result<()> {
        let mut posts = self.posts.lock().expect("no holder of this lock panics");
        posts.count += 1;
        *posts.ids.entry(id.to_owned()).or_default() += 1;
        drop(posts);
        let Some(path) = env::var_os("POST_LOG") else { return Ok(()) };
        let mut log = fs::OpenOptions::new().append(true).create(true).open(path)?;
        // One write of one line to a file opened for appending never mixes with another's.
        log.write_all(format!("{id}\n").as_bytes())
    }
}

/// The content of a file beside the program or in the working directory, if there is one.
fn beside(name: &str) -> String {
    let program = env::current_exe().ok().and_then(|path| path.parent().map(PathBuf::from));
    let directories = program.into_iter().chain(env::current_dir().ok());
    let found = directories.filter_map(|directory| fs::read_to_string(directory.join(name)).ok());
    found.map(|text| text.trim().to_owned()).next().unwrap_or_default()
}

fn listen(app: &Arc<App>) {
    app.broken.start();
    let host = env::var("HOST").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let port = match app.broken.has("listen_wrong_port") {
        true => 0,
        false => env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000),
    };
    let listener = match TcpListener::bind((host.as_str(), port)) {
        Ok(listener) => Arc::new(listener),
        Err(error) => leave(1, &format!("cannot listen: {error}")),
    };
    if let Ok(address) = listener.local_addr() {
        // Nobody may be reading; the app serves all the same.
        let _ = writeln!(io::stdout(), "listening on {address}");
    }
    let (stopper, stopped) = (Arc::clone(app), Arc::clone(&listener));
    thread::spawn(move || {
        while !stopper.stopping() {
            thread::sleep(LOOK_UP);
        }
        // This ends the accept below; nothing is lost if it has ended already.
        let _ = rustix::net::shutdown(&*stopped, rustix::net::Shutdown::Both);
    });
    let mut held = Vec::new();
    for (number, stream) in listener.incoming().enumerate() {
        match stream {
            _ if app.stopping() => return,
            Ok(stream) if app.broken.has("hang_port") => held.push(stream),
            Ok(stream) => {
                let app = Arc::clone(app);
                let builder = thread::Builder::new().stack_size(STACK_BYTES);
                // Without a thread the connection is closed, which its client sees.
                let _ = builder.spawn(move || converse(&app, stream, number as u64));
            }
            // Out of descriptors, mostly: some will be free again.
            Err(_) => thread::sleep(LOOK_UP),
        }
    }
}

/// Serves one connection until it ends.
fn converse(app: &App, stream: TcpStream, number: u64) {
    let Ok(handle) = stream.try_clone() else { return };
    if stream.set_nodelay(true).is_err() || stream.set_read_timeout(Some(IDLE)).is_err() {
        return;
    }
    let mut connection = Connection::new(stream);
    loop {
        let Ok(handle) = handle.try_clone() else { return };
        app.idle().insert(number, handle);
        // In this order: who stops looks at the idle ones after the flag is up.
        let began = !app.stopping() && connection.await_request();
        app.busy.fetch_add(1, Ordering::SeqCst);
        app.idle().remove(&number);
        let again = began && route::serve(app, &mut connection).unwrap_or(false);
        app.busy.fetch_sub(1, Ordering::SeqCst);
        if !again {
            return;
        }
    }
}

/// Stops accepting, closes idle connections, lets requests in flight end.
fn stop(app: &App) -> ! {
    app.stopping.store(true, Ordering::SeqCst);
    for stream in app.idle().values() {
        // Closed by the client already, if this fails.
        let _ = stream.shutdown(Shutdown::Read);
    }
    let deadline = Instant::now() + STOP_WITHIN;
    let unfinished = || app.busy.load(Ordering::SeqCst) > 0 || !app.idle().is_empty();
    while unfinished() && Instant::now() < deadline {
        thread::sleep(LOOK_UP);
    }
    leave(0, "stopped")
}

/// Ends the process with a last line on standard error.
#[allow(clippy::disallowed_methods, reason = "an app that is built to fail ends where it breaks")]
fn leave(code: i32, line: &str) -> ! {
    // With standard error gone, the code still tells.
    let _ = writeln!(io::stderr(), "{line}");
    std::process::exit(code)
}
