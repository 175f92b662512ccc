//! Staging of a release of many files beside `cp -a` of the same directory, in turn.

use crate::{document, machine, optimized, program, table::table, words::Words};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    time::{Instant, SystemTime},
};
use testkit::{
    app::App,
    stand::{Layout, Stand, TARGET},
};

const RUNS: u64 = 9;
/// What a middling application with its dependencies has.
const FILES: usize = 8_925;
const FILES_PER_DIRECTORY: usize = 15;
/// No more than so many times `cp -a`, which keeps nothing safe from a loss of power.
const GOAL: f64 = 1.5;

#[derive(Default)]
struct Figures {
    /// From the command's start until the content is in its place, on the disk.
    ours_ms: Vec<f64>,
    /// Of that, the last step, which waits for the disk.
    stage_ms: Vec<f64>,
    copy_ms: Vec<f64>,
    /// `cp -a`, and then what waits for the disk.
    durable_ms: Vec<f64>,
}

/// Measures, prints, and writes the part on staging of `docs/benchmarks.md`.
pub fn run(words: &[&str]) -> Result<()> {
    let mut options = Words::new(words);
    let runs = options.number("--runs", RUNS)?;
    let as_json = options.flag("--json");
    options.end()?;
    optimized::become_it()?;
    let layout = Layout { app: App::Rust, instances: 1, bake_s: 0.0, ..Layout::default() };
    let stand = Stand::new(layout);
    let mut figures = Figures::default();
    for run in 0..=runs {
        // The first warms caches up, and is not counted.
        measure(&stand, run, &mut figures)?;
    }
    report(&figures, as_json)
}

fn measure(stand: &Stand, run: u64, figures: &mut Figures) -> Result<()> {
    let version = format!("1.{run}.0");
    let source = stand.release(&version, "");
    let bytes = fill(&source)?;
    let copy = stand.folder.path().join(format!("copy {run}"));
    // Who comes second finds more in the caches: each does so in every other run.
    let copied_first = if run.is_multiple_of(2) { Some(copied(&source, &copy)?) } else { None };
    settle(&source)?;
    let (ours_ms, stage_ms) = deployed(stand, &source, &version)?;
    let (copy_ms, durable_ms) = match copied_first {
        Some(copied) => copied,
        None => copied(&source, &copy)?,
    };
    let installed = stand.root.join("projects").join(TARGET).join("releases").join(&version);
    ensure!(installed.join("modules/0/0.js").exists(), "the release is not in its place");
    if run > 0 {
        figures.ours_ms.push(ours_ms);
        figures.stage_ms.push(stage_ms);
        figures.copy_ms.push(copy_ms);
        figures.durable_ms.push(durable_ms);
        eprintln!("bench staging: run {run}: {bytes} bytes, {ours_ms:.0} ms, cp {copy_ms:.0} ms");
    }
    // Nothing is removed before the end: ext4 looks past every inode that was freed a moment ago,
    // and who makes files then pays for what somebody else removed.
    Ok(())
}

/// As many files as are wanted, of sizes as modules have them; gives their bytes.
fn fill(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for at in 0..FILES {
        let folder = directory.join("modules").join((at / FILES_PER_DIRECTORY).to_string());
        if at % FILES_PER_DIRECTORY == 0 {
            fs::create_dir_all(&folder)?;
        }
        // Most are small, some are not.
        let length = match at % 40 {
            0 => 96 << 10,
            1..=5 => 12 << 10,
            _ => 700 + at % 2_300,
        };
        let line = format!("module.exports[{at}] = {};\n", at * 7_919);
        let text: String = line.chars().cycle().take(length).collect();
        fs::write(folder.join(format!("{}.js", at % FILES_PER_DIRECTORY)), &text)?;
        bytes += length as u64;
    }
    Ok(bytes)
}

/// Waits for what was written before, so that nobody waits for another's.
fn settle(directory: &Path) -> Result<()> {
    let output = Command::new("sync").arg("-f").arg(directory).status()?;
    ensure!(output.success(), "`sync` failed");
    Ok(())
}

