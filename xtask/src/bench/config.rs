//! A thousand projects: how long `check` takes, and how long the controller takes to start where it
//! knows as many environments, none of which runs.

mod known;

use crate::{document, machine, optimized, program, table::table, words::Words};
use anyhow::{Context, Result, bail, ensure};
use known::Known;
use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

const RUNS: u64 = 10;
const PROJECTS: usize = 1000;

const CHECK_GOAL_MS: f64 = 300.0;
const START_GOAL_MS: f64 = 1000.0;

/// One project with two environments, as somebody would write it.
const PROJECT: &str = "
  # Number @.
  shop-@:
    source: { directory: . }
    services:
      web:
        command: [node, server.js, --port, \"{port}\"]
        instances: 2
        routes: [/, /api]
        health: { path: /api/health, tries: 10 }
        smoke:
          - { get: /api/version, json: { version: \"{version}\" } }
        env: { LOG_LEVEL: info, NAME: \"shop @\" }
      worker:
        command: node worker.js --queue mail
    environments:
      staging: { domains: [staging.shop-@.example], env: { NODE_ENV: staging } }
      production:
        domains: [shop-@.example, www.shop-@.example]
        version: semver
        env: { NODE_ENV: production }
        services: { web: { instances: 4, health: { tries: 20 } } }
";

/// Measures, prints, and writes the part on configurations of `docs/benchmarks.md`.
pub fn run(words: &[&str]) -> Result<()> {
    let mut options = Words::new(words);
    let runs = options.number("--runs", RUNS)?;
    options.end()?;
    optimized::become_it()?;
    let own = env::current_exe()?;
    let cutover = own.parent().context("programs are in a profile")?.join("cutover");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("cutover.yml");
    let projects = (0..PROJECTS).map(|it| PROJECT.replace('@', &it.to_string()));
    let text: String = ["projects:\n".to_owned()].into_iter().chain(projects).collect();
    fs::write(&file, &text)?;
    let check = (0..runs).map(|_| check_ms(&cutover, &file)).collect::<Result<Vec<f64>>>()?;
    let known = Known::install(&cutover, folder.path(), PROJECTS)?;
    let start = (0..runs).map(|_| known.start_ms()).collect::<Result<Vec<f64>>>()?;
    let cases = [
        ("`check` of 1,000 projects with 2 environments each, ms", check, CHECK_GOAL_MS),
        ("start of the controller that knows 1,000 environments, ms", start, START_GOAL_MS),
    ];
    let mut missed = false;
    let rows: Vec<Vec<String>> = cases
        .into_iter()
        .map(|(case, mut all, goal)| {
            all.sort_by(f64::total_cmp);
            let (least, median, most) = (all[0], all[all.len() / 2], all[all.len() - 1]);
            missed |= median > goal;
            let verdict = if median > goal { "MISSED" } else { "met" };
            let figures = format!("{median:.0} ({least:.0}–{most:.0})");
            vec![case.to_owned(), figures, format!("≤ {goal}: {verdict}")]
        })
        .collect();
    let rows = table(&["median (least–most)", "cutover", "goal"], &rows);
    print!("{rows}");
    write(&rows, runs, text.len(), words)?;
    if missed {
        bail!("a goal was missed");
    }
    Ok(())
}

/// The whole command, as it is typed.
fn check_ms(cutover: &Path, file: &Path) -> Result<f64> {
    let began = Instant::now();
    let output = Command::new(cutover).arg("-f").arg(file).arg("check").output()?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let said = String::from_utf8_lossy(&output.stdout);
    // Figures are written with spaces between thousands.
    let count = said.rsplit("in order").next().unwrap_or_default();
    let digits: String = count.chars().filter(char::is_ascii_digit).collect();
    ensure!(digits == "2000", "check says: {said}");
    Ok(took)
}

fn write(rows: &str, runs: u64, bytes: usize, words: &[&str]) -> Result<()> {
    let mut text = format!(
        "## Configurations\n\nWritten by `cargo xtask bench config{}`: {runs} runs of each. The \
         configuration has {PROJECTS} projects with two services and two environments each, {} KiB \
         of YAML. `check` is the whole command. The controller's journal, release directories and \
         manifests are of {PROJECTS} environments that were deployed once and stopped; its start \
         is `cutover daemon start`, until it answers.\n\n",
        words.iter().map(|it| format!(" {it}")).collect::<String>(),
        bytes / 1024,
    );
    for line in machine::lines() {
        let _ = writeln!(text, "- {line}");
    }
    let _ = write!(text, "\n{rows}");
    let path: PathBuf = program::root().join("docs/benchmarks.md");
    document::write(&path, "Benchmarks", "config", &text)
}
