//! A certificate authority on this machine: Debian's `pebble`, whose names all lead to loopback.

use crate::{guard::Killed, ports, time::eventually};
use std::{
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const MOMENT: Duration = Duration::from_secs(30);

/// Where an authority asks whose a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// By clear HTTP, instead of 80.
    pub http: u16,
    /// By TLS, instead of 443.
    pub tls: u16,
}

/// An authority, and the name server that it believes; both end when this is dropped.
#[derive(Debug)]
pub struct Pebble {
    folder: PathBuf,
    port: u16,
    /// Ends with it.
    _names: Killed,
    authority: Option<Killed>,
}

impl Pebble {
    /// Starts it in this folder.  Its certificates are good for so many seconds.
    ///
    /// # Panics
    /// If it does not run in time.
    pub fn start(folder: &Path, asked: Asked, life_s: u64) -> Self {
        let (dns, management, port) = (ports::free(), ports::free(), ports::free());
        Self::sign(folder);
        let (at, second) = (folder.display(), ports::free());
        let text = format!(
            "{{\"pebble\":{{\"listenAddress\":\"127.0.0.1:{port}\",\
             \"managementListenAddress\":\"127.0.0.1:{second}\",\
             \"certificate\":\"{at}/host.pem\",\"privateKey\":\"{at}/host.key\",\
             \"httpPort\":{},\"tlsPort\":{},\"ocspResponderURL\":\"\",\
             \"externalAccountBindingRequired\":false,\"certificateValidityPeriod\":{life_s}}}}}",
            asked.http, asked.tls
        );
        fs::write(folder.join("pebble.json"), text).expect("the folder is writable");
        fs::write(folder.join("dns"), dns.to_string()).expect("the folder is writable");
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        command.args(["-defaultIPv4", "127.0.0.1", "-dns01", &format!("127.0.0.1:{dns}")]);
        command.args(["-management", &format!("127.0.0.1:{management}")]);
        quiet(&mut command, &folder.join("names.log"));
        let names = Killed::start(&mut command).expect("pebble can be started: install it");
        listens("the name server", management);
        let mut pebble = Self { folder: folder.to_owned(), port, _names: names, authority: None };
        pebble.run();
        pebble
    }

    /// The address of its directory.
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// The file of certificates that sign that of its own address.
    pub fn root(&self) -> PathBuf {
        self.folder.join("host.pem")
    }

    /// Runs it again, after [`Pebble::end`].  It remembers nobody.
    ///
    /// # Panics
    /// If it does not run in time.
    pub fn run(&mut self) {
        let dns = fs::read_to_string(self.folder.join("dns")).expect("it was written at the start");
        let mut command = Command::new("pebble");
        command.arg("-config").arg(self.folder.join("pebble.json"));
        command.args(["-dnsserver", &format!("127.0.0.1:{dns}")]);
        // Neither idle time nor refused nonces but those that its kind always gives.
        command.envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "5")]);
        quiet(&mut command, &self.folder.join("pebble.log"));
        self.authority = Some(Killed::start(&mut command).expect("pebble can be started"));
        listens("the authority", self.port);
    }

    /// Ends it, until [`Pebble::run`].
    pub fn end(&mut self) {
        self.authority = None;
    }

    /// What it says it did.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("pebble.log")).unwrap_or_default()
    }

    /// A certificate for its own address, which signs itself.
    fn sign(folder: &Path) {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        command.args(["-nodes", "-days", "30", "-subj", "/CN=localhost"]);
        command.args(["-addext", "subjectAltName=DNS:localhost"]);
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.arg("-keyout").arg(folder.join("host.key"));
        command.arg("-out").arg(folder.join("host.pem"));
        quiet(&mut command, &folder.join("openssl.log"));
        let status = command.status().expect("openssl can be started");
        assert!(status.success(), "openssl ended with {status}");
    }
}

fn quiet(command: &mut Command, log: &Path) {
    let log = File::create(log).expect("the folder is writable");
    let other = log.try_clone().expect("a file can be cloned");
    command.stdin(Stdio::null()).stdout(log).stderr(other);
}

fn listens(what: &str, port: u16) {
    eventually(&format!("{what} listens"), MOMENT, || {
        TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
    });
}
