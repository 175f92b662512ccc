//! A real SSH server on loopback, with keys and settings of its own.

use crate::{guard::Killed, ports, time::eventually};
use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

const READY_WAIT: Duration = Duration::from_secs(20);
/// Read at a time by who cuts a connection.
const CHUNK_BYTES: usize = 16 << 10;

/// One that runs, and ends when it is dropped.
#[derive(Debug)]
pub struct Sshd {
    /// Where it listens, on loopback.
    pub port: u16,
    folder: TempDir,
    _child: Killed,
}

impl Sshd {
    /// Lets in who runs the test, by one key.
    ///
    /// # Panics
    /// Where it cannot be made, or does not come to answer.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("cutover-sshd-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let path = |name: &str| folder.path().join(name);
        for name in ["host", "identity"] {
            let mut made = Command::new("ssh-keygen");
            made.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path(name));
            assert!(made.status().expect("`ssh-keygen` is installed").success());
        }
        fs::copy(path("identity.pub"), path("authorized")).expect("the folder is writable");
        let port = ports::free();
        let told = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\n\
             AuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             PermitRootLogin yes\nPrintMotd no\n",
            path("host").display(),
            path("authorized").display()
        );
        fs::write(path("config"), told).expect("the folder is writable");
        // The directory that it wants as root is made where nobody else sees it.
        let script = "mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh", "/usr/sbin/sshd", "-D", "-e", "-f"]);
        command.arg(path("config")).stdin(Stdio::null());
        let log = fs::File::create(path("log")).expect("the folder is writable");
        command.stdout(Stdio::null()).stderr(log);
        let child = Killed::start(&mut command).expect("`unshare` is installed");
        let sshd = Self { port, folder, _child: child };
        eventually("the SSH server answers", READY_WAIT, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        sshd
    }

    /// The file of the key that it lets in.
    pub fn identity(&self) -> String {
        self.folder.path().join("identity").display().to_string()
    }

    /// A file in which its host key is known, at this port of loopback.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn known_at(&self, port: u16) -> String {
        let key = fs::read_to_string(self.folder.path().join("host.pub")).expect("it was made");
        let mut words = key.split_whitespace();
        let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = self.folder.path().join(format!("known-{port}"));
        let line = format!("[127.0.0.1]:{port} {kind} {key}\n");
        fs::write(&path, line).expect("the folder is writable");
        path.display().to_string()
    }

    /// A folder that is its own, and gone with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in which nobody is known.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn nobody_known(&self) -> PathBuf {
        let path = self.folder.path().join("known-nobody");
        fs::write(&path, "").expect("the folder is writable");
        path
    }

    /// A port that leads to it, for one connection, which is cut after so many bytes were sent to
    /// it.
    ///
    /// # Panics
    /// Where nothing can listen.
    pub fn cut_after(&self, bytes: usize) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let to = self.port;
        thread::spawn(move || {
            // Whoever connects sees what became of it.
            let _ = relay(&listener, to, bytes);
        });
        port
    }
}

impl Default for Sshd {
    fn default() -> Self {
        Self::new()
    }
}

fn relay(listener: &TcpListener, to: u16, bytes_max: usize) -> io::Result<()> {
    let (mut from, _) = listener.accept()?;
    let mut to = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
    let (mut answers, mut back) = (to.try_clone()?, from.try_clone()?);
    thread::spawn(move || io::copy(&mut answers, &mut back));
    let (mut chunk, mut sent) = (vec![0; CHUNK_BYTES], 0);
    while sent < bytes_max {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        to.write_all(&chunk[..read])?;
        sent += read;
    }
    from.shutdown(Shutdown::Both)?;
    to.shutdown(Shutdown::Both)
}
