//! The proxy's listeners outlive the proxy, and the holder.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    io::Read,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use supervise::{
    HolderAnswer, HolderAsk, HolderState, HolderStatus,
    client::{self, ClientError},
    holder_spec::{FORMAT, HolderSpec},
};
use support::{PATIENCE, PROGRAM, PYTHON, Site, alive, eventually};

/// Answers every connection with its pid, and gives its listeners to who asks.  With a file `crash`
/// in the root it ends at once; with a file `slow` it takes no connection.
const PROXY: &str = r#"
import array, json, os, select, signal, socket, sys, threading, time
root = sys.argv[3]
assert sys.argv[1:3] == ['proxy', '--root'], sys.argv
print('starts', os.getpid(), flush=True)
if os.path.exists(root + '/crash'):
    sys.exit(1)
count = int(os.environ['LISTEN_FDS'])
addresses = os.environ['CUTOVER_LISTEN'].split(',')
assert len(addresses) == count
beyond = [n for n in os.listdir('/proc/self/fd') if int(n) >= 3 + count]
assert len(beyond) == 1, beyond
listeners = [socket.socket(fileno=3 + n) for n in range(count)]
def own(pid):
    return root + '/proxy/control.%d.sock' % pid
def lead():
    os.link(own(os.getpid()), own(os.getpid()) + '.new')
    os.rename(own(os.getpid()) + '.new', root + '/proxy/control.sock')
control = socket.socket(socket.AF_UNIX)
control.bind(own(os.getpid()))
control.listen()
waits = 'CUTOVER_WAITS' in os.environ
if not waits:
    lead()
