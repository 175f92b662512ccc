//! What is measured: kinds of requests, made by `wrk` or `h2load` on a core of their own.

use super::{
    contender::{Contender, HOST},
    cpu,
};
use anyhow::{Context, Result, bail, ensure};
use std::{fs, path::Path, process::Command};

/// Requests a second of [`Kind::Paced`], over all clients.
pub const PACED_PER_SECOND: u64 = 4096;
const CLIENTS: u64 = 64;
const POST_SCRIPT: &str = "wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", 1024)\n";

/// One kind of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As many as there can be, over connections that are kept.
    Kept { path: &'static str, clients: u64, secure: bool },
    /// POSTs of 1 KiB over connections that are kept.
    Posts,
    /// A connection each.
    New { secure: bool },
    /// HTTP/2 over TLS.
    Streams,
    /// At a fixed rate, so that what waits is counted.
    Paced,
}

/// A kind with its name.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    pub kind: Kind,
    /// The least ratio to nginx of requests per processor second, where there is a goal.
    pub goal: Option<f64>,
}

const fn kept(path: &'static str, clients: u64, secure: bool) -> Kind {
    Kind::Kept { path, clients, secure }
}

/// All of them.
pub const CASES: [Case; 9] = [
    Case { name: "1 KiB", kind: kept("/1k", CLIENTS, false), goal: Some(1.25) },
    Case { name: "POST 1 KiB", kind: Kind::Posts, goal: Some(1.3) },
    Case { name: "100 KiB", kind: kept("/100k", CLIENTS, false), goal: Some(1.05) },
    Case { name: "10 MiB", kind: kept("/10m", 4, false), goal: None },
    Case { name: "new connections", kind: Kind::New { secure: false }, goal: Some(1.05) },
    Case { name: "TLS, 1 KiB", kind: kept("/1k", CLIENTS, true), goal: None },
    Case { name: "TLS handshakes", kind: Kind::New { secure: true }, goal: None },
    Case { name: "HTTP/2, 1 KiB", kind: Kind::Streams, goal: None },
    Case { name: "4,096 a second", kind: Kind::Paced, goal: None },
];

/// What became of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    pub requests: u64,
    pub failed: u64,
    pub seconds: f64,
    /// Of the contender.
    pub cpu_ns: u64,
    /// Of a paced run, in microseconds.
    pub p50_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
}

impl Run {
    /// Requests per second of processor time.
    pub fn per_cpu_second(&self) -> f64 {
        self.requests as f64 * 1e9 / (self.cpu_ns.max(1) as f64)
    }

    /// Requests per second.
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds.max(f64::EPSILON)
    }
}

/// Makes the requests for so long, on these cores.
///
/// # Errors
/// If the load cannot be made, or nothing is answered.
pub fn measure(
    kind: Kind,
    contender: &dyn Contender,
    (seconds, cores): (u64, &str),
    folder: &Path,
) -> Result<Run> {
    let pids = contender.pids();
    let before = cpu::used_ns(&pids);
    let mut run = match kind {
        Kind::Streams | Kind::Paced => h2load(kind, contender, (seconds, cores), folder)?,
        _ => wrk(kind, contender, (seconds, cores), folder)?,
    };
    run.cpu_ns = cpu::used_ns(&pids).saturating_sub(before);
    ensure!(run.requests > 0, "{}: nothing was answered ({kind:?})", contender.name());
    ensure!(pids == contender.pids(), "{}: it has other processes now", contender.name());
    Ok(run)
}

