//! Load in a process of its own: every request's fate is counted, and a test reads the sum.
//!
//! [`Load::start`] runs the `cutover-load` program, so that the load has its own descriptors and
//! its own scheduler share.  A load without a limit stops when its caller goes: its standard
//! input ends then.

mod client;
mod events;
mod histogram;
mod options;
mod post_log;
mod recorder;
mod rhythm;
mod run;
mod summary;
mod websocket;
mod wire;

pub use options::Options;
pub use recorder::{FaultKind, Outcome, Record, STREAMS_KEPT};
pub use run::run;
pub use summary::{Posts, Progress, Stream, StreamEnd, StreamKind, Summary, VersionCount};

use crate::{app, guard::Killed, time::within};
use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

/// How often a started load tells its progress.
const PROGRESS_EVERY_MS: u64 = 50;

/// Beyond the slowest request the load may take this long to come to its end.
const END_WITHIN_MS: u64 = 15_000;

/// A running load.
#[derive(Debug)]
pub struct Load {
    child: Killed,
    stdin: Option<ChildStdin>,
    stdout: Option<JoinHandle<String>>,
    progress: Arc<Mutex<Progress>>,
    noise: Arc<Mutex<String>>,
    end_within: Duration,
}

/// The `cutover-load` program beside the running test; it is built if it is missing.
///
/// # Panics
/// If it cannot be built.
pub fn binary() -> PathBuf {
    app::built("cutover-testkit", "cutover-load")
}

impl Load {
    /// Starts the load.  `program` is the path of `cutover-load`, as from [`binary`].
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(program: &Path, options: &Options) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(options.to_arguments());
        command.arg(format!("--progress-ms={PROGRESS_EVERY_MS}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Killed::start(&mut command)
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdin = child.child().stdin.take();
        let mut stdout = child.child().stdout.take().context("stdout is piped")?;
        let stderr = child.child().stderr.take().context("stderr is piped")?;
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            // What cannot be read cannot be parsed either, and is told then.
            let _ = stdout.read_to_string(&mut text);
            text
        });
        let progress = Arc::new(Mutex::new(Progress::default()));
        let noise = Arc::new(Mutex::new(String::new()));
        let (latest, other) = (Arc::clone(&progress), Arc::clone(&noise));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                match serde_json::from_str::<Progress>(&line) {
                    Ok(told) => *latest.lock().expect("no holder panics") = told,
                    Err(_) => *other.lock().expect("no holder panics") += &format!("{line}\n"),
                }
            }
        });
        let end_within = Duration::from_millis(options.timeout_ms + END_WITHIN_MS);
        Ok(Self { child, stdin, stdout: Some(stdout), progress, noise, end_within })
    }

    /// What was counted up to now; at most a few tens of milliseconds old.
    pub fn progress(&self) -> Progress {
        self.progress.lock().expect("no holder of this lock panics").clone()
    }

    /// Waits until the counts satisfy `reached`.
    ///
    /// # Panics
    /// With `what` if they do not in time.
    pub fn until(&self, what: &str, timeout: Duration, reached: impl Fn(&Progress) -> bool) {
        let found = within(timeout, || reached(&self.progress()).then_some(()));
        assert!(found.is_some(), "the load does not see {what}; it saw {:?}", self.progress());
    }

    /// Waits until `count` more requests were completed than now.
    ///
    /// # Panics
    /// If they are not in time.
    pub fn until_more(&self, count: u64, timeout: Duration) {
        let goal = self.progress().completed + count;
        self.until(&format!("{count} more requests"), timeout, |now| now.completed >= goal);
    }

    /// The process id of the load, for a test that counts who is there.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Lets the requests in flight end, starts no others, and sums up.
    ///
    /// # Errors
    /// If the load died or does not end.
    pub fn stop(mut self) -> Result<Summary> {
        if let Some(mut stdin) = self.stdin.take() {
            // One that has ended by itself needs no telling.
            let _ = stdin.write_all(b"stop\n");
        }
        self.sum_up()
    }

    /// Waits until the load ends by its own limit, at most `timeout` longer than requests may take.
    ///
    /// # Errors
    /// If the load died or does not end.
    pub fn finish(mut self, timeout: Duration) -> Result<Summary> {
        self.end_within += timeout;
        self.sum_up()
    }

    fn sum_up(mut self) -> Result<Summary> {
        let status = self.child.ended(self.end_within);
        let stdout = self.stdout.take().context("the output is taken once")?;
        let Ok(text) = stdout.join() else { bail!("the reader of the load's output panicked") };
        serde_json::from_str(&text).with_context(|| {
            let noise = self.noise.lock().expect("no holder of this lock panics");
            format!("the load ended with {status} and no summary; it said: {noise}")
        })
    }
}
