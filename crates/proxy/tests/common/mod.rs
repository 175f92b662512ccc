//! A proxy process, instances to stand behind it, and clients that say exactly what they mean.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

pub mod backend;
pub mod http;
pub mod http2;
pub mod tls;

use proxy::client::{self, AskError};
use proxy::control::{Answer, Ask, EnvironmentStatus, RefusalReason, ReleaseCounters, Status};
use proxy::route_file::{
    Confirms, FORMAT, Hold, Probation, Route, RouteFile, RouteTarget, generation_path, live_path,
    routes_directory,
};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The environment that most tests serve.
pub const SHOP: &str = "shop.production";
/// No condition takes longer than this.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until `condition` gives a value.
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A proxy in a process of its own; killed when dropped.
pub struct Proxy {
    pub directory: tempfile::TempDir,
    pub root: PathBuf,
    pub address: String,
    child: Child,
}

impl Proxy {
    pub fn start() -> Self {
        Self::start_prepared(|_| {})
    }

    /// Starts after `prepare` has put files under the root.
    pub fn start_prepared(prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        std::fs::create_dir_all(routes_directory(&root)).unwrap();
        prepare(&root);
        Self::start_in(directory, root, "127.0.0.1:0", None)
    }

    /// Starts with a limit of open descriptors.
    pub fn start_limited(descriptors: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        std::fs::create_dir_all(routes_directory(&root)).unwrap();
        Self::start_in(directory, root, "127.0.0.1:0", Some(descriptors))
    }

    pub fn start_in(
        directory: tempfile::TempDir,
        root: PathBuf,
        listen: &str,
        descriptors: Option<u64>,
    ) -> Self {
        let child = spawn(&root, listen, descriptors);
        let mut proxy = Proxy { directory, root, address: listen.to_owned(), child };
        proxy.address = proxy.await_status().addresses[0].clone();
        proxy
    }

    /// Another proxy with the listeners of this one, that waits to lead; and its socket's answers.
    pub fn successor(&self) -> Successor {
        let mut command = Command::new(program());
        command.arg("--root").arg(&self.root).arg("--inherit").env("CUTOVER_WAITS", "1");
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let successor = Successor { root: self.root.clone(), child };
        eventually("the successor answers", || successor.try_ask(&Ask::Status));
        successor
    }

    fn await_status(&self) -> Status {
        let pid = self.child.id();
        eventually("the proxy answers", || self.try_status().filter(|status| status.pid == pid))
    }