ending = []
signal.signal(signal.SIGTERM, lambda number, frame: ending.append(number))
while not ending:
    slow = os.path.exists(root + '/slow')
    if slow:
        open(root + '/slowed', 'w').close()
    wanted = [control] if slow or waits else [control] + listeners
    for one in select.select(wanted, [], [], 0.01)[0]:
        try:
            stream, _ = one.accept()
        except BlockingIOError:
            continue
        if one is control:
            question = stream.recv(1000)
            if not question:
                continue
            question = json.loads(question)
            if question['ask'] == 'leave':
                stream.sendall(b'{"answer":"leaves","generations":{}}\n')
                ending.append(stream.recv(1000))
                continue
            if question['ask'] == 'lead':
                if os.path.exists(root + '/refuse'):
                    stream.sendall(b'{"answer":"refused","message":"it will not"}\n')
                    sys.exit(1)
                elder = socket.socket(socket.AF_UNIX)
                elder.connect(own(question['after']))
                elder.sendall(b'{"ask":"leave","limit_ms":%d}\n' % question['limit_ms'])
                assert b'leaves' in elder.recv(1000)
                waits = False
                lead()
                elder.sendall(b'{"ask":"led"}\n')
                stream.sendall(b'{"answer":"leads"}\n')
                continue
            assert question == {'ask': 'listeners'}
            answer = json.dumps({'answer': 'listeners', 'addresses': addresses}).encode() + b'\n'
            rights = array.array('i', [listener.fileno() for listener in listeners])
            stream.sendmsg([answer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        else:
            stream.setblocking(True)
            stream.sendall(b'%d\n' % os.getpid())
        stream.close()
print('ends', flush=True)
"#;

fn prepare(site: &Site, listen: &[&str]) {
    let program = site.root.join("proxy-program");
    std::fs::write(&program, format!("#!{PYTHON}\n{PROXY}")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let listen = listen.iter().map(|address| (*address).to_owned()).collect();
    let spec = HolderSpec { format: FORMAT, root: site.root.clone(), program, listen };
    client::write_holder_spec(&site.root, &spec).unwrap();
}

fn start(site: &Site) -> HolderStatus {
    client::spawn_holder(Path::new(PROGRAM), &site.root).unwrap();
    eventually("the holder answers", || status(site).ok())
}

fn status(site: &Site) -> Result<HolderStatus, ClientError> {
    match client::ask_holder(&site.root, &HolderAsk::Status, PATIENCE)? {
        HolderAnswer::Status(status) => Ok(status),
        other => panic!("no status: {other:?}"),
    }
}

fn address(status: &HolderStatus) -> SocketAddr {
    status.addresses[0].parse().unwrap()
}

/// The pid of the proxy that answered; None where the connection was refused or ended.
fn request(address: SocketAddr) -> Option<u32> {
    answer(&mut TcpStream::connect(address).ok()?)
}

fn answer(stream: &mut TcpStream) -> Option<u32> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn serving(site: &Site, address: SocketAddr) -> u32 {
    let pid = eventually("the proxy serves", || request(address));
    assert_eq!(status(site).unwrap().proxy_pid, Some(pid));
    pid
}

#[test]
fn the_proxy_gets_its_listeners_and_ends_with_the_holder_when_asked() {
    let site = Site::new();
    prepare(&site, &["127.0.0.1:0", "[::1]:0"]);
    let holder = start(&site);
    assert_eq!((holder.state, holder.addresses.len()), (HolderState::Serving, 2));
    let pid = serving(&site, address(&holder));
    assert_eq!(request(holder.addresses[1].parse().unwrap()), Some(pid));
    let stopped = client::ask_holder(&site.root, &HolderAsk::Stop, PATIENCE).unwrap();
    assert_eq!(stopped, HolderAnswer::Stopped { killed: false });
    assert!(!alive(pid));
    assert_eq!(request(address(&holder)), None);
    let last = client::read_holder_status(&site.root).unwrap();
    assert_eq!((last.state, last.proxy_pid), (HolderState::Stopped, None));
    let log = std::fs::read_to_string(site.root.join("proxy/proxy.log")).unwrap();
    assert!(log.contains(&format!("Z proxy starts {pid}\n")) && log.contains(" ends\n"), "{log}");
    eventually("the holder has ended", || {
        client::read_holder_status(&site.root);
        (!alive(holder.pid)).then_some(())
    });
}

#[test]
fn a_killed_proxy_serves_again_soon_and_nobody_is_refused() {
    let site = Site::new();
    prepare(&site, &["127.0.0.1:0"]);
    let holder = start(&site);
    let address = address(&holder);
    let mut durations = Vec::new();
    for _ in 0..2 {
        let pid = serving(&site, address);
        support::kill(pid);
        let killed = Instant::now();
        let mut refused = 0;
        let next = eventually("another proxy serves", || match TcpStream::connect(address) {
            Ok(mut stream) => answer(&mut stream).filter(|answered| *answered != pid),
            Err(_) => {
                refused += 1;
                None
            }
        });
        assert_ne!(next, pid);
        assert_eq!(refused, 0);
        durations.push(killed.elapsed());
    }
    // Python's own start is in it, and two busy cores; the product's bound is 300 ms.
    assert!(durations.iter().all(|took| *took < Duration::from_secs(1)), "{durations:?}");
    assert_eq!(status(&site).unwrap().crashes, 2);
}

#[test]
fn after_three_crashes_clients_are_refused_until_it_works_again() {
    let site = Site::new();
    prepare(&site, &["127.0.0.1:0"]);
    let holder = start(&site);
    let address = address(&holder);
    let pid = serving(&site, address);
    std::fs::write(site.root.join("crash"), "").unwrap();
    support::kill(pid);
    let closed = eventually("the listeners are closed", || {
        status(&site).ok().filter(|status| status.state == HolderState::Closed)
    });
    assert_eq!((closed.crashes, closed.proxy_pid), (3, None));
    assert!(closed.error.unwrap().contains("proxy.log"));
    let asked = Instant::now();
    assert!(TcpStream::connect(address).is_err());
    assert!(asked.elapsed() < Duration::from_secs(1), "refused, not hung");
    std::fs::remove_file(site.root.join("crash")).unwrap();
    serving(&site, address);
    assert_eq!(status(&site).unwrap().state, HolderState::Serving);
}

#[test]
fn a_killed_holder_leaves_the_proxy_serving_and_the_next_takes_over() {
    let site = Site::new();
    prepare(&site, &["127.0.0.1:0", "127.0.0.1:0"]);
    let first = start(&site);
    let address = address(&first);
    let pid = serving(&site, address);
    support::kill(first.pid);
    eventually("the holder is gone", || (!alive(first.pid)).then_some(()));
    assert_eq!(request(address), Some(pid));
    // This one waits in the listener's queue through everything that follows.
    std::fs::write(site.root.join("slow"), "").unwrap();
    eventually("it takes no more", || site.root.join("slowed").exists().then_some(()));
    let mut queued = TcpStream::connect(address).unwrap();
    let second = start(&site);
    assert_eq!((second.proxy_pid, &second.addresses), (Some(pid), &first.addresses));
    assert!(alive(pid));
    support::kill(pid);
    eventually("another proxy", || status(&site).unwrap().proxy_pid.filter(|next| *next != pid));
    std::fs::remove_file(site.root.join("slow")).unwrap();
    let answered = answer(&mut queued).unwrap();
    assert_ne!(answered, pid);
    assert_eq!(serving(&site, address), answered);
}

#[test]
fn an_address_that_is_taken_is_named_with_its_owner() {
    let site = Site::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    prepare(&site, &[&address]);
    let holder = std::process::Command::new(PROGRAM)
        .args(["supervise", "--holder", "--root"])
        .arg(&site.root)
        .output()
        .unwrap();
    assert_eq!(holder.status.code(), Some(i32::from(supervise::EXIT_NOT_BOUND)));
    let status = client::read_holder_status(&site.root).unwrap();
    let error = status.error.unwrap();
    assert_eq!((status.state, status.proxy_pid), (HolderState::Failed, None));
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
    assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
    assert!(matches!(
        client::ask_holder(&site.root, &HolderAsk::Status, PATIENCE),
        Err(ClientError::NotRunning)
    ));
}

#[test]
fn a_second_holder_and_a_program_that_is_not_there() {
    let site = Site::new();
    prepare(&site, &["127.0.0.1:0"]);
    let first = start(&site);
    serving(&site, address(&first));
    let second = std::process::Command::new(PROGRAM)
        .args(["supervise", "--holder", "--root"])
        .arg(&site.root)
        .status()
        .unwrap();
    assert_eq!(second.code(), Some(i32::from(supervise::EXIT_TAKEN)));
    std::fs::remove_file(site.root.join("proxy-program")).unwrap();
    support::kill(first.proxy_pid.unwrap());
    let closed = eventually("the listeners are closed", || {
        status(&site).ok().filter(|status| status.state == HolderState::Closed)
    });
    assert!(closed.error.unwrap().contains("proxy-program"));
}

/// One request after the other, until it is ended or dropped.
struct Load {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Option<u32>>>>,
}

impl Load {
    fn begin(address: SocketAddr) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let told = done.clone();
        let thread = std::thread::spawn(move || {
            let mut answers = Vec::new();
            while !told.load(Ordering::Relaxed) {
                answers.push(request(address));
            }
            answers
        });
        Self { done, thread: Some(thread) }
    }

    fn end(mut self) -> Vec<Option<u32>> {
        self.done.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_proxy_is_replaced_twenty_times_under_load_and_nobody_is_refused() {
    let site = Site::new();
    prepare(&site, &["127.0.0.1:0"]);
    let holder = start(&site);
    let address = address(&holder);
    let first = serving(&site, address);
    let load = Load::begin(address);
    for _ in 0..20 {
        let ask = HolderAsk::Replace { program: None, limit_ms: Some(10_000) };
        let replaced = client::ask_holder(&site.root, &ask, PATIENCE).unwrap();
        let HolderAnswer::Replaced { pid } = replaced else { panic!("{replaced:?}") };
        assert_eq!(status(&site).unwrap().proxy_pid, Some(pid));
    }
    let answers = load.end();
    let lost = answers.iter().filter(|answer| answer.is_none()).count();
    assert_eq!(lost, 0, "of {}", answers.len());
    assert!(answers.len() >= 20);
    eventually("the first has left", || (!alive(first)).then_some(()));
    assert_eq!(status(&site).unwrap().crashes, 0);
    let stopped = client::ask_holder(&site.root, &HolderAsk::Stop, PATIENCE).unwrap();
    assert_eq!(stopped, HolderAnswer::Stopped { killed: false });
}

#[test]
fn a_new_proxy_that_does_not_start_leaves_the_old_one_as_it_is() {
    let site = Site::new();
    prepare(&site, &["127.0.0.1:0"]);
    let holder = start(&site);
    let address = address(&holder);
    let pid = serving(&site, address);
    let refused = |program: Option<std::path::PathBuf>| {
        let ask = HolderAsk::Replace { program, limit_ms: None };
        let HolderAnswer::Refused { message } =
            client::ask_holder(&site.root, &ask, PATIENCE).unwrap()
        else {
            panic!("not refused")
        };
        message
    };
    let message = refused(Some("/not/there".into()));
    assert!(message.contains("/not/there"), "{message}");
    std::fs::write(site.root.join("crash"), "").unwrap();
    let message = refused(None);
    assert!(message.contains("the old one serves on"), "{message}");
    std::fs::remove_file(site.root.join("crash")).unwrap();
    std::fs::write(site.root.join("refuse"), "").unwrap();
    let message = refused(None);
    assert!(message.contains("it will not"), "{message}");
    assert_eq!(serving(&site, address), pid);
    assert_eq!(status(&site).unwrap().crashes, 0);
    // The program that did not work is forgotten: this one starts again from the first.
    support::kill(pid);
    let next = eventually("another proxy", || request(address).filter(|next| *next != pid));
    assert_eq!(status(&site).unwrap().proxy_pid, Some(next));
}
