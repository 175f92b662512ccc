//! The access log: what was asked and what came of it, a line each.  It never holds up a request.

mod file;

use file::File;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Lines that wait for the disk; those beyond are counted, and not written.
const QUEUE_MAX: usize = 8192;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Words with spaces between.
    Text,
    /// One object a line.
    Json,
}

/// Where the logs of a state directory are.
pub fn access_directory(root: &Path) -> PathBuf {
    root.join("proxy/access")
}

/// One request.  Neither query nor fields: both may hold what nobody should read.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    #[serde(skip)]
    format: Format,
    /// Unix time in ms of its beginning.
    at_ms: u64,
    client: String,
    method: String,
    scheme: &'static str,
    host: String,
    path: String,
    /// 0: it ended before all of the response was handed over.
    status: u16,
    took_us: u64,
    environment: String,
    release: String,
    instance: String,
}

impl Entry {
    /// What is known when a request is claimed.
    pub(crate) fn of(request: &crate::http1::request::Request, format: Format) -> Box<Entry> {
        Box::new(Entry {
            format,
            at_ms: now_ms(),
            client: request.field("x-forwarded-for").unwrap_or("-").to_owned(),
            method: request.method().to_owned(),
            scheme: if request.is_secure { "https" } else { "http" },
            host: request.host.clone(),
            path: request.path().to_owned(),
            status: 0,
            took_us: 0,
            environment: String::new(),
            release: String::new(),
            instance: String::new(),
        })
    }

    /// What came of it.
    pub(crate) fn ended(
        mut self: Box<Self>,
        status: u16,
        took: Duration,
        instance: &crate::plane::instance::Instance,
    ) -> Box<Entry> {
        self.status = status;
        self.took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.environment.clone_from(&instance.release.environment);
        self.release.clone_from(&instance.release.id);
        self.instance.clone_from(&instance.id);
        self
    }

    fn line(&self) -> String {
        if self.format == Format::Json {
            return serde_json::to_string(self).unwrap_or_default() + "\n";
        }
        let mut line = String::new();
        let (ms, path) = (self.at_ms % 1000, self.path.escape_debug());
        let _infallible = writeln!(
            line,
            "{}.{ms:03} {} {} {}://{}{path} {} {} us {} {}",
            self.at_ms / 1000,
            self.client,
            self.method,
            self.scheme,
            self.host,
            self.status,
            self.took_us,
            self.release,
            self.instance,
        );
        line
    }
}

/// The way to the thread that writes.
#[derive(Debug)]
pub(crate) struct Log {
    sender: Mutex<Option<SyncSender<Box<Entry>>>>,
    dropped: Arc<AtomicU64>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Nothing is opened before there is something to write.
    pub(crate) fn start(root: &Path) -> std::io::Result<Log> {
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let (directory, counted) = (access_directory(root), dropped.clone());
        let write = move || write(&receiver, directory, &counted);
        let writer = std::thread::Builder::new().name("access-log".to_owned()).spawn(write)?;
        let (sender, writer) = (Mutex::new(Some(sender)), Mutex::new(Some(writer)));
        Ok(Log { sender, dropped, writer })
    }

    /// For one thread to send by: no two of them wait for each other.
    pub(crate) fn way(&self) -> Way {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Way { sender, dropped: self.dropped.clone() }
    }

    /// Lines that were not written, since the disk was too slow.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes what waits, once all threads have ended.
    pub(crate) fn finish(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that panicked has nothing more to write.
        let _panicked = writer.map(JoinHandle::join);
    }
}

/// One thread's way to the log.
#[derive(Debug)]
pub(crate) struct Way {
    sender: Option<SyncSender<Box<Entry>>>,
    dropped: Arc<AtomicU64>,
}

impl Way {
    /// Never waits.
    pub(crate) fn send(&self, entry: Box<Entry>) {
        let sent = self.sender.as_ref().map(|it| it.try_send(entry));
        if !matches!(sent, Some(Ok(()))) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(receiver: &Receiver<Box<Entry>>, directory: PathBuf, dropped: &AtomicU64) {
    let mut files = File::none(directory);
    while let Ok(entry) = receiver.recv() {
        let mut next = Some(entry);
        while let Some(entry) = next.take() {
            if let Err(error) = files.append(&entry.environment, entry.line().as_bytes()) {
                dropped.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%error, "the access log cannot be written");
            }
            next = receiver.try_recv().ok();
        }
        files.flush();
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
