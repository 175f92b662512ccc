//! What a connection costs that waits for its next request.

use super::contender::{Contender, HOST};
use crate::memory;
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};
use testkit::{guard::Killed, time::within};

/// Opened at once.
const CONNECTIONS: u64 = 1000;
const OPENED_WITHIN: Duration = Duration::from_secs(30);
/// For the memory of what was in flight to be given back.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// KiB for each connection beyond what it has without any, after one request.
///
/// # Errors
/// If the connections are not there in time.
pub fn kib_each(contender: &dyn Contender, secure: bool) -> Result<f64> {
    let pids = contender.pids();
    let of_all = |what: fn(u32) -> u64| pids.iter().map(|it| what(*it)).sum::<u64>();
    let (memory_before, open_before) = (of_all(memory::pss_kib), of_all(descriptors));
    let (scheme, address) = match secure {
        true => ("https", contender.secure()),
        false => ("http", contender.clear()),
    };
    let url = format!("{scheme}://{HOST}:{}/1k", address.port());
    let mut command = Command::new("h2load");
    // One request of each, and then no other for as long as it is looked at.
    command.args(["--h1", "-t", "1", "-c", &CONNECTIONS.to_string(), "--rps=0.001", "-D", "60"]);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _clients = Killed::start(&mut command).context("`h2load` could not be started")?;
    let opened =
        within(OPENED_WITHIN, || (of_all(descriptors) >= open_before + CONNECTIONS).then_some(()));
    let name = contender.name();
    ensure!(opened.is_some(), "{name}: {CONNECTIONS} connections are not open in time");
    thread::sleep(SETTLED_AFTER);
    let more = of_all(memory::pss_kib).saturating_sub(memory_before);
    Ok(more as f64 / CONNECTIONS as f64)
}

fn descriptors(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |it| it.count() as u64)
}
