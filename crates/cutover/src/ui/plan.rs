//! What a deployment would do, before it does it.

use super::{
    figure::{bytes, counted},
    paint::Paint,
    releases::diff,
};
use crate::target::Target;
use daemon::{
    api::words::{FileChanges, PlanReport},
    logs::plain,
};
use model::{
    deployment::Overrides,
    describe,
    outlook::Ports,
    plan::{ReleaseLabel, WayBack},
};

/// Files of each kind that are named; `--json` names more.
const FILES_SHOWN: usize = 5;

/// What differs from what serves: first in a line, then files and each setting.
fn changes(report: &PlanReport, paint: &Paint) -> Vec<String> {
    let Some(changes) = &report.changes else { return vec![] };
    let content = match changes.same_content {
        Some(true) => "same content",
        Some(false) => "other content",
        None => "the first content",
    };
    let names = changes.configuration.variables_in_short();
    let variables = match (names.as_str(), changes.same_content) {
        ("", None) => "no variables".to_owned(),
        ("", _) => "same variables".to_owned(),
        (names, None) => format!("variables: {names}"),
        (names, _) => format!("other variables: {names}"),
    };
    let mut lines = vec![format!("  changes   {content}, {variables}")];
    lines.extend(changes.files.iter().flat_map(|it| files(it, paint)));
    let configuration = &changes.configuration;
    let services = [("+", &configuration.services_added), ("-", &configuration.services_removed)];
    let named = |(sign, all): (&str, &Vec<String>)| {
        all.iter().map(|it| format!("{sign}{it}")).collect::<Vec<_>>()
    };
    let services = services.into_iter().flat_map(named).collect::<Vec<_>>().join(" ");
    if !services.is_empty() {
        lines.push(format!("  services  {}", plain(&services)));
    }
    for (at, setting) in configuration.settings.iter().enumerate() {
        let lead = if at == 0 { "settings" } else { "" };
        lines.push(format!("  {lead:<9} {}", paint.dim(&plain(&diff::setting(setting)))));
    }
    lines
}

fn files(files: &FileChanges, paint: &Paint) -> Vec<String> {
    let all = [("added", '+', &files.added), ("changed", '~', &files.changed)];
    let all = all.into_iter().chain([("removed", '-', &files.removed)]);
    let all: Vec<_> = all.filter(|(_, _, it)| it.count > 0).collect();
    if all.is_empty() {
        return vec!["  files     the same".to_owned()];
    }
    let counts =
        all.iter().map(|(word, _, it)| format!("{} {word} ({})", it.count, bytes(it.bytes)));
    let mut lines = vec![format!("  files     {}", counts.collect::<Vec<_>>().join(", "))];
    for (_, sign, files) in all {
        let shown = files.names.iter().take(FILES_SHOWN);
        lines.extend(shown.map(|it| paint.dim(&format!("            {sign} {}", plain(it)))));
        if files.count > FILES_SHOWN {
            let more = files.count - files.names.len().min(FILES_SHOWN);
            lines.push(paint.dim(&format!("            {sign} and {more} more")));
        }
    }
    lines
}

/// Routes, instances, ports and room as they would be; only what changes is told.
fn outlook(report: &PlanReport) -> Vec<String> {
    let mut lines = vec![];
    let mut tell = |what: &str, text: String| lines.push(format!("  {what:<9} {}", plain(&text)));
    if let Some(outlook) = &report.outlook {
        let routes = &outlook.routes;
        let signed = [('+', &routes.added), ('~', &routes.changed), ('-', &routes.removed)];
        let signed =
            signed.into_iter().flat_map(|(sign, all)| all.iter().map(move |it| (sign, it)));
        let signed: Vec<String> = signed.map(|(sign, it)| format!("{sign} {it}")).collect();
        if signed.is_empty() {
            tell("routes", format!("the same {}", routes.same));
        }
        for (at, route) in signed.into_iter().enumerate() {
            tell(if at == 0 { "routes" } else { "" }, route);
        }
        if !outlook.instances.is_empty() {
            let counts = outlook.instances.iter();
            let counts = counts.map(|it| format!("{} {} → {}", it.service, it.from, it.to));
            tell("instances", counts.collect::<Vec<_>>().join(", "));
        }
        if let Some(text) = ports(&outlook.ports) {
            tell("ports", text);
        }
    }
    if let Some(disk) = &report.disk {
        let (needed, free) = (bytes(disk.needed_bytes), bytes(disk.free_bytes));
        tell(
            "disk",
            format!("{needed} for a moment, {free} free, {} asked", bytes(disk.asked_bytes)),
        );
    }
    lines
}

fn ports(ports: &Ports) -> Option<String> {
    let told = |ports: &[u16], what: &str| {
        let numbers: Vec<String> = ports.iter().map(u16::to_string).collect();
        (!ports.is_empty()).then(|| format!("{} {what}", numbers.join(", ")))
    };
    let all = [
        told(&ports.taken, "for the new"),
        told(&ports.kept, "kept warm"),
        told(&ports.freed, "freed"),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What nothing takes back, each by its step.
fn irreversible(report: &PlanReport) -> Vec<String> {
    let Some(outlook) = &report.outlook else { return vec![] };
    let lines = outlook.irreversible.iter().enumerate();
    let line = |(at, it): (usize, &String)| {
        format!("  {:<9} {}", if at == 0 { "for good" } else { "" }, plain(it))
    };
    if outlook.irreversible.is_empty() && report.plan.is_some() {
        return vec!["  for good  nothing: every step can be taken back".to_owned()];
    }
    lines.map(line).collect()
}

/// Summary, findings, steps, and what to type next; `kept` says that it is kept for later.
pub fn text(
    target: &Target,
    report: &PlanReport,
    overrides: &Overrides,
    kept: Option<String>,
    paint: &Paint,
) -> String {
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
        let stays = describe::stays(plan);
        if !stays.is_empty() {
            lines.push(format!("  services  {stays}"));
        }
        lines.push(format!("  downtime  {}", plain(&report.downtime)));
        lines.push(format!("  way back  {way_back}"));
        lines.extend(changes(report, paint));
        lines.extend(outlook(report));
        if !report.scaled.is_empty() {
            lines.push(format!("  scaled    {}", plain(&report.scaled.join("; "))));
        }
        let (before, after) = (plan.commit, plan.steps.len().saturating_sub(plan.commit));
        lines.extend(irreversible(report));
        lines.push(format!("  steps     {before} that can be undone, then {after} to clear up"));
    } else {
        lines.push(paint.bold(&format!("{}: no plan can be made", target.id)));
    }
    for left_out in overrides.left_out() {
        lines.push(paint.warning(&format!("  ! {left_out}")));
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
        0 => kept.unwrap_or_else(|| {
            format!("nothing was done · do it: cutover deploy {} …", target.typed)
        }),
        count => format!("nothing was done · {} in the way", counted(count, "finding")),
    });
    lines.join("\n")
}