fn wrk(
    kind: Kind,
    contender: &dyn Contender,
    (seconds, cores): (u64, &str),
    folder: &Path,
) -> Result<Run> {
    let (path, clients, secure) = match kind {
        Kind::Kept { path, clients, secure } => (path, clients, secure),
        Kind::New { secure } => ("/1k", CLIENTS, secure),
        _ => ("/", CLIENTS, false),
    };
    let url = url(contender, secure, path);
    let (clients, seconds) = (clients.to_string(), format!("{seconds}s"));
    let mut words = vec!["-t", "1", "-c", &clients, "-d", &seconds, "--timeout", "20s"];
    if matches!(kind, Kind::New { .. }) {
        words.extend(["-H", "Connection: close"]);
    }
    let script = folder.join("post.lua").display().to_string();
    if kind == Kind::Posts {
        fs::write(&script, POST_SCRIPT)?;
        words.extend(["-s", &script]);
    }
    words.push(&url);
    let text = load("wrk", cores, &words)?;
    let line = text.lines().find(|it| it.contains(" requests in "));
    let line = line.with_context(|| format!("`wrk` counts nothing:\n{text}"))?;
    let number = |word: Option<&str>| word.and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
    let errors = text.lines().find(|it| it.trim().starts_with("Socket errors:"));
    let numbers = errors.unwrap_or_default().split(|it: char| !it.is_ascii_digit());
    let refused = text.lines().find_map(|it| it.trim().strip_prefix("Non-2xx or 3xx responses:"));
    let took = line.split(" in ").nth(1).and_then(|it| it.split(',').next()).unwrap_or_default();
    Ok(Run {
        requests: number(line.split_whitespace().next()),
        failed: numbers.map(|it| number(Some(it))).sum::<u64>() + number(refused.map(str::trim)),
        seconds: took.trim_end_matches('s').parse().unwrap_or(0.0),
        ..Run::default()
    })
}

fn h2load(
    kind: Kind,
    contender: &dyn Contender,
    (seconds, cores): (u64, &str),
    folder: &Path,
) -> Result<Run> {
    let (seconds, log) = (seconds.to_string(), folder.join("requests.log"));
    // It appends.
    let _absent = fs::remove_file(&log);
    let log = log.display().to_string();
    let log_option = format!("--log-file={log}");
    let rate = format!("--rps={}", PACED_PER_SECOND / CLIENTS);
    let clients = CLIENTS.to_string();
    let paced = ["--h1", &rate, &log_option, "-c", &clients];
    let streams = ["-c", "16", "-m", "16"];
    let url = url(contender, kind == Kind::Streams, "/1k");
    let mut words = vec!["-t", "1", "-D", &seconds];
    words.extend(if kind == Kind::Paced { &paced[..] } else { &streams[..] });
    words.push(&url);
    let text = load("h2load", cores, &words)?;
    if kind == Kind::Streams {
        ensure!(text.contains("Application protocol: h2"), "no HTTP/2 is spoken:\n{text}");
    }
    let line = text.lines().find_map(|it| it.strip_prefix("requests: "));
    let line = line.with_context(|| format!("`h2load` counts nothing:\n{text}"))?;
    let before = |word: &str| {
        let part = line.split(", ").find_map(|it| it.strip_suffix(word));
        part.and_then(|it| it.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    let mut run = Run {
        requests: before("succeeded"),
        failed: before("failed") + before("errored") + before("timeout"),
        seconds: seconds.parse().unwrap_or(0.0),
        ..Run::default()
    };
    if kind == Kind::Paced {
        [run.p50_us, run.p99_us, run.p999_us] = quantiles(&fs::read_to_string(&log)?)?;
    }
    Ok(run)
}

/// Of the third column: what each request took, in microseconds.
fn quantiles(log: &str) -> Result<[u64; 3]> {
    let took = log.lines().filter_map(|it| it.split('\t').nth(2)?.trim().parse::<u64>().ok());
    let mut took: Vec<u64> = took.collect();
    took.sort_unstable();
    if took.is_empty() {
        bail!("`h2load` wrote no requests down");
    }
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    Ok([at(0.5), at(0.99), at(0.999)])
}

fn url(contender: &dyn Contender, secure: bool, path: &str) -> String {
    let (scheme, address) = match secure {
        true => ("https", contender.secure()),
        false => ("http", contender.clear()),
    };
    format!("{scheme}://{HOST}:{}{path}", address.port())
}

fn load(program: &str, cores: &str, words: &[&str]) -> Result<String> {
    let output = Command::new("taskset").args(["-c", cores, program]).args(words).output();
    let output = output.with_context(|| format!("`{program}` could not be started: install it"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{program}` ended with {}: {text}{said}", output.status);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_third_column() {
        let log: String = (1..=1000).map(|it| format!("{it}00\t200\t{it}\n")).collect();
        assert_eq!(quantiles(&log).unwrap(), [500, 990, 999]);
        assert!(quantiles("").is_err());
    }

    #[test]
    fn requests_are_set_against_time() {
        let run = Run { requests: 500, cpu_ns: 250_000_000, seconds: 2.0, ..Run::default() };
        assert_eq!((run.per_cpu_second(), run.per_second()), (2000.0, 250.0));
    }
}
