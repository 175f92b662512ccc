//! Where every request's fate is noted.

use super::{
    histogram::Histogram,
    summary::{Latency, Progress, Stream, Summary},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Streams told one by one; further ones only count.
pub const STREAMS_KEPT: usize = 1000;
const FAILURES_KEPT: usize = 20;
const SEQUENCES_KEPT: usize = 1000;
const SEQUENCE_STEPS_MAX: usize = 64;

/// Acknowledged POSTs a load can hold; beyond this it ends itself with an error.
pub const POSTS_MAX: usize = 4_000_000;

/// What went wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Nobody listens.
    Refused,
    /// No connection for another reason.
    Connect,
    /// The connection was reset.
    Reset,
    /// The connection was closed before any byte of a response.
    Closed,
    /// The connection was closed within the response.
    Truncated,
    /// No whole response in time.
    Timeout,
    /// The response breaks HTTP.
    Protocol,
    /// The body is not the one that belongs to the request.
    Checksum,
    /// An answer of the proxy itself: it has the `x-cutover-error` header.
    ProxyError,
    /// The app answered 500 or above.
    AppServerError,
    /// The app answered 400 to 499.
    AppClientError,
    /// Another status than 200.
    Status,
}

impl FaultKind {
    /// Whether no whole response came.
    pub fn aborted(self) -> bool {
        matches!(self, Self::Reset | Self::Closed | Self::Truncated | Self::Timeout)
    }
}

/// A request's fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered whole, with 200, and right.
    Completed,
    /// Not so.
    Failed,
    /// A GET that met a kept connection in its end, and was sent again: not counted as a request.
    StaleRetried,
}

/// One request, as in the history file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The connection's number; 0: none was opened.
    pub connection: u64,
    /// Which client.
    pub client: String,
    /// `GET` or `POST`.
    pub method: String,
    /// What was asked for.
    pub path: String,
    /// When it was sent, in Unix ms.
    pub started_ms: u64,
    /// From then to the last byte, or the fault.
    pub latency_us: u64,
    /// Whether the connection had served before.
    pub reused: bool,
    /// What became of it.
    pub outcome: Outcome,
    /// What went wrong.
    pub fault: Option<FaultKind>,
    /// The same in words.
    pub detail: Option<String>,
    /// The status, if a head came.
    pub status: Option<u16>,
    /// The version that answered.
    pub version: Option<String>,
    /// The POST's id.
    pub id: Option<String>,
}

/// Shared by all clients.
#[derive(Debug)]
pub(super) struct Recorder {
    started: Instant,
    started_ms: u64,
    connections: AtomicU64,
    messages: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    summary: Summary,
    latency: Histogram,
    last_completed: Instant,
    longest_gap: Duration,
    clients_ended: bool,
    acknowledged: HashSet<String>,
    history: Option<BufWriter<File>>,
    error: Option<String>,
}

