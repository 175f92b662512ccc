//! The proxy's own word, over its control socket: one JSON object a line each way.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// The part of its status that figures are made of.
#[derive(Debug, Deserialize)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// By `PROJECT.ENVIRONMENT`.
    pub environments: BTreeMap<String, Environment>,
}

/// One environment.
#[derive(Debug, Deserialize)]
pub struct Environment {
    /// Users' requests by release id, since the proxy started.
    pub releases: BTreeMap<String, Counters>,
}

/// The fate of a release's requests.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Counters {
    /// Answered whole.
    pub completed: u64,
    /// Cut, by either side.
    pub aborted: u64,
    /// Answered by the proxy, since the instance did not.
    pub unanswered: u64,
    /// Sent once more on a fresh connection.
    pub retried: u64,
    /// By the first digit of the answer.
    pub by_class: [u64; 6],
    /// Unix time in ms.
    pub first_routed_at_ms: u64,
    /// Unix time in ms.
    pub last_routed_at_ms: u64,
}

impl Counters {
    /// All that ended.
    pub fn ended(&self) -> u64 {
        self.completed + self.aborted
    }
}

/// Asks the proxy under this state directory.
///
/// # Errors
/// If it does not answer, or says something else.
pub fn status(root: &Path) -> Result<Status> {
    let path = root.join("proxy/control.sock");
    let mut stream = UnixStream::connect(&path)
        .with_context(|| format!("the proxy does not listen on {}", path.display()))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(b"{\"ask\":\"status\"}\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut line)?;
    serde_json::from_str(&line).with_context(|| format!("the proxy's answer: {line}"))
}
