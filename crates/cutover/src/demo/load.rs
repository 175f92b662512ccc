//! The load generator: a process of its own, whose counts are the client's side of the proof.

use super::stage::Stage;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Requests a second: enough to catch a switch that loses one, and little enough for a small host.
const REQUESTS_PER_SECOND: u32 = 400;

/// The part of the generator's last word that the proof needs.
#[derive(Debug, Deserialize)]
pub struct Summary {
    /// Nothing failed, nothing was lost or doubled.
    pub ok: bool,
    /// All that came to an end.
    pub requests: u64,
    /// All but those answered whole and right.
    pub failed: u64,
    /// By the version that answered.
    pub versions: BTreeMap<String, Count>,
    /// WebSockets and event streams.
    pub streams: Vec<Stream>,
    /// Those that did not end with a goodbye.
    pub streams_failed: u64,
    /// Of the completed.
    pub latency_us: Latency,
    /// Without any completed request.
    pub longest_gap_ms: f64,
    /// Against what the application noted.
    pub posts: Posts,
}

/// Requests of one version.
#[derive(Debug, Deserialize)]
pub struct Count {
    /// How many.
    pub requests: u64,
}

/// A long exchange.
#[derive(Debug, Deserialize)]
pub struct Stream {
    /// Who answered it.
    pub version: Option<String>,
}

/// In microseconds.
#[derive(Debug, Deserialize)]
pub struct Latency {
    /// 99 % took no longer.
    pub p99: u64,
}

/// What became of the POSTs.
#[derive(Debug, Deserialize)]
pub struct Posts {
    /// Answered with 200.
    pub acknowledged: u64,
    /// Acknowledged, and not noted by the application.
    pub lost: u64,
    /// Noted twice.
    pub doubled: u64,
}

#[derive(Deserialize)]
struct Progress {
    completed: u64,
}

type Shared = Arc<(Mutex<u64>, Condvar)>;

/// A running load; killed if it is dropped.
pub struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    completed: Shared,
}

impl Load {
    /// Starts it on the stage's address.
    pub fn start(program: &Path, stage: &Stage) -> Result<Load> {
        let mut child = Command::new(program)
            .arg(format!("--target={}", stage.address))
            .args(["--host=shop.example", "--progress-ms=50", "--slow-clients=2", "--slow-ms=500"])
            .arg(format!("--rate={REQUESTS_PER_SECOND}"))
            .arg("--body-bytes-max=65536")
            .arg(format!("--post-log={}", stage.post_log.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} could not be started", program.display()))?;
        let stdin = child.stdin.take();
        let stderr = child.stderr.take().context("the load's progress cannot be read")?;
        let completed = Shared::default();
        let told = completed.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let Ok(progress) = serde_json::from_str::<Progress>(&line) else { continue };
                *told.0.lock().unwrap_or_else(PoisonError::into_inner) = progress.completed;
                told.1.notify_all();
            }
        });
        Ok(Load { child, stdin, completed })
    }

    /// Waits until so many more requests are completed.
    pub fn until_more(&self, count: u64, timeout: Duration) -> Result<()> {
        let began = Instant::now();
        let mut completed = self.completed.0.lock().unwrap_or_else(PoisonError::into_inner);
        let goal = *completed + count;
        while *completed < goal {
            let Some(left) = timeout.checked_sub(began.elapsed()) else {
                bail!("the load completed {completed} requests in {timeout:?}, not {goal}");
            };
            let waited = self.completed.1.wait_timeout(completed, left);
            completed = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Lets what is in flight end, and sums up.
    pub fn stop(mut self) -> Result<Summary> {
        if let Some(mut stdin) = self.stdin.take() {
            stdin.write_all(b"stop\n").context("the load ended by itself")?;
        }
        let mut text = String::new();
        let stdout = self.child.stdout.take().context("the load's sum cannot be read")?;
        BufReader::new(stdout).read_to_string(&mut text)?;
        self.child.wait()?;
        serde_json::from_str(&text).context("the load's sum cannot be understood")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Both fail only where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
