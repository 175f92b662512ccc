//! Deployments, and what could be gone back to, as lists.

use super::{
    figure::{Clock, duration},
    paint::Paint,
};
use crate::target::Target;
use daemon::logs::plain;
use model::{
    deployment::{DeploymentRecord, Stage},
    describe,
    journal::Outcome,
    plan::Kind,
};

/// Characters of a reason in a list.
const REASON_CHARACTERS_MAX: usize = 60;

/// One line each, newest first.
pub fn text(records: &[DeploymentRecord], target: &Target, clock: &Clock, paint: &Paint) -> String {
    if records.is_empty() {
        return format!("{}: nothing was deployed yet", target.id);
    }
    let lines: Vec<String> = records.iter().map(|it| line(it, clock, paint)).collect();
    lines.join("\n")
}

/// `2026-11-21 12:41:07  update    1.2.0 → 1.3.0  deployed in 4.2s by ann: fixes the cart`.
pub fn line(record: &DeploymentRecord, clock: &Clock, paint: &Paint) -> String {
    let took = record.ended_at_ms.map(|it| it.saturating_sub(record.started_at_ms));
    let took = took.map(|it| format!(" in {}", duration(it))).unwrap_or_default();
    let stage = format!("{}{took}", stage(record.stage));
    let stage = match record.stage {
        Stage::Ended(outcome) if outcome.exit_code() == 0 => paint.good(&stage),
        Stage::Ended(_) => paint.bad(&stage),
        Stage::Planning | Stage::Running => paint.warning(&stage),
    };
    let reason = record.reason.as_ref().map(|it| {
        let short: String = plain(it).chars().take(REASON_CHARACTERS_MAX).collect();
        format!(": {short}")
    });
    format!(
        "{}  {}  {:<8}  {}  {stage} by {}{}",
        clock.date(record.started_at_ms),
        paint.dim(&record.id.0),
        kind(record.kind),
        versions(record),
        plain(&record.by),
        reason.unwrap_or_default()
    )
}

/// `1.2.0 → 1.3.0`, and what stayed as it was; a dash for one that was refused before it was known
/// from what to what.
pub fn versions(record: &DeploymentRecord) -> String {
    let stays = record.plan.as_ref().map(describe::stays).filter(|it| !it.is_empty());
    let stays = stays.map(|it| format!(" ({it})")).unwrap_or_default();
    let versions = match (&record.from, &record.to) {
        (None, None) => "–".to_owned(),
        (Some(from), Some(to)) if from == to => to.version.clone(),
        (from, to) => {
            let version = |it: &Option<model::plan::ReleaseLabel>| {
                it.as_ref().map_or("nothing".to_owned(), |it| it.version.clone())
            };
            format!("{} → {}", version(from), version(to))
        }
    };
    format!("{versions}{stays}")
}

/// Why an environment was changed, in a word.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Initial => "initial",
        Kind::Update => "update",
        Kind::Rollback => "rollback",
        Kind::Restart => "restart",
        Kind::Scale => "scale",
        Kind::Stop => "stop",
        Kind::Start => "start",
    }
}

/// Where a deployment stands, in words.
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Planning => "being planned",
        Stage::Running => "running",
        Stage::Ended(Outcome::Deployed) => "done",
        Stage::Ended(Outcome::DeployedUntidy) => "done, with leftovers",
        Stage::Ended(Outcome::Refused) => "refused, nothing touched",
        Stage::Ended(Outcome::Aborted) => "aborted before the switch",
        Stage::Ended(Outcome::RolledBack) => "rolled back",
        Stage::Ended(Outcome::NeedsAttention) => "needs attention",
    }
}

/// Versions that could be gone back to, best first.
pub fn options(options: &[(String, bool)], target: &Target) -> String {
    if options.is_empty() {
        return format!("{}: there is nothing to go back to", target.id);
    }
    let typed = &target.typed;
    let lines: Vec<String> = options
        .iter()
        .enumerate()
        .map(|(at, (version, warm))| {
            let kept = if *warm { "warm" } else { "kept" };
            let command = match at {
                0 => format!("cutover rollback {typed}"),
                _ => format!("cutover rollback {typed} --to {version}"),
            };
            format!("{version:<20}  {kept}  {command}")
        })
        .collect();
    lines.join("\n")
}
