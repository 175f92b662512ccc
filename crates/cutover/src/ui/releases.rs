//! Releases as a table.

pub mod diff;
pub mod prune;
pub mod show;
pub mod verify;

use super::figure::{Clock, bytes, number};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use daemon::{logs::plain, report::releases::ReleaseReport};
use model::{release::Standing, retention::Reason};

/// Characters of a commit in a table.
const COMMIT_CHARACTERS: usize = 8;
/// The columns of figures.
const FIGURES: std::ops::Range<usize> = 3..5;

/// A row a release.
pub fn table(reports: &[ReleaseReport], clock: &Clock) -> String {
    if reports.is_empty() {
        return "no releases".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "ENVIRONMENT",
        "VERSION",
        "COMMIT",
        "BYTES",
        "FILES",
        "STAGED",
        "BY",
        "STANDING",
        "KEPT",
        "ID",
    ]);
    for report in reports {
        let commit = report.commit.as_deref().unwrap_or("-");
        table.add_row([
            report.environment.to_string(),
            report.version.clone(),
            commit.chars().take(COMMIT_CHARACTERS).collect(),
            bytes(report.bytes),
            number(report.files),
            clock.date(report.created_at_ms),
            plain(report.by.as_deref().unwrap_or("-")),
            standing(report).to_owned(),
            kept(report, clock),
            report.id.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(FIGURES.start).take(FIGURES.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// How it stands, in a word.
pub fn standing(report: &ReleaseReport) -> &'static str {
    match report.standing {
        _ if report.serving => "serving",
        Standing::Staged => "staged",
        Standing::Accepted => "accepted",
        Standing::Refused => "refused",
    }
}

/// Why its version is kept: `current`, `previous, warm until 12:41`, `one of the last 5`.
pub fn kept(report: &ReleaseReport, clock: &Clock) -> String {
    let words = |reason: &Reason| match reason {
        Reason::Warm => match report.warm_until_ms {
            Some(until_ms) => format!("warm until {}", clock.minute(until_ms)),
            None => "warm".to_owned(),
        },
        Reason::Recent => format!("one of the last {}", report.keep),
        other => reason_word(*other).to_owned(),
    };
    // That it runs says nothing more where it serves or is warm.
    let told = |it: &&Reason| **it != Reason::Running || report.kept.len() == 1;
    let kept: Vec<String> = report.kept.iter().filter(told).map(words).collect();
    if kept.is_empty() { "removed next".to_owned() } else { kept.join(", ") }
}

/// A reason in a word or two.
pub fn reason_word(reason: Reason) -> &'static str {
    match reason {
        Reason::Current => "current",
        Reason::Previous => "previous",
        Reason::Warm => "warm",
        Reason::Active => "in a deployment",
        Reason::Running => "still runs",
        Reason::Prepared => "prepared",
        Reason::Recent => "one of the last",
    }
}
