//! What was found when an environment was asked for its health.

use super::paint::Paint;
use daemon::{
    api::words::{CheckResult, HealthReport, HealthState},
    logs::plain,
};

/// Lines of evidence of one failure.
const EVIDENCE_LINES_MAX: usize = 12;

/// A line a question; what failed is explained.
pub fn text(report: &HealthReport, paint: &Paint) -> String {
    let head = match report.status {
        HealthState::Healthy => paint.good("healthy"),
        HealthState::Unhealthy => paint.bad("unhealthy"),
    };
    let mut lines = vec![format!("{}  {head}", report.environment)];
    for (name, word) in &report.checks {
        let mark = if word == "pass" { paint.good("✓") } else { paint.bad("✗") };
        lines.push(format!("  {mark} {}", plain(&crate::story::short(name))));
        let failed = report.failures.iter().find(|it| it.name == *name);
        lines.extend(failed.map(why).unwrap_or_default());
    }
    let metrics = &report.metrics;
    let shown = |number: Option<f64>, unit: &str| match number {
        Some(number) => format!("{number:.1} {unit}"),
        None => "unknown".to_owned(),
    };
    lines.push(format!(
        "  response {}, memory {}, processor {}",
        shown(metrics.response_time, "ms"),
        shown(metrics.memory_usage, "%"),
        shown(metrics.cpu_usage, "%"),
    ));
    lines.join("\n")
}

fn why(failed: &CheckResult) -> Vec<String> {
    let Some(failure) = &failed.failure else { return vec![] };
    let mut lines = vec![format!("      failed to {}", plain(&failure.message))];
    let evidence = failure.evidence.iter().flat_map(|it| it.lines());
    lines.extend(evidence.take(EVIDENCE_LINES_MAX).map(|it| format!("      | {}", plain(it))));
    lines.extend(failure.hints.iter().map(|it| format!("      → {}", plain(it))));
    lines
}
