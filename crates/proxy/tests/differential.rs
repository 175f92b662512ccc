//! The same odd bytes through us and through nginx, to instances that note what reaches them.
//!
//! What we pass on is exactly one request a connection, by a strict reading and by hyper's; and we
//! never see a request where nginx sees none, nor another one than nginx.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "differential/cases.rs"]
mod cases;
mod common;
#[path = "differential/reader.rs"]
mod reader;
#[path = "differential/recorder.rs"]
mod recorder;

use cases::SENTINEL;
use common::{Proxy, eventually, shop, target};
use recorder::{Recorder, Seen};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Cases are shared among so many.
const WORKERS: usize = 4;
/// Who neither answers nor closes for so long waits for more.
const STILL: Duration = Duration::from_millis(400);
/// Where that made a difference.
const VERY_STILL: Duration = Duration::from_secs(5);

/// Killed when dropped.
struct Nginx {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// One server for each recorder; the addresses.
    fn start(recorders: &[Recorder]) -> (Nginx, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        // Sockets in our folder are nobody else's.
        let addresses: Vec<String> =
            (0..recorders.len()).map(|number| format!("unix:{at}/{number}.sock")).collect();
        let servers: String = addresses
            .iter()
            .zip(recorders)
            .map(|(address, recorder)| {
                let to = &recorder.address;
                format!("server {{ listen {address}; location / {{ proxy_pass http://{to}; }} }}\n")
            })
            .collect();
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid {at}/pid;\n\
             error_log {at}/error.log crit;\n events {{ worker_connections 256; }}\n\
             http {{ access_log off; proxy_http_version 1.1; client_body_temp_path {at}/body;\n\
             proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u;\n\
             scgi_temp_path {at}/s;\n{servers}}}\n"
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, text).unwrap();
        let child = Command::new("nginx")
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(&path)
            .arg("-p")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Nginx { child, _folder: folder };
        for address in &addresses {
            eventually("nginx listens", || connect(address, STILL).ok());
        }
        (nginx, addresses)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

trait Conversation: Read + Write {}

impl<T: Read + Write> Conversation for T {}

fn connect(address: &str, still: Duration) -> io::Result<Box<dyn Conversation>> {
    if let Some(path) = address.strip_prefix("unix:") {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(still))?;
        return Ok(Box::new(stream));
    }
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(still))?;
    Ok(Box::new(stream))
}

/// Sends the case with a good request behind it, and waits until nothing more comes of it.
fn send(address: &str, case: &[u8], still: Duration) {
    let mut client = connect(address, still).unwrap();
    let _refused = client.write_all(&[case, SENTINEL].concat());
    let mut bytes = [0; 4096];
    while matches!(client.read(&mut bytes), Ok(1..)) {}
}

/// How the two readings of one case lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Same,
    /// We passed on only the first of what nginx passed on, or nothing.
    Stricter,
    /// We passed on what nginx refused.
    Looser,
    /// Both passed on something else.
    Other,
}

fn verdict(ours: &[Seen], theirs: &[Seen]) -> Verdict {
    if ours == theirs {
        Verdict::Same
    } else if theirs.starts_with(ours) {
        Verdict::Stricter
    } else if ours.starts_with(theirs) {
        Verdict::Looser
    } else {
        Verdict::Other
    }
}

struct Outcome {
    case: Vec<u8>,
    ours: Vec<Seen>,
    theirs: Vec<Seen>,
}

impl Outcome {
    fn of(case: &[u8], ours: &Side, theirs: &Side, still: Duration) -> Outcome {
        let seen = |side: &Side| {
            let before = side.recorder.whole().len();
            send(&side.address, case, still);
            side.recorder.whole().split_off(before)
        };
        Outcome { case: case.to_vec(), ours: seen(ours), theirs: seen(theirs) }
    }

    fn verdict(&self) -> Verdict {
        verdict(&self.ours, &self.theirs)
    }

    fn is_fine(&self) -> bool {
        match self.verdict() {
            Verdict::Same | Verdict::Stricter => true,
            Verdict::Looser => cases::may_pass(&self.case, &self.ours[self.theirs.len()]),
            Verdict::Other => false,
        }
    }
}

/// One worker's share, one case after the other.
fn compare(cases: &[Vec<u8>], ours: &Side, theirs: &Side) -> Vec<Outcome> {
    let one = |case: &Vec<u8>| {
        let first = Outcome::of(case, ours, theirs, STILL);
        // On a busy machine somebody was only slow.
        if first.is_fine() { first } else { Outcome::of(case, ours, theirs, VERY_STILL) }
    };
    cases.iter().map(one).collect()
}

struct Side {
    recorder: Recorder,
    address: String,
}

#[test]
fn no_byte_reaches_an_instance_that_could_mean_two_things() {
    let mut shares: Vec<Vec<Vec<u8>>> = vec![Vec::new(); WORKERS];
    let table = cases::table();
    assert!(table.len() >= 150, "{}", table.len());
    let all = table.iter().cloned().chain(cases::mutations(&table));
    all.enumerate().for_each(|(at, case)| shares[at % WORKERS].push(case));
    let proxies: Vec<(Proxy, Side)> = (0..WORKERS)
        .map(|_| {
            let (recorder, proxy) = (Recorder::start(), Proxy::start());
            let mut routes = shop(1, &[target("a-1", "r1", &recorder.address)]);
            // Whatever lies behind a request would be seen on its connection.
            routes.routes[0].upstream_keepalive = false;
            proxy.put(routes, 0);
            let address = proxy.address.clone();
            (proxy, Side { recorder, address })
        })
        .collect();
    let recorders: Vec<Recorder> = (0..WORKERS).map(|_| Recorder::start()).collect();
    let (_nginx, addresses) = Nginx::start(&recorders);
    let sides = recorders.into_iter().zip(addresses);
    let theirs: Vec<Side> = sides.map(|(recorder, address)| Side { recorder, address }).collect();
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let workers: Vec<_> = shares
            .into_iter()
            .zip(proxies.iter().zip(&theirs))
            .map(|(share, (ours, theirs))| scope.spawn(move || compare(&share, &ours.1, theirs)))
            .collect();
        workers.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    println!("{} cases: {:?}", outcomes.len(), judge(&outcomes));
    let mut requests = 0;
    for (_, side) in &proxies {
        for connection in side.recorder.connections() {
            reader::is_one_request(&connection);
            requests += 1;
        }
    }
    assert!(requests > 200, "{requests}");
}

/// How many there are of each.
fn judge(outcomes: &[Outcome]) -> BTreeMap<Verdict, usize> {
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for outcome in outcomes {
        let verdict = outcome.verdict();
        *counts.entry(verdict).or_default() += 1;
        if !outcome.is_fine() {
            let Outcome { case, ours, theirs } = outcome;
            let text = String::from_utf8_lossy(case);
            wrong.push(format!("{verdict:?}: {text:?}\n  we {ours:?}\n  nginx {theirs:?}"));
        }
    }
    assert!(counts[&Verdict::Same] > 100, "{counts:?}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    counts
}
