//! The same load around every change, and what its clients saw of it.

use super::{REQUESTS_PER_SECOND, alone::ms, figures::Side};
use anyhow::{Context, Result};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use testkit::load::{Load, Options, Record, Summary, binary};

/// Completed before the change, so that connections are warm, and after it.
const REQUESTS_AROUND: u64 = 150;
const REQUESTS_WITHIN: Duration = Duration::from_secs(20);
/// Said at once, for each change.
const FAILURES_SHOWN: usize = 3;
const SLOW_MS: u64 = 500;
/// What counts as steady load.
const REQUESTS_PER_SECOND_MIN: f64 = 200.0;

/// One change under load.
pub struct Segment {
    /// Unix time in ms at which the command was started.
    pub began_ms: f64,
    /// How long the command ran, in ms.
    pub command_ms: f64,
    /// What the clients saw, from before to after.
    pub summary: Summary,
    records: Vec<Record>,
}

impl Segment {
    /// Makes the change under load.
    ///
    /// # Errors
    /// If the change fails, or the load cannot be made.
    pub fn run(
        address: SocketAddr,
        host: &str,
        change: impl FnOnce() -> Result<()>,
    ) -> Result<Self> {
        let options = Options {
            get_clients: 4,
            post_clients: 2,
            connect_clients: 1,
            slow_clients: 2,
            slow_ms: SLOW_MS,
            rate: Some(REQUESTS_PER_SECOND),
            body_bytes_max: 16 << 10,
            ..Options::idle(address, host)
        };
        let history = tempfile::NamedTempFile::new()?;
        let options = Options { history: Some(history.path().to_owned()), ..options };
        let load = Load::start(&binary(), &options)?;
        load.until_more(REQUESTS_AROUND, REQUESTS_WITHIN);
        let (began, began_ms) = (Instant::now(), unix_ms());
        change()?;
        let command_ms = ms(began.elapsed());
        load.until_more(REQUESTS_AROUND, REQUESTS_WITHIN);
        let summary = load.stop()?;
        let lines = BufReader::new(history.reopen()?).lines();
        let records: Result<Vec<Record>> =
            lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect();
        Ok(Self { began_ms, command_ms, summary, records: records? })
    }

    /// From the command's start to the first answer of this version, in ms.
    ///
    /// # Errors
    /// If it never answered.
    pub fn first_answer_ms(&self, version: &str) -> Result<f64> {
        let count = self.summary.versions.get(version);
        let count = count.with_context(|| format!("{version} never answered"))?;
        Ok(count.first_ms as f64 - self.began_ms)
    }

    /// From the command's start to when the last request was sent that this version answered, in
    /// ms.  Before the command, where it is below 0.
    ///
    /// # Errors
    /// If it never answered.
    pub fn last_request_ms(&self, version: &str) -> Result<f64> {
        let its = self.records.iter().filter(|it| it.version.as_deref() == Some(version));
        let last = its.map(|it| it.started_ms).max();
        let last = last.with_context(|| format!("{version} never answered"))?;
        Ok(last as f64 - self.began_ms)
    }

    /// Notes the longest answer, what failed, and whether the load was steady.
    pub fn note(&self, side: &mut Side) {
        let summary = &self.summary;
        side.worst_ms.push(summary.latency_us.max as f64 / 1000.0);
        side.requests += summary.requests;
        side.failed += summary.failed;
        side.changes += 1;
        for it in summary.first_failures.iter().take(FAILURES_SHOWN) {
            let detail = it.detail.as_deref().unwrap_or("no detail");
            let (name, client, method, path) = (side.name, &it.client, &it.method, &it.path);
            eprintln!("bench deploy: failed on {name}: {client} {method} {path}: {detail}");
        }
        let seconds = (summary.ended_ms - summary.started_ms) as f64 / 1000.0;
        let rate = summary.requests as f64 / seconds;
        if rate < REQUESTS_PER_SECOND_MIN {
            side.unsteady += 1;
            let (name, gap_ms) = (side.name, summary.longest_gap_ms);
            eprintln!(
                "bench deploy: {rate:.0} requests a second on {name}, {gap_ms:.0} ms without any"
            );
        }
    }
}

/// The wall clock, with its fraction.
pub fn unix_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, ms)
}
