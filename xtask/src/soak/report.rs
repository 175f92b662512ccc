//! What a soak found, and what of it may not be.

use super::{
    DRAIN_S, KEPT_RELEASES, REQUESTS_PER_SECOND, SLOW_MS,
    balance::Balance,
    disk::Disk,
    processes::{Descriptors, Memory},
    streams_counted,
};
use crate::{machine, program, table::table};
use anyhow::Result;
use std::{fmt::Write as _, fs, time::Duration};
use testkit::load::{StreamKind, Summary};

/// The release that comes in, the one that goes out, and the one before it, which is still warm.
const KEPT_BESIDE: usize = 3;
/// Journal and logs of one deployment.
const GROWTH_BYTES_MAX: u64 = 512 << 10;
const DIFFERENCES_SHOWN: usize = 10;

/// One deployment.
#[derive(Debug)]
pub struct Deployed {
    /// From the command's start to its end.
    pub took: Duration,
}

/// All that was found.
#[derive(Debug)]
pub struct Findings {
    /// The whole soak.
    pub took: Duration,
    /// It would have ended by itself.
    pub limit: Duration,
    /// Under load.
    pub deployed: Vec<Deployed>,
    /// The clients' side.
    pub summary: Summary,
    /// Both sides.
    pub balance: Balance,
    /// Descriptors before the load.
    pub before: Descriptors,
    /// As `before`, after it.
    pub after: Descriptors,
    /// Before the load, after each deployment, and after the load.
    pub memory: Vec<Memory>,
    /// Daemon, proxy and holder are the same processes as at the start.
    pub unchanged: bool,
    /// Over time.
    pub disk: Disk,
    /// Processes after `down`.
    pub left: Vec<String>,
}

/// A count, and whether it may be so.
struct Line {
    what: String,
    found: String,
    wanted: String,
    good: bool,
}

impl Findings {
    /// Everything that may not be, in words.
    pub fn breaches(&self) -> Vec<String> {
        let bad = self.lines().into_iter().filter(|it| !it.good);
        bad.map(|it| format!("{}: {}, wanted {}", it.what, it.found, it.wanted)).collect()
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = self.traffic();
        lines.extend(self.leftovers());
        lines
    }

    fn traffic(&self) -> Vec<Line> {
        let summary = &self.summary;
        let (clients, proxy) = self.balance.sums();
        let (failed, _) = self.balance.failed_and_retried();
        let differences = self.balance.differences().len();
        vec![
            none("requests that failed, clients' side", summary.failed),
            none("answers with 5xx or from the proxy itself, proxy's side", failed),
            none("WebSockets and event streams without a goodbye", summary.streams_failed),
            none("acknowledged POSTs that the application never saw", summary.posts.lost),
            none("POSTs that it saw twice", summary.posts.doubled),
            none("releases whose two counts differ", differences as u64),
            Line {
                what: "requests and streams, clients' side".into(),
                found: clients.to_string(),
                wanted: format!("{proxy}, as the proxy says"),
                good: clients == proxy,
            },
            truth("every stream was counted", streams_counted(summary)),
            truth("POSTs were compared with the application's log", summary.posts.compared),
        ]
    }

    fn leftovers(&self) -> Vec<Line> {
        let descriptors =
            self.before.iter().zip(&self.after).map(|((role, before), (_, after))| Line {
                what: format!("descriptors of the {role} after the load"),
                found: after.to_string(),
                wanted: format!("≤ {before}, as before it"),
                good: after <= before,
            });
        let mut lines: Vec<Line> = descriptors.collect();
        let (kept, growth) = (self.disk.releases_max(), self.disk.growth_bytes());
        lines.push(Line {
            what: "releases on the disk at most".into(),
            found: kept.to_string(),
            wanted: format!("≤ {}", KEPT_RELEASES + KEPT_BESIDE),
            good: kept <= KEPT_RELEASES + KEPT_BESIDE,
        });
        lines.push(Line {
            what: "growth of journal and logs per deployment".into(),
            found: kib(growth),
            wanted: format!("≤ {}", kib(GROWTH_BYTES_MAX)),
            good: growth <= GROWTH_BYTES_MAX,
        });
        lines.push(truth("daemon, proxy and holder never restarted", self.unchanged));
        lines.push(none("processes left after `down`", self.left.len() as u64));
        lines
    }
}

fn none(what: &str, count: u64) -> Line {
    let found = count.to_string();
    Line { what: what.into(), found, wanted: "0".into(), good: count == 0 }
}

