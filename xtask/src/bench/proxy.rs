//! The proxy beside nginx, HAProxy and Caddy: requests per second of processor time, latency at a
//! fixed rate, and memory, in one run, by turns, on the same cores, before the same application.

mod case;
mod contender;
mod cpu;
mod idle;
mod ours;
mod peers;
mod report;

use crate::{optimized, program, words::Words};
use anyhow::{Context, Result, ensure};
use case::{CASES, Case, Run};
use contender::{Contender, Ground};
use ours::Ours;
use std::{collections::BTreeMap, path::Path, process::Command};

const PAIRS: u64 = 7;
const SECONDS: u64 = 2;
/// The proxy alone has the first core; the load and the application share the second.
const PROXY_CORES: &str = "0";
const LOAD_CORES: &str = "1";
const ALL_CORES: &str = "0,1";
const NEEDED: [&str; 6] = ["nginx", "haproxy", "caddy", "wrk", "h2load", "openssl"];

/// By case and contender.
type Runs = BTreeMap<(usize, &'static str), Vec<Run>>;

/// Measures, prints, and writes the part on the proxy of `docs/benchmarks.md`.
pub fn run(words: &[&str]) -> Result<()> {
    let mut options = Words::new(words);
    let pairs = options.number("--pairs", PAIRS)?;
    let seconds = options.number("--seconds", SECONDS)?;
    let json = options.flag("--json");
    let only = options.word("--only")?;
    options.end()?;
    for name in NEEDED {
        let known = program::is_there(name) || Path::new("/usr/sbin").join(name).exists();
        ensure!(
            known,
            "`{name}` is missing: apt-get install nginx haproxy caddy wrk \
                        nghttp2-client openssl"
        );
    }
    optimized::become_it()?;
    let mut measured = report::Measured { pairs, seconds, ..report::Measured::default() };
    if let Some(name) = only {
        let case = CASES.iter().position(|it| it.name == name);
        let names = CASES.map(|it| it.name).join("`, `");
        let case = case.with_context(|| format!("--only {name}: the cases are `{names}`"))?;
        alone(&mut measured, &[case])?;
        return report::print(&measured, json);
    }
    alone(&mut measured, &(0..CASES.len()).collect::<Vec<_>>())?;
    if let Err(error) = idle(&mut measured) {
        // What the rest came to is not lost for it, and no row says anything of this.
        measured.idle_kib.clear();
        eprintln!("bench proxy: idle connections were not measured: {error:#}");
    }
    together(&mut measured)?;
    report::print(&measured, json)?;
    report::write(&measured, words)
}

/// One worker each on a core of its own: what the work costs.
fn alone(measured: &mut report::Measured, cases: &[usize]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (ours, peers) = install(folder.path(), 1, PROXY_CORES)?;
    pin(ours.application, LOAD_CORES)?;
    let all = contenders(&ours, &peers);
    for at in cases {
        let (case, loads) = ((*at, &CASES[*at]), (measured.seconds, LOAD_CORES));
        turns(case, &all, measured.pairs, loads, folder.path(), &mut measured.alone)?;
    }
    Ok(())
}

/// Of freshly started ones: what an allocator keeps of earlier work is not an idle connection's.
fn idle(measured: &mut report::Measured) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (ours, peers) = install(folder.path(), 1, PROXY_CORES)?;
    pin(ours.application, LOAD_CORES)?;
    for contender in contenders(&ours, &peers) {
        for secure in [false, true] {
            let kib = idle::kib_each(contender, secure)?;
            measured.idle_kib.insert((secure, contender.name()), kib);
        }
    }
    Ok(())
}

/// Two workers each, and everything on the same two cores: what is answered in a second.
fn together(measured: &mut report::Measured) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (ours, peers) = install(folder.path(), 2, ALL_CORES)?;
    let all = contenders(&ours, &peers);
    let loads = (measured.seconds, ALL_CORES);
    turns((0, &CASES[0]), &all, measured.pairs, loads, folder.path(), &mut measured.together)
}

fn install(folder: &Path, workers: usize, cores: &str) -> Result<(Ours, Vec<Box<dyn Contender>>)> {
    let (certificate, key) = Ground::certify(folder)?;
    let ours = Ours::install(&certificate, &key, cores)?;
    let pem = (certificate.as_path(), key.as_path());
    let ground = ours::ground(folder, &ours, pem, (workers, cores));
    let peers = vec![peers::nginx(&ground)?, peers::haproxy(&ground)?, peers::caddy(&ground)?];
    Ok((ours, peers))
}

fn contenders<'a>(ours: &'a Ours, peers: &'a [Box<dyn Contender>]) -> Vec<&'a dyn Contender> {
    let first: &dyn Contender = ours;
    [first].into_iter().chain(peers.iter().map(|it| &**it)).collect()
}

/// Each comes first in its turn, and each follows another.
fn turns(
    (at, case): (usize, &Case),
    contenders: &[&dyn Contender],
    pairs: u64,
    (seconds, cores): (u64, &str),
    folder: &Path,
    runs: &mut Runs,
) -> Result<()> {
    for pair in 0..pairs {
        for place in 0..contenders.len() {
            let contender = contenders[(place + pair as usize) % contenders.len()];
            let run = case::measure(case.kind, contender, (seconds, cores), folder)
                .with_context(|| format!("{}: {}", contender.name(), case.name))?;
            runs.entry((at, contender.name())).or_default().push(run);
        }
    }
    eprintln!("bench proxy: {} was measured", case.name);
    Ok(())
}

fn pin(pid: u32, cores: &str) -> Result<()> {
    let output = Command::new("taskset").args(["-a", "-c", "-p", cores, &pid.to_string()]).output();
    let output = output.context("`taskset` could not be started")?;
    ensure!(output.status.success(), "process {pid} cannot be held to core {cores}");
    Ok(())
}
