//! What was removed, or would be.

use super::reason_word;
use crate::ui::figure::{bytes, counted};
use daemon::prune::{Kept, Report};
use model::retention::Reason;

/// A line a version, and what it comes to.
pub fn text(report: &Report) -> String {
    let mut lines: Vec<String> = vec![];
    let verb = if report.dry_run { "would remove" } else { "removed" };
    for removed in &report.removed {
        lines.push(format!("{verb} {:<20}  {}", removed.version, bytes(removed.bytes)));
    }
    lines.extend(report.kept.iter().map(|it| kept(it, report.keep)));
    let (count, freed) = (report.removed.len(), bytes(report.bytes_freed));
    lines.push(match (count, report.dry_run) {
        (0, _) => format!("{}: nothing to remove", report.environment),
        (count, true) => format!(
            "{}: {} would go, {freed} would be freed; nothing was done",
            report.environment,
            counted(count, "version")
        ),
        (count, false) => {
            format!("{}: {} gone, {freed} freed", report.environment, counted(count, "version"))
        }
    });
    lines.join("\n")
}

/// `kept 1.2.0  12.4 MB  previous, warm`.
pub fn kept(kept: &Kept, keep: usize) -> String {
    let words = |it: &Reason| match it {
        Reason::Recent => format!("{} {keep}", reason_word(*it)),
        other => reason_word(*other).to_owned(),
    };
    let reasons: Vec<String> = kept.reasons.iter().map(words).collect();
    format!("kept {:<20}  {:<10}  {}", kept.version, bytes(kept.bytes), reasons.join(", "))
}