fn truth(what: &str, good: bool) -> Line {
    let found = if good { "yes" } else { "no" };
    Line { what: what.into(), found: found.into(), wanted: "yes".into(), good }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// The document: what was done, on what, and what came out.
pub fn text(findings: &Findings, command: &str) -> String {
    let mut text = format!(
        "# Soak\n\nWritten by `{}`; it ends by itself within {} s. Two instances of the Rust \
         example, a drain of {DRAIN_S} s. Load of every kind goes on meanwhile, \
         {REQUESTS_PER_SECOND} requests a second: GET and POST with checksums, by Content-Length \
         and chunked, over kept and over new connections, requests that take {SLOW_MS} ms, a \
         WebSocket and an event stream. Contents are light and heavy in turn.\n\n",
        command.trim_end(),
        findings.limit.as_secs(),
    );
    for line in machine::lines() {
        let _ = writeln!(text, "- {line}");
    }
    let verdict = |it: &Line| if it.good { "holds" } else { "BROKEN" }.to_owned();
    let rows = findings.lines();
    let rows = rows
        .iter()
        .map(|it| vec![it.what.clone(), it.found.clone(), it.wanted.clone(), verdict(it)]);
    let rows: Vec<Vec<String>> = rows.collect();
    let _ = write!(text, "\n## What must hold\n\n");
    text += &table(&["count", "found", "wanted", ""], &rows);
    let _ = write!(text, "\n## Figures\n\n");
    text += &table(&["figure", "value"], &figures(findings));
    text += &particulars(findings);
    text
}

fn figures(findings: &Findings) -> Vec<Vec<String>> {
    let summary = &findings.summary;
    let count = |kind| summary.streams.iter().filter(|it| it.kind == kind).count();
    let mut seconds: Vec<f64> = findings.deployed.iter().map(|it| it.took.as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let at = |part: usize| seconds.get((seconds.len() - 1) * part / 100).copied().unwrap_or(0.0);
    let ms = |us: u64| format!("{:.1} ms", us as f64 / 1000.0);
    let mut rows = vec![
        ("the whole soak".to_owned(), format!("{} s", findings.took.as_secs())),
        ("deployments under load".to_owned(), seconds.len().to_string()),
        (
            "one deployment, drain included: median, longest".to_owned(),
            format!("{:.2} s, {:.2} s", at(50), at(100)),
        ),
        ("requests".to_owned(), summary.requests.to_string()),
        ("of these POSTs".to_owned(), summary.posts.sent.to_string()),
        ("connections".to_owned(), summary.connections.to_string()),
        ("WebSockets opened".to_owned(), count(StreamKind::WebSocket).to_string()),
        ("event streams opened".to_owned(), count(StreamKind::Events).to_string()),
        ("releases that served".to_owned(), findings.balance.releases().to_string()),
        (
            "requests sent once more by the proxy".to_owned(),
            findings.balance.failed_and_retried().1.to_string(),
        ),
        (
            "GETs repeated by clients on a closed connection".to_owned(),
            summary.stale_retried.to_string(),
        ),
        ("latency p50".to_owned(), ms(summary.latency_us.p50)),
        ("latency p99".to_owned(), ms(summary.latency_us.p99)),
        ("latency, longest".to_owned(), ms(summary.latency_us.max)),
        ("longest time without an answer".to_owned(), format!("{:.1} ms", summary.longest_gap_ms)),
    ];
    for (after, look) in findings.disk.milestones() {
        let of = format!("{} releases {}", look.releases, kib(look.release_bytes));
        let all = format!("{of}, all else {}", kib(look.other_bytes()));
        rows.push((format!("disk after deployment {after}"), all));
    }
    for (moment, memory) in moments(findings) {
        let of = memory.iter().map(|(role, kib)| format!("{role} {kib} KiB"));
        let of: Vec<String> = of.collect();
        rows.push((format!("memory {moment} (PSS)"), of.join(", ")));
    }
    rows.into_iter().map(|(figure, value)| vec![figure, value]).collect()
}

/// Of the memory: before the load, after a tenth, a half and all of the deployments, and at the
/// end.
fn moments(findings: &Findings) -> Vec<(String, &Memory)> {
    let deployments = findings.deployed.len();
    let mut at = vec![deployments / 10, deployments / 2, deployments];
    at.dedup();
    let after = |it: usize| Some((format!("after deployment {it}"), findings.memory.get(it)?));
    let first = findings.memory.first().map(|it| ("before the load".to_owned(), it));
    let last = findings.memory.last().map(|it| ("after the load".to_owned(), it));
    first.into_iter().chain(at.into_iter().filter_map(after)).chain(last).collect()
}

fn particulars(findings: &Findings) -> String {
    let mut text = String::new();
    let differences = findings.balance.differences();
    for it in differences.iter().take(DIFFERENCES_SHOWN) {
        let (version, clients, proxy) = (&it.version, it.clients, it.proxy);
        let _ = writeln!(text, "- {version}: clients {clients}, proxy {proxy}");
    }
    for it in &findings.summary.first_failures {
        let (client, path, fault) = (&it.client, &it.path, &it.detail);
        let _ = writeln!(text, "- failed: {client} {} {path}: {fault:?}", it.method);
    }
    for it in findings.summary.streams.iter().filter(|it| it.end.failed()) {
        let _ = writeln!(text, "- stream: {:?} {:?} {}", it.kind, it.end, it.detail);
    }
    for it in &findings.left {
        let _ = writeln!(text, "- left: {it}");
    }
    if text.is_empty() { text } else { format!("\n## Particulars\n\n{text}") }
}

/// Writes `docs/soak.md`.
///
/// # Errors
/// If it cannot be written.
pub fn write(text: &str) -> Result<()> {
    let docs = program::root().join("docs");
    fs::create_dir_all(&docs)?;
    fs::write(docs.join("soak.md"), text)?;
    Ok(())
}