/// The wall clock, in Unix ms.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Recorder {
    pub(super) fn new(history: Option<&Path>) -> io::Result<Self> {
        let history = history.map(File::create).transpose()?.map(BufWriter::new);
        let (started, started_ms) = (Instant::now(), unix_ms());
        let summary = Summary { started_ms, longest_gap_from_ms: started_ms, ..Summary::default() };
        let inner = Inner {
            summary,
            latency: Histogram::new(),
            last_completed: started,
            longest_gap: Duration::ZERO,
            clients_ended: false,
            acknowledged: HashSet::new(),
            history,
            error: None,
        };
        let (connections, messages) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { started, started_ms, connections, messages, inner: Mutex::new(inner) })
    }

    /// A number for a connection about to be opened.
    pub(super) fn number(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn message(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn idle_closed(&self) {
        self.inner().summary.idle_closed += 1;
    }

    /// Notes a fate.  `slow`: the path was to take its time, so it says nothing of latency.
    pub(super) fn note(&self, record: Record, slow: bool) {
        let mut inner = self.inner();
        inner.write_history(&record);
        if record.outcome == Outcome::StaleRetried {
            inner.summary.stale_retried += 1;
            return;
        }
        inner.summary.requests += 1;
        inner.note_post(&record);
        if record.outcome == Outcome::Completed {
            inner.note_completed(&record, slow, self.started, self.started_ms);
        } else {
            inner.note_failed(record);
        }
    }

    /// Notes the versions one connection saw, in order, each named once per change.
    pub(super) fn note_connection(&self, versions: &[String]) {
        let mut inner = self.inner();
        inner.summary.connections += 1;
        for pair in versions.windows(2) {
            let change = format!("{}->{}", pair[0], pair[1]);
            *inner.summary.transitions.entry(change).or_default() += 1;
        }
        let steps = versions.len().min(SEQUENCE_STEPS_MAX);
        let mut sequence = versions[..steps].join(",");
        let known = inner.summary.sequences.contains_key(&sequence);
        if !known && inner.summary.sequences.len() >= SEQUENCES_KEPT {
            "others".clone_into(&mut sequence);
        }
        if !sequence.is_empty() {
            *inner.summary.sequences.entry(sequence).or_default() += 1;
        }
    }

    pub(super) fn note_stream(&self, stream: Stream) {
        let mut inner = self.inner();
        inner.summary.streams_failed += u64::from(stream.end.failed());
        if inner.summary.streams.len() < STREAMS_KEPT {
            inner.summary.streams.push(stream);
        }
    }

    /// Why the load must end early: what it notes can no longer be trusted.
    pub(super) fn error(&self) -> Option<String> {
        self.inner().error.clone()
    }

    pub(super) fn progress(&self) -> Progress {
        let inner = self.inner();
        let versions = inner.summary.versions.iter();
        Progress {
            elapsed_ms: self.started.elapsed().as_millis() as u64,
            completed: inner.summary.completed,
            failed: inner.summary.failed,
            versions: versions.map(|(name, count)| (name.clone(), count.requests)).collect(),
            messages: self.messages.load(Ordering::Relaxed),
            streams_failed: inner.summary.streams_failed,
        }
    }

    /// The clients are told to end: what is in flight still counts, but a gap counts no further.
    pub(super) fn clients_end(&self) {
        let mut inner = self.inner();
        inner.note_gap(Instant::now(), self.started, self.started_ms);
        inner.clients_ended = true;
    }

    /// The sum, without the comparison with logs, and the acknowledged POSTs.
    pub(super) fn sum_up(&self) -> io::Result<(Summary, HashSet<String>)> {
        let mut inner = self.inner();
        if let Some(history) = &mut inner.history {
            history.flush()?;
        }
        let mut summary = inner.summary.clone();
        summary.latency_us = Latency {
            p50: inner.latency.quantile(0.5),
            p99: inner.latency.quantile(0.99),
            max: inner.latency.max(),
        };
        summary.longest_gap_ms = inner.longest_gap.as_secs_f64() * 1000.0;
        summary.ended_ms = unix_ms();
        Ok((summary, std::mem::take(&mut inner.acknowledged)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

impl Inner {
    fn write_history(&mut self, record: &Record) {
        let Some(history) = &mut self.history else { return };
        let written = serde_json::to_writer(&mut *history, record)
            .map_err(io::Error::from)
            .and_then(|()| history.write_all(b"\n"));
        if let Err(error) = written {
            self.error = Some(format!("cannot write the history: {error}"));
        }
    }

    fn note_post(&mut self, record: &Record) {
        let Some(id) = &record.id else { return };
        self.summary.posts.sent += 1;
        if record.status != Some(200) {
            return;
        }
        self.summary.posts.acknowledged += 1;
        self.acknowledged.insert(id.clone());
        if self.acknowledged.len() >= POSTS_MAX {
            self.error = Some(format!("{POSTS_MAX} POSTs are all that can be compared"));
        }
    }

    fn note_completed(&mut self, record: &Record, slow: bool, began: Instant, began_ms: u64) {
        self.summary.completed += 1;
        if !slow {
            self.latency.add(record.latency_us);
        }
        self.note_gap(Instant::now(), began, began_ms);
        let now_ms = record.started_ms + record.latency_us / 1000;
        let version = record.version.as_deref().unwrap_or("unknown");
        let count = match self.summary.versions.get_mut(version) {
            Some(count) => count,
            None => self.summary.versions.entry(version.to_owned()).or_default(),
        };
        count.requests += 1;
        count.last_ms = count.last_ms.max(now_ms);
        count.first_ms = if count.first_ms == 0 { now_ms } else { count.first_ms.min(now_ms) };
    }

    fn note_failed(&mut self, record: Record) {
        self.summary.failed += 1;
        if let Some(kind) = record.fault {
            *self.summary.failures.entry(kind).or_default() += 1;
            self.summary.aborted += u64::from(kind.aborted());
        }
        if self.summary.first_failures.len() < FAILURES_KEPT {
            self.summary.first_failures.push(record);
        }
    }

    fn note_gap(&mut self, now: Instant, began: Instant, began_ms: u64) {
        if self.clients_ended {
            return;
        }
        let gap = now.saturating_duration_since(self.last_completed);
        if gap > self.longest_gap {
            self.longest_gap = gap;
            let from = self.last_completed.saturating_duration_since(began);
            self.summary.longest_gap_from_ms = began_ms + from.as_millis() as u64;
        }
        self.last_completed = now;
    }
}
