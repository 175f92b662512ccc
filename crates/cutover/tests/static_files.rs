//! A static service beside a program: deployed, replaced, refused and taken back under load.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use testkit::{
    stand::{HOST, Layout, Ran, Stand, TARGET},
    time::eventually,
};

/// For something that takes a moment.
const MOMENT: Duration = Duration::from_secs(20);
const CLIENTS: usize = 3;

/// The program answers below `/api`, and the proxy for everything else.
fn stand() -> Stand {
    let layout = Layout { instances: 1, bake_s: 0.3, keep_warm_s: 0.0, ..Layout::default() };
    let stand = Stand::new(layout);
    let text = fs::read_to_string(stand.config()).unwrap();
    let text = text.replace("routes: [/]", "routes: [/api]").replace(
        "    environments:",
        "      pages: { runtime: static, directory: dist, routes: [/], bake: 300ms }\n    \
         environments:",
    );
    fs::write(stand.config(), text).unwrap();
    stand
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A release whose page names a file that only this version has.
fn deploy(stand: &Stand, version: &str, page: &str) -> Ran {
    let directory = stand.release(version, "");
    let hash = format!("{}a1b2c3d4", version.replace('.', ""));
    write(&directory.join("dist").join(page), &format!("<h1>{version}</h1>"));
    write(&directory.join(format!("dist/app.{hash}.js")), &format!("code {version}"));
    write(&directory.join(format!("dist/app.{hash}.js.br")), "in short");
    write(&directory.join("dist/.env"), "SECRET");
    let from = directory.display().to_string();
    let words = ["deploy", TARGET, version, "--from", &from];
    stand.cutover_within(&words, Duration::from_secs(180))
}

/// Clients that ask for the page over kept connections, and what they were answered.
struct Readers {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    fn start(stand: &Stand) -> Readers {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let read = |_| {
            let (stop, address) = (stop.clone(), stand.address);
            let seen: Arc<Mutex<Vec<String>>> = Arc::clone(&seen);
            std::thread::spawn(move || {
                let mut connection = TcpStream::connect(address).unwrap();
                connection.set_read_timeout(Some(MOMENT)).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask(&mut connection).unwrap_or_else(|it| it.to_string());
                    seen.lock().unwrap().push(answer);
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        };
        let threads = (0..CLIENTS).map(read).collect();
        Readers { stop, seen, threads }
    }

    fn stop(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|it| it.join().unwrap());
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn ask(connection: &mut TcpStream) -> std::io::Result<String> {
    write!(connection, "GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(b"</h1>") {
        let read = connection.read(&mut part)?;
        if read == 0 {
            return Ok(format!("cut off: {}", String::from_utf8_lossy(&answer)));
        }
        answer.extend_from_slice(&part[..read]);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok(format!("{} {body}", head.lines().next().unwrap_or_default()))
}

fn page(stand: &Stand, path: &str) -> String {
    stand.get(path).unwrap()
}

#[test]
fn files_turn_with_the_program_under_load_and_old_ones_stay_reachable() {
    let stand = stand();
    let first = deploy(&stand, "1.0.0", "index.html").expect(0);
    assert!(first.text().contains("1.0.0"), "{}", first.text());
    let readers = Readers::start(&stand);
    let plan = stand.cutover(&["plan", TARGET, "--env-only"]).expect(0);
    assert!(plan.out.contains("pages from `1.0.0/dist`"), "{}", plan.text());
    let second = deploy(&stand, "2.0.0", "index.html").expect(0);
    assert!(page(&stand, "/").ends_with("<h1>2.0.0</h1>"));
    assert_eq!(stand.answers().as_deref(), Some("2.0.0"), "the program turned with it");

    // A page of the old release that is open still finds what belongs to it.
    let old = page(&stand, "/app.100a1b2c3d4.js");
    assert!(old.ends_with("code 1.0.0") && old.contains("immutable"), "{old}");
    let new = page(&stand, "/app.200a1b2c3d4.js");
    assert!(new.ends_with("code 2.0.0") && new.contains("\r\netag: "), "{new}");
    assert!(page(&stand, "/.env").starts_with("HTTP/1.1 404 "));
    assert!(page(&stand, "/../../web").starts_with("HTTP/1.1 404 "));

    // One that cannot answer is refused before anything is touched.
    let broken = deploy(&stand, "3.0.0", "other.html").expect(2);
    assert!(broken.text().contains("has no file `dist/index.html`"), "{}", broken.text());
    assert!(page(&stand, "/").ends_with("<h1>2.0.0</h1>"));

    let rolled = stand.cutover(&["rollback", TARGET]).expect(0);
    assert!(page(&stand, "/").ends_with("<h1>1.0.0</h1>"), "{}", rolled.text());
    assert!(page(&stand, "/app.200a1b2c3d4.js").ends_with("code 2.0.0"));
    let seen = readers.stop();
    let of = |version: &str| format!("HTTP/1.1 200 OK <h1>{version}</h1>");
    let odd: Vec<_> = seen.iter().filter(|it| ![of("1.0.0"), of("2.0.0")].contains(it)).collect();
    assert!(odd.is_empty() && seen.len() > 50, "{} answers, odd: {odd:?}", seen.len());

    assert!(second.text().contains("0 failed"), "{}", second.text());
    rows_say_what_it_is(&stand);
    restarts_of_the_controller_start_nothing(&stand);
}

fn rows_say_what_it_is(stand: &Stand) {
    let ran = stand.cutover(&["--json", "ps"]).expect(0);
    let rows: Value = serde_json::from_str(&ran.out).unwrap();
    let rows = rows.as_array().unwrap();
    let of = |service: &str| rows.iter().find(|it| it["service"] == service).unwrap();
    assert_eq!(
        (&of("pages")["mode"], &of("pages")["status"]),
        (&"static".into(), &"static".into())
    );
    assert_eq!((&of("web")["mode"], &of("web")["status"]), (&"process".into(), &"running".into()));
    assert_eq!(of("pages")["pid"], Value::Null);
    let status = stand.cutover(&["status", TARGET]).expect(0);
    assert!(status.out.contains("2 of 2 instances"), "{}", status.text());
    stand.cutover(&["health", TARGET]).expect(0);
    let why = stand.cutover(&["releases", TARGET]).expect(0);
    assert!(why.out.contains("2.0.0"), "{}", why.text());
    let scaled = stand.cutover(&["scale", TARGET, "pages=2"]);
    assert!(scaled.text().contains("it is static"), "{}", scaled.text());
}

/// Nothing tries to bring back what never ran; and what was stopped serves again.
fn restarts_of_the_controller_start_nothing(stand: &Stand) {
    stand.cutover(&["daemon", "stop"]).expect(0);
    stand.cutover(&["stop", TARGET]).expect(0);
    assert!(page(stand, "/").starts_with("HTTP/1.1 503 "));
    stand.cutover(&["start", TARGET]).expect(0);
    let serves = || page(stand, "/").ends_with("<h1>1.0.0</h1>").then_some(());
    eventually("the pages serve again", MOMENT, serves);
    let log = fs::read_to_string(stand.root.join("daemon.log")).unwrap_or_default();
    let wrong = log.lines().find(|it| it.contains(".pages.") && it.contains("failed to"));
    assert_eq!(wrong, None);
}
