//! Who stands in front of the backend: ours and its peers, each as its users would set it up.

use crate::bench::proxy::cpu;
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use testkit::{guard::Killed, ports, time::within};

/// The host that is asked for; each has another one beside it, so that there is something to find.
pub const HOST: &str = "localhost";
const STARTED_WITHIN: Duration = Duration::from_secs(20);

/// One that serves.
pub trait Contender {
    /// In the report.
    fn name(&self) -> &'static str;
    /// For clear requests.
    fn clear(&self) -> SocketAddr;
    /// For TLS, with HTTP/2 by ALPN.
    fn secure(&self) -> SocketAddr;
    /// Its processes, all of which are counted.
    fn pids(&self) -> Vec<u32>;
}

/// What all of them are told.
pub struct Ground<'a> {
    /// Theirs, to write in.
    pub folder: &'a Path,
    /// The application.
    pub backend: SocketAddr,
    /// PEM.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// Threads or workers that carry traffic.
    pub workers: usize,
    /// The cores that it is held to, as `taskset` has them.
    pub cores: &'a str,
}

impl Ground<'_> {
    /// Makes a certificate for [`HOST`] in the folder.
    pub fn certify(folder: &Path) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        command.args(["-nodes", "-days", "30", "-subj", "/CN=bench", "-addext"]);
        command.arg(format!("subjectAltName=DNS:{HOST}")).arg("-keyout").arg(&key);
        let output = command.arg("-out").arg(&certificate).output();
        let output = output.context("`openssl` could not be started: install it")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "no certificate could be made: {said}");
        Ok((certificate, key))
    }
}

/// A program that was started here, with its children.
pub struct Program {
    name: &'static str,
    clear: SocketAddr,
    secure: SocketAddr,
    child: Killed,
}

impl Program {
    /// Starts it on its cores, and waits until it takes connections.
    pub fn start(
        name: &'static str,
        ground: &Ground<'_>,
        addresses: [SocketAddr; 2],
        words: &[&str],
    ) -> Result<Self> {
        let [clear, secure] = addresses;
        let mut command = Command::new("taskset");
        command.args(["-c", ground.cores]).args(words).current_dir(ground.folder);
        command.env("GOMAXPROCS", ground.workers.to_string()).env("HOME", ground.folder);
        let log_path = ground.folder.join(format!("{name}.log"));
        let log = fs::File::create(&log_path)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = Killed::start(&mut command).with_context(|| format!("{name}: no start"))?;
        let program = Self { name, clear, secure, child };
        for address in addresses {
            let taken = within(STARTED_WITHIN, || TcpStream::connect(address).ok());
            let said = fs::read_to_string(&log_path).unwrap_or_default();
            ensure!(taken.is_some(), "{name} takes no connections: {said}");
        }
        Ok(program)
    }
}

/// Two that are free.
pub fn addresses() -> [SocketAddr; 2] {
    [(); 2].map(|()| (Ipv4Addr::LOCALHOST, ports::free()).into())
}

impl Contender for Program {
    fn name(&self) -> &'static str {
        self.name
    }

    fn clear(&self) -> SocketAddr {
        self.clear
    }

    fn secure(&self) -> SocketAddr {
        self.secure
    }

    fn pids(&self) -> Vec<u32> {
        cpu::family(self.child.pid())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // nginx's and HAProxy's workers end with their masters only when those are told.
        self.child.signal(rustix::process::Signal::TERM);
        let _ = within(STARTED_WITHIN, || self.child.exited());
    }
}
