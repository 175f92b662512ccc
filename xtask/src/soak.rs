//! Many deployments under load, one after another, and what is left of them.
//!
//! One installation serves load of every kind while it is deployed again and again.  It ends by
//! itself, within a limit that follows from the numbers asked for, and every count that must be
//! nothing is compared with nothing.

mod balance;
mod disk;
mod processes;
mod report;

use crate::{optimized, words::Words};
use anyhow::{Context, Result, bail, ensure};
use balance::Balance;
use disk::Disk;
use processes::Roles;
use report::{Deployed, Findings};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use testkit::{
    app::App,
    load::{Load, Options, Summary},
    stand::{Layout, Ran, Stand, TARGET},
};

const DEPLOYMENTS: u64 = 100;
const REQUESTS: u64 = 100_000;
/// How long a drain may take; slow requests take less.
const DRAIN_S: f64 = 4.0;
const SLOW_MS: u64 = 3000;
const REQUESTS_PER_SECOND: f64 = 400.0;
/// One deployment: boot, bake, drain, and a busy machine.
const DEPLOYMENT_LIMIT: Duration = Duration::from_secs(40);
/// As slow as this a load is still believed to come to its end.
const REQUESTS_PER_SECOND_MIN: u64 = 50;
/// Streams are counted one by one up to the load's own limit: two or so a deployment.
const DEPLOYMENTS_MAX: u64 = 400;
/// Kept releases, as the configuration has it when it says nothing.
pub const KEPT_RELEASES: usize = 5;
/// A release of the heavier kind has this much more in it.
const BALLAST_FILES: usize = 200;
const BALLAST_BYTES: usize = 16 << 10;

/// Runs it, prints what came out, and writes `docs/soak.md`.
pub fn run(words: &[&str]) -> Result<()> {
    let mut options = Words::new(words);
    let deployments = options.number("--deployments", DEPLOYMENTS)?;
    let requests = options.number("--requests", REQUESTS)?;
    options.end()?;
    ensure!(deployments <= DEPLOYMENTS_MAX, "at most {DEPLOYMENTS_MAX} deployments");
    optimized::become_it()?;
    let stand = Stand::new(Layout {
        app: App::Rust,
        bake_s: 0.5,
        drain_s: DRAIN_S,
        keep_warm_s: 1.0,
        ..Layout::default()
    });
    let limit = limit(deployments, requests);
    println!("soak: in {}, ends within {} s", stand.root.display(), limit.as_secs());
    let findings = soak(&stand, deployments, requests, limit)?;
    let text = report::text(&findings, &format!("cargo xtask soak {}", words.join(" ")));
    print!("{text}");
    report::write(&text)?;
    match findings.breaches() {
        breaches if breaches.is_empty() => Ok(()),
        breaches => bail!("soak: {}", breaches.join("; ")),
    }
}

fn limit(deployments: u64, requests: u64) -> Duration {
    let deploying = DEPLOYMENT_LIMIT * u32::try_from(deployments).unwrap_or(u32::MAX);
    deploying.max(Duration::from_secs(requests / REQUESTS_PER_SECOND_MIN))
}

fn soak(stand: &Stand, deployments: u64, requests: u64, limit: Duration) -> Result<Findings> {
    let began = Instant::now();
    let mut balance = Balance::default();
    deploy(stand, 0, &mut balance)?;
    let roles = Roles::of(stand)?;
    let before = roles.settled();
    let load = stand.load_with(options);
    let mut disk = Disk::default();
    let (mut deployed, mut memory) = (vec![], vec![roles.memory()]);
    while (deployed.len() as u64) < deployments || load.progress().completed < requests {
        if began.elapsed() > limit {
            let (done, made) = (deployed.len(), load.progress().completed);
            bail!("soak: {done} deployments and {made} requests in {limit:?}: too slow");
        }
        let number = deployed.len() as u64 + 1;
        deployed.push(deploy(stand, number, &mut balance)?);
        disk.look(&stand.root)?;
        memory.push(roles.memory());
        tell(number, &load, &deployed);
    }
    let summary = load.stop()?;
    balance.settle(stand, &summary)?;
    let after = roles.settled_to(&before);
    memory.push(roles.memory());
    let unchanged = Roles::of(stand)?.pids() == roles.pids();
    let down = stand.down();
    ensure!(down.code == Some(0), "down ended with {:?}: {}", down.code, down.text());
    let left = processes::left(stand);
    Ok(Findings {
        took: began.elapsed(),
        limit,
        deployed,
        summary,
        balance,
        before,
        after,
        memory,
        unchanged,
        disk,
        left,
    })
}

fn options(options: &mut Options) {
    options.slow_clients = 4;
    options.slow_ms = SLOW_MS;
    options.connect_clients = 2;
    options.body_bytes_max = 64 << 10;
    options.rate = Some(REQUESTS_PER_SECOND);
}

/// Deploys the next version, whose content is light and heavy in turn.
fn deploy(stand: &Stand, number: u64, balance: &mut Balance) -> Result<Deployed> {
    let version = format!("1.0.{number}");
    let directory = stand.release(&version, "");
    if number.is_multiple_of(2) {
        ballast(&directory.join("assets"), number)?;
    }
    let from = directory.display().to_string();
    let began = Instant::now();
    let words = ["--json", "deploy", TARGET, &version, "--from", &from];
    let ran = stand.cutover_within(&words, DEPLOYMENT_LIMIT);
    let took = began.elapsed();
    expect_deployed(&ran, &version)?;
    // What was sent is not needed any more; what is kept is the product's business.
    fs::remove_dir_all(&directory)?;
    balance.look(stand)?;
    Ok(Deployed { took })
}

fn expect_deployed(ran: &Ran, version: &str) -> Result<()> {
    let code = ran.code;
    ensure!(code == Some(0), "deploying {version} ended with {code:?}: {}", ran.text());
    Ok(())
}

/// Files of which half are the same in every release, so that sharing them would show.
fn ballast(directory: &Path, number: u64) -> Result<()> {
    fs::create_dir_all(directory)?;
    for file in 0..BALLAST_FILES {
        let own = if file.is_multiple_of(2) { number } else { 0 };
        let line = format!("asset {file} of {own}\n");
        let text = line.repeat(BALLAST_BYTES / line.len());
        fs::write(directory.join(format!("asset-{file}")), text).context("an asset")?;
    }
    Ok(())
}

fn tell(number: u64, load: &Load, deployed: &[Deployed]) {
    if !number.is_multiple_of(10) {
        return;
    }
    let now = load.progress();
    let last = deployed.last().map_or(Duration::ZERO, |it| it.took);
    println!(
        "soak: {number} deployments, {} requests, {} failed, {} streams failed, last took {:.1} s",
        now.completed,
        now.failed,
        now.streams_failed,
        last.as_secs_f64()
    );
}

/// What the clients counted, for the report.
pub fn streams_counted(summary: &Summary) -> bool {
    summary.streams.len() < testkit::load::STREAMS_KEPT
}