fn copied(source: &Path, copy: &Path) -> Result<(f64, f64)> {
    settle(source)?;
    let began = Instant::now();
    let status = Command::new("cp").arg("-a").arg(source).arg(copy).status()?;
    let copy_ms = began.elapsed().as_secs_f64() * 1000.0;
    ensure!(status.success(), "`cp` failed");
    settle(copy)?;
    File::open(copy.parent().unwrap_or(copy))?.sync_all()?;
    let durable_ms = began.elapsed().as_secs_f64() * 1000.0;
    Ok((copy_ms, durable_ms))
}

/// Until the content is in its place, and the last step of that.
fn deployed(stand: &Stand, source: &Path, version: &str) -> Result<(f64, f64)> {
    let from = source.display().to_string();
    let words = ["--json", "deploy", TARGET, version, "--from", &from, "--skip-smoke"];
    let began_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64() * 1000.0;
    let ran = stand.cutover(&words);
    ensure!(ran.code == Some(0), "the deployment failed: {}", ran.text());
    let lines: Vec<Value> = ran.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let accepted_ms = lines.iter().find(|it| it["event"] == "accepted");
    let accepted_ms = accepted_ms.and_then(|it| it["at_ms"].as_f64()).context("not accepted")?;
    let ran = stand.cutover(&["--json", "show", TARGET]);
    let shown: Value = serde_json::from_str(&ran.out).context("`show` prints no JSON")?;
    let steps = shown["steps"].as_array().context("`show` tells no steps")?;
    let stage = steps.iter().find(|it| it["word"] == "stage").context("nothing was staged")?;
    let times = stage["started_at_ms"].as_f64().zip(stage["ended_at_ms"].as_f64());
    let stage_ms = times.map(|(from, to)| to - from).context("its time is not told")?;
    Ok((accepted_ms - began_ms + stage_ms, stage_ms))
}

fn median(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(figures: &Figures, as_json: bool) -> Result<()> {
    let [ours, stage, copy, durable] =
        [&figures.ours_ms, &figures.stage_ms, &figures.copy_ms, &figures.durable_ms]
            .map(|it| median(it));
    let ratio = ours / copy;
    let is_met = ratio <= GOAL;
    let rows = [
        ("cutover: command to content in its place, on the disk", ours),
        ("of that, the step `stage`", stage),
        ("`cp -a`, not yet on the disk", copy),
        ("`cp -a`, then `sync -f`", durable),
    ]
    .map(|(what, ms)| vec![what.to_owned(), format!("{ms:.0}"), format!("{:.2}", ms / copy)]);
    let table = table(&["median", "ms", "/ cp -a"], &rows);
    let verdict = if is_met { "met" } else { "MISSED" };
    let goal = format!("goal: ≤ {GOAL} × `cp -a`: {verdict} ({ratio:.2})");
    if as_json {
        println!(
            "{}",
            json!({ "ours_ms": ours, "stage_ms": stage, "copy_ms": copy,
            "durable_ms": durable, "ratio": ratio, "goal": GOAL, "met": is_met })
        );
    } else {
        print!("{table}\n{goal}\n");
    }
    let machine: String = machine::lines().iter().map(|it| format!("- {it}\n")).collect();
    let runs = figures.ours_ms.len();
    let text = format!(
        "## Staging\n\nWritten by `cargo xtask bench staging`: {runs} runs in turn of a release of \
         {FILES} files from a directory, by the whole program: handed over to the controller, \
         looked through, read, hashed, written, made durable, renamed. Beside it `cp -a` of the \
         same directory onto the same file system.\n\n{machine}\n{table}\n{goal}"
    );
    document::write(&program::root().join("docs/benchmarks.md"), "Benchmarks", "staging", &text)?;
    if is_met { Ok(()) } else { bail!("goal missed: {ratio:.2} × `cp -a`") }
}
