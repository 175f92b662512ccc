//! What a deployment would do, before it does it.

use super::{figure::counted, paint::Paint, releases::diff};
use crate::target::Target;
use daemon::{api::words::PlanReport, logs::plain};
use model::{
    deployment::Overrides,
    plan::{ReleaseLabel, WayBack},
};

/// What differs from what serves: first in a line, then each setting.
fn changes(report: &PlanReport, paint: &Paint) -> Vec<String> {
    let Some(changes) = &report.changes else { return vec![] };
    let content = match changes.same_content {
        Some(true) => "same content",
        Some(false) => "other content",
        None => "content not fetched yet",
    };
    let names = changes.configuration.variables_in_short();
    let variables = match names.as_str() {
        "" => "same variables".to_owned(),
        names => format!("other variables: {names}"),
    };
    let mut lines = vec![format!("  changes   {content}, {variables}")];
    for setting in &changes.configuration.settings {
        lines.push(paint.dim(&format!("            {}", plain(&diff::setting(setting)))));
    }
    lines
}

/// Summary, findings, steps, and what to type next.
pub fn text(target: &Target, report: &PlanReport, overrides: &Overrides, paint: &Paint) -> String {
    let mut lines = vec![];
    if let Some(plan) = &report.plan {
        let version = |it: &Option<ReleaseLabel>| {
            it.as_ref().map_or("nothing".to_owned(), |it| it.version.clone())
        };
        let head = format!("{}: {} → {}", target.id, version(&plan.from), version(&plan.to));
        lines.push(paint.bold(&head));
        let way_back = match plan.way_back() {
            WayBack::Warm => "warm: one rename, the old release goes on running",
            WayBack::Cold => "cold: the old release would have to start again",
        };
        lines.push(format!("  downtime  {}", plain(&report.downtime)));
        lines.push(format!("  way back  {way_back}"));
        lines.extend(changes(report, paint));
        if !report.scaled.is_empty() {
            lines.push(format!("  scaled    {}", plain(&report.scaled.join("; "))));
        }
        let (before, after) = (plan.commit, plan.steps.len().saturating_sub(plan.commit));
        lines.push(format!("  steps     {before} that can be undone, then {after} to clear up"));
    } else {
        lines.push(paint.bold(&format!("{}: no plan can be made", target.id)));
    }
    for finding in &report.findings {
        let gone_on = finding.overridable && overrides.force;
        let kind = match (gone_on, finding.overridable) {
            (true, _) => "gone on in spite of",
            (false, true) => "refused, --force goes on",
            (false, false) => "refused",
        };
        let text = format!("  ! {kind}: {}", plain(&finding.failure.message));
        lines.push(if gone_on { paint.warning(&text) } else { paint.bad(&text) });
        lines.extend(finding.failure.hints.iter().map(|it| format!("      {}", plain(it))));
    }
    let commit = report.plan.as_ref().map(|it| it.commit);
    for (at, sentence) in report.sentences.iter().enumerate() {
        if Some(at) == commit {
            lines.push(paint.dim("      — from here on it only goes forward —"));
        }
        lines.push(format!("  {:>3}. {}", at + 1, plain(sentence)));
    }
    let refused = report.findings.iter().filter(|it| !(it.overridable && overrides.force)).count();
    lines.push(match refused {
        0 => format!("nothing was done · do it: cutover deploy {} …", target.typed),
        count => format!("nothing was done · {} in the way", counted(count, "finding")),
    });
    lines.join("\n")
}
