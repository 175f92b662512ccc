//! One deployment, whole.

use super::{
    failure::evidence,
    figure::{Clock, duration},
    history::{kind, stage, versions},
    paint::Paint,
    verdict::traffic,
};
use crate::story::short;
use daemon::logs::plain;
use model::{
    checklist::{Answer, Point, checklist},
    deployment::{DeploymentRecord, Stage, StepRecord},
    journal::Status,
};

/// Head, steps with durations, failure, overrides, traffic.
pub fn text(record: &DeploymentRecord, clock: &Clock, paint: &Paint) -> String {
    let mut lines = vec![
        paint.bold(&format!("deployment {} of {}", record.id, record.environment)),
        format!("  {:<9} {}, {}", "what", kind(record.kind), versions(record)),
        format!("  {:<9} {}", "stage", painted_stage(record, paint)),
    ];
    let reason = record.reason.as_ref().map(|it| format!(": {}", plain(it))).unwrap_or_default();
    lines.push(format!("  {:<9} {}{reason}", "by", plain(&record.by)));
    let until = match record.ended_at_ms {
        Some(end) => {
            let took = duration(end.saturating_sub(record.started_at_ms));
            format!(", ended {} after {took}", clock.second(end))
        }
        None => ", not ended".to_owned(),
    };
    lines.push(format!("  {:<9} {}{until}", "began", clock.date(record.started_at_ms)));
    if record.traffic.is_some() {
        lines.push(format!("  {:<9} {}", "traffic", traffic(record.traffic.as_ref())));
    }
    let overrides = overrides(record);
    if !overrides.is_empty() {
        lines.push(format!("  {:<9} {}", "overrode", paint.warning(&overrides.join(", "))));
    }
    if !record.steps.is_empty() {
        lines.push("  steps".to_owned());
    }
    lines.extend(record.steps.iter().map(|it| step(it, paint)));
    lines.extend(points(record, clock, paint));
    if let Some(failure) = &record.failure {
        lines.push(format!("  {} failed to {}", paint.bad("✗"), plain(&failure.message)));
        lines.extend(evidence(failure).iter().map(|it| format!("    | {it}")));
        lines.extend(failure.hints.iter().map(|it| format!("    {}", plain(it))));
    }
    if record.stage == Stage::Ended(model::journal::Outcome::NeedsAttention) {
        lines.push(format!("  next: cutover resume {0}, or cutover abort {0}", record.id));
    }
    lines.join("\n")
}

/// The checklist: what is yes, what is no, and what nobody asked.
fn points(record: &DeploymentRecord, clock: &Clock, paint: &Paint) -> Vec<String> {
    if !matches!(record.stage, Stage::Ended(_)) || record.steps.is_empty() {
        return vec![];
    }
    let line = |it: &Point| {
        let (mark, word) = match it.answer {
            Answer::Yes => (paint.good("✓"), "yes"),
            Answer::No => (paint.bad("✗"), "no"),
            Answer::NotAsked => (paint.dim("–"), "not asked"),
        };
        let at = it.at_ms.filter(|_| it.answer != Answer::NotAsked);
        let at = at.map(|it| format!(" · {}", clock.second(it))).unwrap_or_default();
        format!("    {mark} {:<36} {word:<9}  {}{at}", it.point, plain(&it.evidence))
    };
    let points = checklist(record);
    if points.is_empty() {
        return vec![];
    }
    [vec!["  checklist".to_owned()], points.iter().map(line).collect()].concat()
}

fn painted_stage(record: &DeploymentRecord, paint: &Paint) -> String {
    let text = stage(record.stage);
    match record.stage {
        Stage::Ended(outcome) if outcome.exit_code() == 0 => paint.good(text),
        Stage::Ended(_) => paint.bad(text),
        Stage::Planning | Stage::Running => paint.warning(text),
    }
}

fn overrides(record: &DeploymentRecord) -> Vec<String> {
    let flags = [
        (record.overrides.force, "--force"),
        (record.overrides.skip_health_check, "--skip-health-check"),
        (record.overrides.skip_smoke, "--skip-smoke"),
        (record.overrides.skip_backup, "--skip-backup"),
        (record.overrides.skip_migrate, "--skip-migrate"),
        (record.overrides.accept_schema, "--accept-schema"),
        (record.overrides.break_lock, "--break-lock"),
        (record.overrides.freeze.is_some(), "--override-freeze"),
        (record.overrides.window.is_some(), "--override-window"),
    ];
    let given = flags.iter().filter(|it| it.0).map(|it| it.1.to_owned());
    let findings = record.overridden.iter().map(|it| plain(&it.failure.message));
    given.chain(findings).collect()
}

fn step(step: &StepRecord, paint: &Paint) -> String {
    let (mark, word) = match step.status {
        Status::Pending => (paint.dim("·"), "not begun"),
        Status::Running { .. } => (paint.warning("…"), "running"),
        Status::Done => (paint.good("✓"), "done"),
        Status::Failed => (paint.bad("✗"), "failed"),
        Status::Undoing => (paint.warning("↩"), "being undone"),
        Status::Undone => ("↩".to_owned(), "undone"),
        Status::Stuck => (paint.bad("!"), "stuck"),
    };
    let took = match (step.started_at_ms, step.ended_at_ms) {
        (Some(began), Some(end)) => duration(end.saturating_sub(began)),
        _ => String::new(),
    };
    let name = format!("{} {}", step.word, short(&step.subject));
    let word = match &step.failure {
        Some(it) if step.status == Status::Failed => format!("failed to {}", plain(&it.message)),
        Some(it) => format!("{word}, since it failed to {}", plain(&it.message)),
        None => match &step.verdict {
            Some(verdict) => format!("{word}: {}", plain(verdict)),
            None => word.to_owned(),
        },
    };
    format!("    {mark} {:<32} {took:>7}  {word}", name.trim_end())
}
