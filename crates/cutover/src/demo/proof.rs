//! Both sides' counts, side by side: what the clients saw, and what the proxy says it did.

use super::{load::Summary, say, stage::Stage};
use anyhow::{Context, Result, bail};
use proxy::control::{Answer, Ask, EnvironmentStatus, ReleaseCounters};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// For the proxy to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// For what is in flight to be counted.
const SETTLE_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The environment's route file.
const ENVIRONMENT: &str = "demo.shop";

/// Prints the counts; fails where a request failed, or the two sides disagree.
pub fn compare(stage: &Stage, summary: &Summary) -> Result<()> {
    let proxy = proxy_counts(stage)?;
    say("\n   version   counted by the clients   counted by the proxy");
    let mut disagree = vec![];
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        let client = client_count(summary, version);
        let proxy = proxy.get(version).copied().unwrap_or(0);
        say(&format!("   {version:<9} {client:>22}   {proxy:>20}"));
        if client != proxy {
            disagree.push(version);
        }
    }
    say(&format!(
        "\n   {} requests and {} streams, {} failed; p99 {:.1} ms, longest gap {:.0} ms",
        summary.requests,
        summary.streams.len(),
        summary.failed + summary.streams_failed,
        Duration::from_micros(summary.latency_us.p99).as_secs_f64() * 1000.0,
        summary.longest_gap_ms,
    ));
    let posts = &summary.posts;
    say(&format!(
        "   {} POSTs acknowledged, {} lost, {} doubled",
        posts.acknowledged, posts.lost, posts.doubled
    ));
    if !disagree.is_empty() {
        bail!("clients and proxy disagree about {}", disagree.join(", "));
    }
    if !summary.ok {
        bail!("not every request came through");
    }
    Ok(())
}

/// Requests and streams that the version answered.
fn client_count(summary: &Summary, version: &str) -> u64 {
    let requests = summary.versions.get(version).map_or(0, |it| it.requests);
    let streams = summary.streams.iter().filter(|it| it.version.as_deref() == Some(version));
    requests + streams.count() as u64
}

fn proxy_counts(stage: &Stage) -> Result<BTreeMap<String, u64>> {
    let releases = settled(stage)?;
    let journal = store::read_only(&stage.root).context("the journal cannot be read")?;
    let id = "demo/shop".parse().context("the demo's name is a name")?;
    let standings = journal.standings(&id).map_err(|it| anyhow::anyhow!(it.message))?;
    let mut counts = BTreeMap::new();
    for (release, version, _) in standings {
        if let Some(counters) = releases.get(&release.0) {
            *counts.entry(version).or_insert(0) += counters.completed + counters.aborted;
        }
    }
    Ok(counts)
}

/// The counters once nothing is in flight: a client has its last byte before the proxy counts it.
fn settled(stage: &Stage) -> Result<BTreeMap<String, ReleaseCounters>> {
    let began = Instant::now();
    while !environment(stage)?.in_flight.is_empty() {
        if began.elapsed() > SETTLE_WAIT {
            bail!("requests are in flight {SETTLE_WAIT:?} after the last client had its answer");
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(environment(stage)?.releases)
}

fn environment(stage: &Stage) -> Result<EnvironmentStatus> {
    let mut status = match proxy::client::ask(&stage.root, &Ask::Status, ANSWER_TIMEOUT) {
        Ok(Answer::Status(status)) => status,
        Ok(other) => bail!("the proxy answered {other:?}"),
        Err(error) => bail!("the proxy did not answer: {error}"),
    };
    status.environments.remove(ENVIRONMENT).context("the proxy serves no demo")
}
