//! Ratios of medians, as a table and as JSON lines.

use super::{
    Runs,
    case::{CASES, Run},
};
use crate::{document, machine, program, table::table};
use anyhow::Result;
use serde_json::json;
use std::{collections::BTreeMap, fmt::Write as _};

const OURS: &str = "cutover";
const PEERS: [&str; 3] = ["nginx", "HAProxy", "Caddy"];
/// Against nginx, of requests a second with two workers.
const TOGETHER_GOAL: f64 = 1.4;
/// KiB for each idle connection, clear and with TLS.
const IDLE_GOALS_KIB: [f64; 2] = [1.0, 10.0];
/// The case of a fixed rate, whose latency counts.
const PACED: usize = CASES.len() - 1;

/// All that was measured.
#[derive(Default)]
pub struct Measured {
    pub pairs: u64,
    pub seconds: u64,
    pub alone: Runs,
    pub together: Runs,
    /// By whether TLS is spoken, and contender.
    pub idle_kib: BTreeMap<(bool, &'static str), f64>,
}

/// A row: ours, what the peers have of ours as a ratio, and whether the goal is met.
struct Row {
    case: String,
    ours: f64,
    unit: &'static str,
    /// Above 1: ours is better.
    ratios: Vec<f64>,
    goal: Option<(f64, bool)>,
    failed: u64,
}

fn rows(measured: &Measured) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..PACED)
        .map(|at| {
            let goal = CASES[at].goal;
            more(&measured.alone, at, CASES[at].name, Run::per_cpu_second, ("per CPU s", goal))
        })
        .collect();
    let name = "1 KiB, two workers, all on two cores";
    let goal = Some(TOGETHER_GOAL);
    rows.push(more(&measured.together, 0, name, Run::per_second, ("per s", goal)));
    let case = |word: &str| format!("{}: {word}", CASES[PACED].name);
    rows.push(less(measured, case("p50"), |it| it.p50_us as f64, false));
    rows.push(less(measured, case("p99"), |it| it.p99_us as f64, true));
    rows.push(less(measured, case("p99.9"), |it| it.p999_us as f64, false));
    // With `--only` most was not measured, and nothing is said of it.
    rows.retain(|it| it.ours > 0.0);
    for secure in
        [false, true].into_iter().filter(|it| measured.idle_kib.contains_key(&(*it, OURS)))
    {
        let word = if secure { "with TLS" } else { "clear" };
        let of = |name: &'static str| measured.idle_kib.get(&(secure, name)).copied();
        let ours = of(OURS).unwrap_or(0.0);
        let goal = IDLE_GOALS_KIB[usize::from(secure)];
        rows.push(Row {
            case: format!("an idle connection, {word}"),
            ours,
            unit: "KiB",
            ratios: PEERS.iter().map(|it| of(it).unwrap_or(0.0) / ours.max(0.01)).collect(),
            goal: Some((goal, ours <= goal)),
            failed: 0,
        });
    }
    rows
}

/// Of figures of which more is better: ours over theirs.
fn more(
    runs: &Runs,
    at: usize,
    case: &str,
    figure: fn(&Run) -> f64,
    (unit, goal): (&'static str, Option<f64>),
) -> Row {
    let all = |name: &'static str| runs.get(&(at, name)).map_or(&[][..], Vec::as_slice);
    let ratios: Vec<f64> = PEERS
        .iter()
        .map(|it| paired(all(OURS), all(it), |ours, theirs| figure(ours) / figure(theirs)))
        .collect();
    Row {
        case: case.to_owned(),
        ours: median(all(OURS).iter().map(figure).collect()),
        unit,
        goal: goal.map(|it| (it, ratios[0] >= it)),
        ratios,
        failed: all(OURS).iter().map(|it| it.failed).sum(),
    }
}

/// Of figures of which less is better: theirs over ours.
fn less(measured: &Measured, case: String, figure: fn(&Run) -> f64, is_goal: bool) -> Row {
    let all =
        |name: &'static str| measured.alone.get(&(PACED, name)).map_or(&[][..], Vec::as_slice);
    let ratios: Vec<f64> = PEERS
        .iter()
        .map(|it| paired(all(OURS), all(it), |ours, theirs| figure(theirs) / figure(ours).max(1.0)))
        .collect();
    Row {
        case,
        ours: median(all(OURS).iter().map(figure).collect()),
        unit: "µs",
        goal: is_goal.then_some((1.0, ratios[0] >= 1.0)),
        ratios,
        failed: all(OURS).iter().map(|it| it.failed).sum(),
    }
}

/// The median of the ratios of runs that followed each other.
fn paired(ours: &[Run], theirs: &[Run], ratio: impl Fn(&Run, &Run) -> f64) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| ratio(ours, theirs)).collect())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

