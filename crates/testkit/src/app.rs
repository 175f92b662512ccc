//! The example apps as releases, and one of them running without anything around it.

use crate::{guard::Killed, time::eventually};
use std::{
    env, fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// An example app is ready within this.
const READY_WITHIN: Duration = Duration::from_secs(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Of an app's output this much is kept, from its start; the rest is counted.
const OUTPUT_KEPT_BYTES: usize = 4 << 20;
const READ_BYTES: usize = 64 << 10;

/// Which example app.  All behave the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum App {
    /// `examples/node`.
    Node,
    /// `examples/python`.
    Python,
    /// `examples/rust`.
    Rust,
}

impl App {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Node, Self::Python, Self::Rust];

    /// The name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python",
            Self::Rust => "rust",
        }
    }

    /// What starts it from its release directory: program and arguments.
    pub fn command(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["node", "server.js"],
            Self::Python => &["python3", "server.py"],
            Self::Rust => &["./example-app"],
        }
    }

    /// Its folder in the repository.
    pub fn folder(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(self.name())
    }

    /// Makes `directory` a release of this app: its files, `VERSION`, and `BREAK` with `breakage`,
    /// a comma list as in the environment variable of the same name (see `examples/README.md`).
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn release(self, directory: &Path, version: &str, breakage: &str) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        match self {
            Self::Rust => {
                fs::copy(built("example-app", "example-app"), directory.join("example-app"))?;
            }
            Self::Node | Self::Python => {
                for entry in fs::read_dir(self.folder())? {
                    let entry = entry?;
                    let shipped =
                        entry.file_type()?.is_file() && entry.file_name() != "cutover.yml";
                    if shipped {
                        fs::copy(entry.path(), directory.join(entry.file_name()))?;
                    }
                }
            }
        }
        fs::write(directory.join("VERSION"), format!("{version}\n"))?;
        if !breakage.is_empty() {
            fs::write(directory.join("BREAK"), format!("{breakage}\n"))?;
        }
        Ok(())
    }
}

/// An example app running by itself; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub process: Killed,
    /// Where it listens.
    pub address: SocketAddr,
    output: Arc<Mutex<Output>>,
}

#[derive(Debug, Default)]
struct Output {
    kept: Vec<u8>,
    total_bytes: u64,
}

impl Running {
    /// Starts `app` from a release directory with the environment an instance gets, and `extra`.
    /// Its output goes through a pipe, never to a file: a flood ends with the test and fills no
    /// disk.
    ///
    /// # Panics
    /// If it cannot be started: node and python3 must be installed where these tests run.
    pub fn start(app: App, directory: &Path, extra: &[(&str, &str)]) -> Self {
        let port = crate::ports::free();
        let (reader, writer) = io::pipe().expect("a pipe can be made");
        let error = writer.try_clone().expect("a pipe's end can be held twice");
        let [program, arguments @ ..] = app.command() else {
            unreachable!("commands have a program")
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(directory).env_clear();
        for name in ["PATH", "HOME", "LANG"] {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        command.env("HOST", "127.0.0.1").env("PORT", port.to_string());
        command.env("CUTOVER_SLOT", "blue").env("CUTOVER_RELEASE", "r1");
        command.env("CUTOVER_VERSION", "from-environment");
        command.envs(extra.iter().copied());
        command.stdin(Stdio::null()).stdout(writer).stderr(error);
        let process = Killed::start(&mut command)
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}; install it"));
        // It holds the pipe's writing ends too.
        drop(command);
        let output = Arc::new(Mutex::new(Output::default()));
        let kept = Arc::clone(&output);
        thread::spawn(move || keep(reader, &kept));
        Self { process, address: (Ipv4Addr::LOCALHOST, port).into(), output }
    }

    /// Waits until it answers its health check with 200.
    ///
    /// # Panics
    /// If it does not in time.
    pub fn ready(self) -> Self {
        eventually("the app is healthy", READY_WITHIN, || {
            let answer = get(self.address, "/api/health").ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        });
        self
    }

    /// What it has printed; of a flood only the first megabytes.
    pub fn output(&self) -> String {
        let output = self.output.lock().expect("no holder of this lock panics");
        String::from_utf8_lossy(&output.kept).into_owned()
    }

    /// How much it has printed.
    pub fn output_bytes(&self) -> u64 {
        self.output.lock().expect("no holder of this lock panics").total_bytes
    }
}

/// Reads until nobody can write any more.
fn keep(mut reader: io::PipeReader, output: &Mutex<Output>) {
    let mut bytes = [0; READ_BYTES];
    while let Ok(count @ 1..) = reader.read(&mut bytes) {
        let mut output = output.lock().expect("no holder of this lock panics");
        let room = OUTPUT_KEPT_BYTES - output.kept.len();
        output.kept.extend_from_slice(&bytes[..count.min(room)]);
        output.total_bytes += count as u64;
    }
}

/// The whole answer, head and body, to one GET on a connection of its own.
///
/// # Errors
/// If there is no connection, or no end of the answer within a few seconds.
pub fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    get_from(address, "localhost", path)
}

/// As [`get`], with another `Host`.
///
/// # Errors
/// If there is no connection, or no end of the answer within a few seconds.
pub fn get_from(address: SocketAddr, host: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The path of a program of this workspace, built with the profile of the running test.  It is
/// built when it is missing, so that one crate's tests can be run alone.
///
/// # Panics
/// If it cannot be built.
pub fn built(package: &str, binary: &str) -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    let profile = test
        .ancestors()
        .skip(1)
        .find(|directory| !directory.ends_with("deps"))
        .expect("tests run from target/PROFILE/deps, programs from target/PROFILE");
    let path = profile.join(binary);
    if path.exists() {
        return path;
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package, "--bin", binary]);
    command.arg("--target-dir").arg(profile.parent().expect("a profile is in a directory"));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = command.status().expect("cargo can be run");
    assert!(status.success() && path.exists(), "cargo built no {}", path.display());
    path
}
