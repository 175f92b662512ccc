//! Changes of release behind nginx, in every way there is, under the same load in one run: what of
//! the load failed.

mod behind;
mod flips;
mod links;
mod ours;
mod reloads;

use crate::{document, machine, program, table::table, words::Words};
use anyhow::{Result, bail, ensure};
use std::{fmt::Write as _, net::SocketAddr, time::Duration};
use testkit::load::{Load, Options, Summary, binary};

const CHANGES: u64 = 50;
const REQUESTS: u64 = 50_000;
/// Over all clients: what a small machine does beside the changes.
const REQUESTS_PER_SECOND: u64 = 700;
/// Completed before the first change.
const REQUESTS_BEFORE: u64 = 100;
/// For the requests between two changes, on a machine that is busy with something else.
const REQUESTS_WITHIN: Duration = Duration::from_secs(120);
/// The first of the ways are ours.
const OURS: usize = 2;
/// Said at once, for each way.
const FAILURES_SHOWN: usize = 3;

/// One way of bringing another release behind nginx.
trait Way {
    /// In the report.
    fn name(&self) -> &'static str;
    /// nginx's.
    fn address(&self) -> SocketAddr;
    /// The host that is asked for.
    fn host(&self) -> &'static str {
        "localhost"
    }
    /// Brings another release; `number` from 1.
    fn change(&mut self, number: u64) -> Result<()>;
}

/// Makes it ready, with a release that answers.
type Install = fn() -> Result<Box<dyn Way>>;

/// What became of a load.
struct Counted {
    name: &'static str,
    changes: u64,
    summary: Summary,
}

/// Measures, prints, and writes the part on nginx of `docs/benchmarks.md`.
pub fn run(words: &[&str]) -> Result<()> {
    let mut options = Words::new(words);
    let changes = options.number("--deployments", CHANGES)?;
    let requests = options.number("--requests", REQUESTS)?;
    let rate = options.number("--rate", REQUESTS_PER_SECOND)?;
    options.end()?;
    // Failures are counted, not times: the build at hand will do.
    program::run("cargo", &["build", "-p", "cutover", "-p", "cutover-testkit", "--bins"])?;
    let mut counted = vec![];
    let ways: [Install; 6] = [
        ours::install,
        ours::install_straight,
        links::install,
        reloads::install,
        flips::install,
        flips::install_stopping,
    ];
    for install in ways {
        let mut way = install()?;
        counted.push(measure(&mut *way, changes, requests, rate)?);
    }
    let rows = rows(&counted);
    print!("{rows}");
    write(&rows, rate, &format!("cargo xtask bench nginx {}", words.join(" ")))?;
    match counted.iter().take(OURS).find(|it| it.summary.failed > 0) {
        Some(ours) => bail!("{} requests of ours failed: there must be none", ours.summary.failed),
        None => Ok(()),
    }
}

fn measure(way: &mut dyn Way, changes: u64, requests: u64, rate: u64) -> Result<Counted> {
    let options = Options {
        get_clients: 4,
        post_clients: 4,
        connect_clients: 2,
        rate: Some(rate as f64),
        body_bytes_max: 16 << 10,
        ..Options::idle(way.address(), way.host())
    };
    let load = Load::start(&binary(), &options)?;
    load.until_more(REQUESTS_BEFORE, REQUESTS_WITHIN);
    for number in 1..=changes {
        // As many requests lie between any two of them.
        let due = REQUESTS_BEFORE + (number - 1) * requests / changes;
        load.until("its next change", REQUESTS_WITHIN, |it| it.completed >= due);
        way.change(number)?;
    }
    load.until("all requests", REQUESTS_WITHIN, |it| it.completed >= requests);
    let summary = load.stop()?;
    let (name, seen) = (way.name(), summary.versions.len());
    ensure!(seen > 1, "{name}: nothing was changed: {seen} versions were seen");
    eprintln!("bench nginx: {name}: {} of {} failed", summary.failed, summary.requests);
    for it in summary.first_failures.iter().take(FAILURES_SHOWN) {
        let detail = it.detail.as_deref().and_then(|it| it.lines().next()).unwrap_or("no detail");
        eprintln!("bench nginx: {} {} {}: {detail}", it.client, it.method, it.path);
    }
    Ok(Counted { name, changes, summary })
}

fn rows(counted: &[Counted]) -> String {
    let row = |it: &Counted| {
        let summary = &it.summary;
        let ms = |us: u64| format!("{:.1}", us as f64 / 1000.0);
        vec![
            it.name.to_owned(),
            it.changes.to_string(),
            summary.requests.to_string(),
            summary.failed.to_string(),
            ms(summary.latency_us.p99),
            ms(summary.latency_us.max),
        ]
    };
    let rows: Vec<Vec<String>> = counted.iter().map(row).collect();
    table(&["way", "changes", "requests", "failed", "p99 ms", "longest ms"], &rows)
}

fn write(rows: &str, rate: u64, command: &str) -> Result<()> {
    let mut text = format!(
        "## Behind nginx\n\nWritten by `{}`: the Node example behind nginx, changed again and \
         again under {rate} requests a second (GET, POST, new connections), one way \
         after the other. cutover: a whole deployment each time, nginx leads to the proxy, or \
         straight to the instance's socket. Link: two copies listen at sockets, nginx leads to a \
         link that is renamed, nothing is ever \
         stopped. PM2: `pm2 reload` in cluster mode, nginx leads to its port. Reload: nginx's \
         upstream is written anew and `nginx -s reload` run, and nothing is ever stopped; or the \
         copy before is told to end once it has returned. What counts is what failed.\n\n",
        command.trim_end(),
    );
    for line in machine::lines() {
        let _ = writeln!(text, "- {line}");
    }
    let nginx = std::process::Command::new("nginx").arg("-v").output();
    let nginx = nginx.map(|it| String::from_utf8_lossy(&it.stderr).trim().to_owned());
    let _ = writeln!(text, "- versions: {}\n", nginx.unwrap_or_default());
    text += rows;
    document::write(&program::root().join("docs/benchmarks.md"), "Benchmarks", "nginx", &text)
}