    fn try_status(&self) -> Option<Status> {
        match client::ask(&self.root, &Ask::Status, PATIENCE) {
            Ok(Answer::Status(status)) => Some(status),
            _ => None,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after a kill, on the same address.
    pub fn restart(&mut self) {
        self.child = spawn(&self.root, &self.address, None);
        self.await_status();
    }

    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    pub fn has_exited(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn routes(&self) -> PathBuf {
        routes_directory(&self.root)
    }

    pub fn ask(&self, ask: &Ask) -> Answer {
        client::ask(&self.root, ask, PATIENCE).unwrap()
    }

    pub fn try_ask(&self, ask: &Ask) -> Result<Answer, AskError> {
        client::ask(&self.root, ask, PATIENCE)
    }

    pub fn status(&self) -> Status {
        match self.ask(&Ask::Status) {
            Answer::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    pub fn environment(&self, name: &str) -> EnvironmentStatus {
        self.status().environments.remove(name).unwrap_or_default()
    }

    pub fn shop(&self) -> EnvironmentStatus {
        self.environment(SHOP)
    }

    pub fn release(&self, id: &str) -> ReleaseCounters {
        self.shop().releases.remove(id).unwrap_or_default()
    }

    /// Stages and installs.
    pub fn install(&self, file: RouteFile, expects: u64) -> Answer {
        let ask = Ask::Install {
            environment: file.environment.clone(),
            generation: file.generation,
            expects,
            epoch: file.epoch,
        };
        file.seal().stage(&self.routes()).unwrap();
        self.ask(&ask)
    }

    /// Installs what must be accepted.
    pub fn put(&self, file: RouteFile, expects: u64) {
        let generation = file.generation;
        assert_eq!(self.install(file, expects), Answer::Installed { generation });
    }

    /// Installs what must be refused; why it was.
    pub fn refuse(&self, file: RouteFile, expects: u64) -> RefusalReason {
        match self.install(file, expects) {
            Answer::Refused { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    pub fn drain(&self, instances: &[&str], deadline_ms: u64) -> (u64, u64) {
        let instances = instances.iter().map(|id| (*id).to_owned()).collect();
        match self.ask(&Ask::Drain { instances, deadline_ms, epoch: 1 }) {
            Answer::Drained { cut, waited_ms } => (cut, waited_ms),
            other => panic!("{other:?}"),
        }
    }

    pub fn live(&self) -> PathBuf {
        live_path(&self.routes(), SHOP)
    }

    pub fn kept(&self, generation: u64) -> PathBuf {
        generation_path(&self.routes(), SHOP, generation)
    }

    /// Nothing is in flight, and the counters are settled.
    pub fn quiet(&self) -> EnvironmentStatus {
        eventually("nothing is in flight", || {
            let shop = self.shop();
            shop.in_flight.is_empty().then_some(shop)
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// A proxy that has not led yet, in a process of its own; killed when dropped.
pub struct Successor {
    root: PathBuf,
    child: Child,
}

impl Successor {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn try_ask(&self, ask: &Ask) -> Option<Answer> {
        ask_one(&self.root, self.pid(), ask)
    }

    /// Has it lead after `elder`, which then may finish what it has for so long.
    pub fn lead(&self, elder: u32, limit_ms: u64) -> Answer {
        self.try_ask(&Ask::Lead { after: Some(elder), limit_ms }).unwrap()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn has_exited(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Asks one process, whether it leads or not; None where it closes without a word.
pub fn ask_one(root: &Path, pid: u32, ask: &Ask) -> Option<Answer> {
    let mut stream = own_socket(root, pid)?;
    stream.write_all(format!("{}\n", serde_json::to_string(ask).unwrap()).as_bytes()).ok()?;
    answer_of(&mut stream)
}

pub fn own_socket(root: &Path, pid: u32) -> Option<UnixStream> {
    let stream = UnixStream::connect(root.join(format!("proxy/control.{pid}.sock"))).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Some(stream)
}

pub fn answer_of(stream: &mut UnixStream) -> Option<Answer> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples/standalone")
}

fn spawn(root: &Path, listen: &str, descriptors: Option<u64>) -> Child {
    let program = program();
    let mut command = match descriptors {
        Some(limit) => {
            let mut command = Command::new("prlimit");
            command.arg(format!("--nofile={limit}:{limit}")).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.arg("--root").arg(root).arg("--listen").arg(listen);
    command.stdin(Stdio::null()).spawn().unwrap()
}

/// A route file of [`SHOP`], for all hosts and paths, with these targets.
pub fn shop(generation: u64, targets: &[RouteTarget]) -> RouteFile {
    RouteFile {
        format: FORMAT,
        environment: SHOP.to_owned(),
        generation,
        epoch: 1,
        boot_id: "test".to_owned(),
        hosts: vec!["*".to_owned()],
        routes: vec![Route {
            path: "/".to_owned(),
            service: "web".to_owned(),
            targets: targets.to_vec(),
            upstream_keepalive: true,
            links: None,
        }],
        probation: None,
        confirms: None,
        hold: None,
        checksum: String::new(),
    }
}

pub fn target(instance: &str, release: &str, address: &str) -> RouteTarget {
    RouteTarget {
        instance: instance.to_owned(),
        address: address.to_owned(),
        release: release.to_owned(),
        version: release.to_owned(),
        weight: 1,
        files: None,
    }
}

pub trait Altered {
    fn on_probation(self, fallback: u64, expires_ms: u64) -> Self;
    fn confirming(self, generation: u64, nonce: &str) -> Self;
    fn held(self, requests_max: u32, wait_ms: u64) -> Self;
    fn of_epoch(self, epoch: u64) -> Self;
    fn of(self, environment: &str, host: &str, path: &str) -> Self;
}

impl Altered for RouteFile {
    fn on_probation(mut self, fallback: u64, expires_ms: u64) -> Self {
        self.probation = Some(Probation { fallback, expires_ms });
        self
    }

    fn confirming(mut self, generation: u64, nonce: &str) -> Self {
        self.confirms = Some(Confirms { generation, nonce: nonce.to_owned() });
        self
    }

    fn held(mut self, requests_max: u32, wait_ms: u64) -> Self {
        self.hold = Some(Hold { requests_max, wait_ms });
        self
    }

    fn of_epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    fn of(mut self, environment: &str, host: &str, path: &str) -> Self {
        self.environment = environment.to_owned();
        self.hosts = vec![host.to_owned()];
        self.routes[0].path = path.to_owned();
        self
    }
}
