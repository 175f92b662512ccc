//! Who has an environment's lock, why, since when, whether he lives, and who waits.

use super::{
    figure::{Clock, ago, duration},
    history::{kind, stage},
    paint::Paint,
};
use crate::target::Target;
use daemon::{
    api::words::{EnvironmentReport, StatusReport},
    logs::plain,
};
use model::{
    control::{Mark, Waiter},
    deployment::DeploymentRecord,
    name::EnvironmentId,
};
use serde_json::{Value, json};

/// For people.
pub fn text(
    target: &Target,
    report: &StatusReport,
    environment: Option<&EnvironmentReport>,
    now_ms: u64,
    clock: &Clock,
    paint: &Paint,
) -> String {
    let mut lines = vec![];
    let active = environment.and_then(|it| it.active.as_ref());
    let marks = environment.map(|it| &it.marks);
    let kept = marks.and_then(|it| it.lock.as_ref());
    lines.push(match (active, kept) {
        (Some(record), _) => held(record, now_ms, clock, paint),
        (None, Some(_)) => format!("{}: kept by hand", paint.bold(&target.id.to_string())),
        (None, None) => format!("{}: nobody has the lock", paint.bold(&target.id.to_string())),
    });
    if active.is_some() {
        lines.push(format!("  {:<9} {}", "alive", alive(report)));
    }
    if let Some(mark) = kept {
        lines.push(format!("  {:<9} {}", "kept", paint.warning(&said(mark, now_ms, clock))));
    }
    if let Some(mark) = marks.and_then(|it| it.freeze.as_ref()) {
        lines.push(format!("  {:<9} {}", "frozen", paint.warning(&said(mark, now_ms, clock))));
    }
    for (at, waiter) in environment.iter().flat_map(|it| &it.queue).enumerate() {
        let title = if at == 0 { "waiting" } else { "" };
        lines.push(format!("  {title:<9} {}. {}", at + 1, waits(waiter, now_ms)));
    }
    let next = match (active, kept) {
        (Some(record), _) => Some(format!("cutover attach {0}, or cutover abort {0}", record.id)),
        (None, Some(_)) => Some(format!("cutover unlock {}", target.typed)),
        (None, None) => None,
    };
    lines.extend(next.map(|it| format!("  {:<9} {it}", "next")));
    lines.join("\n")
}

/// For programs.
pub fn object(
    id: &EnvironmentId,
    report: &StatusReport,
    environment: Option<&EnvironmentReport>,
) -> Value {
    let marks = environment.map(|it| it.marks.clone()).unwrap_or_default();
    json!({
        "environment": id,
        "holder": environment.and_then(|it| it.active.as_ref()).map(|it| json!({
            "deployment": it.id, "kind": it.kind, "by": it.by, "reason": it.reason,
            "since_ms": it.started_at_ms, "stage": it.stage, "alive": report.controller.is_some(),
        })),
        "kept": marks.lock,
        "frozen": marks.freeze,
        "queue": environment.map(|it| it.queue.clone()).unwrap_or_default(),
    })
}

/// `ann since 12:40:01 (3 minutes ago): stock-taking`.
pub fn said(mark: &Mark, now_ms: u64, clock: &Clock) -> String {
    let (since, ago) = (clock.date(mark.since_ms), ago(mark.since_ms, now_ms));
    plain(&format!("by {} since {since} ({ago}): {}", mark.by, mark.reason))
}

fn held(record: &DeploymentRecord, now_ms: u64, clock: &Clock, paint: &Paint) -> String {
    let version = record.to.as_ref().map(|it| format!(" to {}", it.version)).unwrap_or_default();
    let reason = record.reason.as_ref().map(|it| format!(": {}", plain(it))).unwrap_or_default();
    format!(
        "{}: {}{version} by {} since {} ({}), {}{reason}\n  {:<9} {}",
        paint.bold(&record.environment.to_string()),
        kind(record.kind),
        plain(&record.by),
        clock.second(record.started_at_ms),
        ago(record.started_at_ms, now_ms),
        stage(record.stage),
        "holder",
        record.id,
    )
}

fn alive(report: &StatusReport) -> String {
    match &report.controller {
        Some(info) => format!("yes: the controller works on it (pid {})", info.pid),
        None => "the controller is away: the next one goes on with it, or turns it back".to_owned(),
    }
}

/// `update to 1.3.0 by ann, 12s: fixes the cart`.
pub fn waits(waiter: &Waiter, now_ms: u64) -> String {
    let version = waiter.version.as_ref().map(|it| format!(" to {it}")).unwrap_or_default();
    let waited = duration(now_ms.saturating_sub(waiter.since_ms));
    let reason = waiter.reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
    plain(&format!("{}{version} by {}, {waited}{reason}", kind(waiter.kind), waiter.by))
}
