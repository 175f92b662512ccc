//! What came out, as ratios, lines of JSON, and a part of a document.

use super::{
    INSTANCES, REQUESTS_PER_SECOND,
    figures::{Figures, Spread, spread},
};
use crate::{document, machine, program, table::table};
use anyhow::Result;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The proxy's way to a new release may cost this much beyond the application's own start.
const START_GOAL_MS: f64 = 100.0;
const ROLLBACK_GOAL_MS: f64 = 100.0;
const KIB_PER_MB: f64 = 1024.0;

/// One thing that was measured.
pub struct Case {
    /// Its name.
    pub case: &'static str,
    ours: Option<Spread>,
    peer: Option<Spread>,
    unit: &'static str,
    /// No more than this.
    goal: Option<f64>,
    /// Another measurement than the commit's own goals: what it means.
    note: &'static str,
}

impl Case {
    fn new(case: &'static str, unit: &'static str, ours: &[f64], peer: &[f64]) -> Self {
        Self { case, ours: spread(ours), peer: spread(peer), unit, goal: None, note: "" }
    }

    fn goal(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }

    fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// Whether the median is beyond the goal.
    pub fn missed(&self) -> bool {
        self.goal.zip(self.ours).is_some_and(|(goal, ours)| ours.median > goal)
    }

    /// How many times the peer's is ours.
    fn ratio(&self) -> Option<f64> {
        let (ours, peer) = self.ours.zip(self.peer)?;
        (ours.median > 0.0).then_some(peer.median / ours.median)
    }

    /// One line for programs.
    pub fn json(&self) -> String {
        let median = |it: Option<Spread>| it.map(|it| it.median);
        let range = |it: Option<Spread>| it.map_or(Value::Null, |it| json!([it.min, it.max]));
        json!({
            "case": self.case, "ours": median(self.ours), "peer": median(self.peer),
            "ratio": self.ratio(), "unit": self.unit, "goal": self.goal,
            "ours_range": range(self.ours), "peer_range": range(self.peer),
        })
        .to_string()
    }

    fn row(&self) -> Vec<String> {
        let side = |it: Option<Spread>| it.map_or("–".to_owned(), words);
        let ratio = self.ratio().map_or("–".to_owned(), |it| format!("{it:.1}"));
        let goal = self.goal.map_or("–".to_owned(), |goal| {
            format!("≤ {goal}: {}", if self.missed() { "MISSED" } else { "met" })
        });
        let case = format!("{}, {}", self.case, self.unit);
        vec![case, side(self.ours), side(self.peer), ratio, goal]
    }
}

fn words(it: Spread) -> String {
    if (it.min, it.max) == (it.median, it.median) {
        return format!("{:.1}", it.median);
    }
    format!("{:.1} ({:.1}–{:.1})", it.median, it.min, it.max)
}

/// All that was measured, ours beside theirs.
pub fn cases(figures: &Figures) -> Vec<Case> {
    let alone = spread(&figures.alone_ms).map_or(0.0, |it| it.median);
    let beyond = |all: &[f64]| all.iter().map(|it| it - alone).collect::<Vec<f64>>();
    let (ours, peer) = (&figures.ours, &figures.peer);
    let mb = |kib: u64| [kib as f64 / KIB_PER_MB];
    vec![
        Case::new("application alone: start to first answer", "ms", &figures.alone_ms, &[]),
        Case::new(
            "start of the new instance to the first request routed to it, beyond that",
            "ms",
            &beyond(&figures.start_to_routed_ms),
            &[],
        )
        .goal(START_GOAL_MS),
        Case::new(
            "command to the first answer of the new version",
            "ms",
            &ours.first_answer_ms,
            &peer.first_answer_ms,
        ),
        Case::new("whole command", "ms", &ours.command_ms, &peer.command_ms)
            .note("both wait for what is in flight, and requests that take 500 ms are"),
        Case::new("staging of new content", "ms", &figures.stage_ms, &[]),
        Case::new(
            "warm rollback: command to the last request routed to the bad version",
            "ms",
            &figures.rollback_routed_ms,
            &[],
        )
        .goal(ROLLBACK_GOAL_MS),
        Case::new(
            "rollback: command to the last request that the bad version answered",
            "ms",
            &ours.rollback_ms,
            &peer.rollback_ms,
        ),
        Case::new("longest answer during a change", "ms", &ours.worst_ms, &peer.worst_ms),
        Case::new(
            "failed requests, of all",
            "requests",
            &[ours.failed as f64],
            &[peer.failed as f64],
        )
        .goal(0.0),
        Case::new(
            "memory of the daemon, idle (PSS)",
            "MB",
            &mb(figures.daemon_kib),
            &mb(figures.pm2_kib),
        )
        .goal(30.0),
        Case::new("memory of the proxy, idle (PSS)", "MB", &mb(figures.proxy_kib), &[]).goal(10.0),
        Case::new("memory of one supervise, idle (PSS)", "MB", &mb(figures.supervise_kib), &[])
            .goal(3.0),
    ]
}

/// For a screen.
pub fn screen(cases: &[Case]) -> String {
    let mut text = rows(cases);
    for case in cases {
        let (Some(ratio), Some(ours), Some(peer)) = (case.ratio(), case.ours, case.peer) else {
            continue;
        };
        let (ours, peer, unit) = (ours.median, peer.median, case.unit);
        let _ = writeln!(text, "{}: {peer:.1} / {ours:.1} {unit} = {ratio:.1}", case.case);
    }
    text
}

fn rows(cases: &[Case]) -> String {
    let rows: Vec<Vec<String>> = cases.iter().map(Case::row).collect();
    table(&["median (least–most)", "cutover", "PM2", "PM2 / cutover", "goal"], &rows)
}

/// Writes the part on deployments.
///
/// # Errors
/// If the document cannot be written.
pub fn write(cases: &[Case], figures: &Figures, command: &str) -> Result<()> {
    let mut text = format!(
        "## Deployments\n\nWritten by `{}`: {} runs in turn, ours and PM2's, of the Node example \
         with {INSTANCES} instance each, under {REQUESTS_PER_SECOND} requests a second (GET, POST, \
         new connections, requests that take 500 ms). Content is in its place before the command \
         starts. Ours bakes for 0 s and runs no smoke test. PM2 runs in cluster mode, knows the \
         application's signal, and waits for its slowest request.\n\n",
        command.trim_end(),
        figures.alone_ms.len(),
    );
    for line in machine::lines() {
        let _ = writeln!(text, "- {line}");
    }
    let (node, pm2) = (&figures.node_version, &figures.pm2_version);
    let _ = writeln!(text, "- versions: Node {node}, PM2 {pm2}");
    for side in [&figures.ours, &figures.peer] {
        let _ = writeln!(
            text,
            "- {}: {} requests in {} changes, in {} of which the busy machine made less than 200 a \
             second",
            side.name, side.requests, side.changes, side.unsteady
        );
    }
    text.push('\n');
    text += &rows(cases);
    for case in cases.iter().filter(|it| !it.note.is_empty()) {
        let _ = write!(text, "\n{}: {}.\n", case.case, case.note);
    }
    document::write(&program::root().join("docs/benchmarks.md"), "Benchmarks", "deploy", &text)
}
