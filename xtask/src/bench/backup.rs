//! A large database, backed up before a deployment and by hand, looked at, and brought back.

use crate::{document, machine, optimized, program, table::table, words::Words};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{fs, time::Instant};
use testkit::{backup_trial::Trial, stand::TARGET};

/// Of text in the table.
const MEGABYTES: u64 = 1_000;
/// Neither the controller nor the command may ever have more.
const GOAL_KIB: u64 = 64 << 10;

struct Line {
    what: &'static str,
    seconds: f64,
    peak_kib: u64,
}

/// Measures, prints, and writes the part on backups of `docs/benchmarks.md`.
pub fn run(words: &[&str]) -> Result<()> {
    let mut options = Words::new(words);
    let megabytes = options.number("--megabytes", MEGABYTES)?;
    options.end()?;
    optimized::become_it()?;
    let trial = Trial::new(megabytes * 1_000_000);
    let (rows, table_bytes) = (trial.rows(), trial.table_bytes());
    eprintln!("bench backup: a table of {} MB", table_bytes / 1_000_000);
    let mut lines = vec![deployed(&trial)?];
    for (what, words) in [
        ("`backup create`", &["backup", "create", TARGET][..]),
        ("`backup verify`", &["backup", "verify", TARGET]),
        ("`backup drill`", &["backup", "drill", TARGET]),
    ] {
        lines.push(timed(&trial, what, words)?);
    }
    let name = trial.newest();
    let packed = fs::metadata(trial.part(&name))?.len();
    trial.sql("DELETE FROM orders WHERE id % 3 = 0");
    ensure!(trial.rows() != rows, "nothing was deleted");
    let words = ["backup", "restore", TARGET, &name, "--yes", "--only", "db"];
    lines.push(timed(&trial, "`backup restore`, which backs up what it replaces", &words)?);
    ensure!(trial.rows() == rows, "other rows came back");
    let refused = trial.refuses_damage(&name);
    let told = |it: &&String| it.contains("not what it was");
    ensure!(refused.iter().all(|it| told(&it)), "damage is not told of: {refused:?}");
    let refused = refused.len();
    let key = trial.refuses_key(&name);
    ensure!(key.contains("decrypt"), "the wrong key is not told of: {key}");
    let contents = trial.opened_by_stock_tools(&name);
    ensure!(contents.iter().any(|it| it.contains("TABLE DATA public orders")), "{contents:?}");
    let proven = format!(
        "The same rows came back, by a checksum over all of them. A flipped bit and a cut end were \
         refused by `verify` and `restore` ({refused} times), and another key by `drill`, with \
         nothing touched. `age -d`, `zstd -d` and `pg_restore --list` read it without us."
    );
    report(&lines, (table_bytes, packed), &proven)
}

/// The backup that the controller makes before a deployment.
fn deployed(trial: &Trial) -> Result<Line> {
    let directory = trial.stand.release("1.0.0", "").display().to_string();
    let began = Instant::now();
    let ran = trial.watched(&["deploy", TARGET, "1.0.0", "--from", &directory]).ran;
    ensure!(ran.code == Some(0), "the deployment failed: {}", ran.text());
    eprintln!("bench backup: deployed in {:.1} s", began.elapsed().as_secs_f64());
    let shown: Value = serde_json::from_str(&trial.stand.cutover(&["--json", "show", TARGET]).out)
        .context("`show` prints no JSON")?;
    let steps = shown["steps"].as_array().context("`show` tells no steps")?;
    let step = steps.iter().find(|it| it["word"] == "backup").context("nothing was backed up")?;
    let times = step["started_at_ms"].as_f64().zip(step["ended_at_ms"].as_f64());
    let seconds = times.map(|it| (it.1 - it.0) / 1000.0).context("its time is not told")?;
    let what = "the step `backup` of a deployment, by the controller";
    Ok(Line { what, seconds, peak_kib: trial.controller_peak_kib() })
}

fn timed(trial: &Trial, what: &'static str, words: &[&str]) -> Result<Line> {
    let watched = trial.watched(words);
    ensure!(watched.ran.code == Some(0), "{what} failed: {}", watched.ran.text());
    let seconds = watched.ran.took.as_secs_f64();
    eprintln!("bench backup: {what}: {seconds:.1} s, at most {} KiB", watched.peak_kib);
    Ok(Line { what, seconds, peak_kib: watched.peak_kib })
}

fn report(lines: &[Line], (plain, packed): (u64, u64), proven: &str) -> Result<()> {
    let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|it| vec![it.what.to_owned(), format!("{:.1}", it.seconds), mib(it.peak_kib)])
        .collect();
    let table = table(&["", "s", "peak of memory, MiB"], &rows);
    let most = lines.iter().map(|it| it.peak_kib).max().unwrap_or(0);
    let is_met = most <= GOAL_KIB;
    let verdict = if is_met { "met" } else { "MISSED" };
    let goal = format!("goal: never more than {} MiB: {verdict} ({})", GOAL_KIB >> 10, mib(most));
    print!("{table}\n{goal}\n");
    let machine: String = machine::lines().iter().map(|it| format!("- {it}\n")).collect();
    let (plain, packed) = (plain / 1_000_000, packed / 1_000_000);
    let text = format!(
        "## Backups\n\nWritten by `cargo xtask bench backup`: a PostgreSQL table of {plain} MB, \
         which compressed and encrypted is {packed} MB. The memory is the most that the process \
         itself had at once (`VmHWM`), without the database's own programs. {proven}\n\n\
         {machine}\n{table}\n{goal}"
    );
    document::write(&program::root().join("docs/benchmarks.md"), "Benchmarks", "backup", &text)?;
    if is_met { Ok(()) } else { bail!("goal missed: {} MiB", mib(most)) }
}