/// A table, or a JSON object a line.
pub fn print(measured: &Measured, as_json: bool) -> Result<()> {
    if !as_json {
        print!("{}", text(measured));
        return Ok(());
    }
    for row in rows(measured) {
        for (peer, ratio) in PEERS.iter().zip(&row.ratios) {
            let line = json!({
                "case": row.case, "peer": peer, "ratio": ratio, "ours": row.ours,
                "unit": row.unit, "failed": row.failed, "pairs": measured.pairs,
                "goal": row.goal.filter(|_| *peer == PEERS[0]).map(|it| it.0),
            });
            println!("{line}");
        }
    }
    Ok(())
}

fn text(measured: &Measured) -> String {
    let figure = |it: f64| match it {
        it if it >= 1000.0 => format!("{it:.0}"),
        it if it >= 10.0 => format!("{it:.1}"),
        it => format!("{it:.2}"),
    };
    let cells = |row: &Row| {
        let goal = row.goal.map(|(goal, is_met)| {
            let word = if is_met { "met" } else { "missed" };
            match row.unit {
                "KiB" => format!("≤ {goal} KiB: {word}"),
                _ => format!("≥ {goal}: {word}"),
            }
        });
        let ours = format!("{} {}", figure(row.ours), row.unit);
        let ratios = row.ratios.iter().map(|it| format!("{it:.2}"));
        let tail = [goal.unwrap_or_else(|| "–".to_owned()), row.failed.to_string()];
        [row.case.clone(), ours].into_iter().chain(ratios).chain(tail).collect::<Vec<_>>()
    };
    let all: Vec<Vec<String>> = rows(measured).iter().map(cells).collect();
    let header =
        ["case", "cutover", "/ nginx", "/ HAProxy", "/ Caddy", "goal against nginx", "failed"];
    table(&header, &all)
}

/// The part of the document.
pub fn write(measured: &Measured, words: &[&str]) -> Result<()> {
    let mut text = format!(
        "## The proxy\n\nWritten by `{}`: {} runs of {} s each, by turns, before the same \
         application. One worker each, on a core of its own; the load and the application have \
         the other one. A ratio is the median of those of runs that followed each other, and \
         above 1 ours is better: it answers more requests per second of processor time (as the \
         scheduler counts it), or takes less time, or less memory. Ours counts requests and their \
         latency by release and instance all the while. Logs are off for all.\n\n",
        format!("cargo xtask bench proxy {}", words.join(" ")).trim_end(),
        measured.pairs,
        measured.seconds,
    );
    for line in machine::lines() {
        let _ = writeln!(text, "- {line}");
    }
    let _ = writeln!(
        text,
        "- versions: nginx {}, HAProxy {}, Caddy {}\n",
        package("nginx"),
        package("haproxy"),
        package("caddy"),
    );
    text += &self::text(measured);
    document::write(&program::root().join("docs/benchmarks.md"), "Benchmarks", "proxy", &text)
}

/// Debian's version of it.
fn package(name: &str) -> String {
    machine::first_line("dpkg-query", &["--show", "--showformat=${Version}\\n", name])
}
