//! Deployments of one Node application: ours beside PM2's reload, in turn, under the same load.

mod alone;
mod figures;
mod ours;
pub(super) mod pm2;
mod report;
mod segment;

use crate::{optimized, words::Words};
use alone::start_alone_ms;
use anyhow::{Result, bail};
use figures::Figures;
use ours::Ours;
use pm2::Pm2;
use testkit::app::App;

const RUNS: u64 = 20;
/// Which application both deploy.
const APP: App = App::Node;
/// Copies of it, on both sides.
const INSTANCES: u16 = 1;
/// Requests a second while either deploys.
const REQUESTS_PER_SECOND: f64 = 300.0;

/// Measures, prints, and writes the part on deployments of `docs/benchmarks.md`.
pub fn run(words: &[&str]) -> Result<()> {
    let mut options = Words::new(words);
    let runs = options.number("--runs", RUNS)?;
    let json = options.flag("--json");
    options.end()?;
    optimized::become_it()?;
    let mut figures = Figures::default();
    (figures.ours.name, figures.peer.name) = ("ours", "PM2");
    measure(runs, &mut figures)?;
    let cases = report::cases(&figures);
    if json {
        for case in &cases {
            println!("{}", case.json());
        }
    } else {
        print!("{}", report::screen(&cases));
    }
    report::write(&cases, &figures, &format!("cargo xtask bench deploy {}", words.join(" ")))?;
    let missed: Vec<&str> = cases.iter().filter(|it| it.missed()).map(|it| it.case).collect();
    if missed.is_empty() {
        return Ok(());
    }
    bail!("goals missed: {}", missed.join(", "))
}

fn measure(runs: u64, figures: &mut Figures) -> Result<()> {
    let mut ours = Ours::install()?;
    let mut pm2 = Pm2::install()?;
    figures.pm2_version = pm2.version();
    figures.node_version = crate::machine::first_line("node", &["--version"]);
    for run in 1..=runs {
        figures.alone_ms.push(start_alone_ms(&format!("0.0.{run}"))?);
        ours.measure(run, figures)?;
        pm2.measure(run, figures)?;
        eprintln!("bench deploy: run {run} of {runs}");
    }
    ours.measure_memory(figures);
    pm2.measure_memory(figures);
    Ok(())
}
