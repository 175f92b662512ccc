//! Who asked for what, as lines, and whether they are as they were written.

use super::{figure::Clock, history::stage, paint::Paint};
use daemon::logs::plain;
use drivers::audit::{Audit, Entry, Happened};
use model::deployment::Stage;
use std::fmt::Write as _;

/// Characters of a seal that name it well enough.
const SEAL_CHARACTERS: usize = 12;

/// One line each, oldest first.
pub fn text(entries: &[&(u64, Entry, String)], clock: &Clock, paint: &Paint) -> String {
    if entries.is_empty() {
        return "nothing was asked yet".to_owned();
    }
    let lines: Vec<String> = entries.iter().map(|it| line(it, clock, paint)).collect();
    lines.join("\n")
}

/// `14  2026-11-21 12:41:07  shop/production  asked: deploy 1.3.0 by ann (uid 1000): the cart`
fn line((number, entry, _): &(u64, Entry, String), clock: &Clock, paint: &Paint) -> String {
    let environment = entry.environment.as_ref().map(ToString::to_string).unwrap_or_default();
    let happened = match &entry.happened {
        Happened::Asked { what, .. } => format!("asked: {}", plain(what)),
        Happened::Refused { what, why } => {
            paint.bad(&format!("refused: {}: {}", plain(what), plain(why)))
        }
        Happened::Ended { outcome } if outcome.exit_code() == 0 => {
            paint.good(stage(Stage::Ended(*outcome)))
        }
        Happened::Ended { outcome } => paint.bad(stage(Stage::Ended(*outcome))),
    };
    let mut line = format!("{number:>4}  {}  {environment}", clock.date(entry.at_ms));
    if let Some(deployment) = &entry.deployment {
        let _ = write!(line, "  {}", paint.dim(&deployment.0));
    }
    let _ = write!(line, "  {happened}");
    match (&entry.by, entry.uid) {
        (Some(by), Some(uid)) => drop(write!(line, " by {} (uid {uid})", plain(by))),
        (None, Some(uid)) => drop(write!(line, " by uid {uid}")),
        _ => (),
    }
    if let Happened::Asked { reason: Some(reason), .. } = &entry.happened {
        let _ = write!(line, ": {}", plain(reason));
    }
    line
}

/// Whether it is as it was written, and the seal to note.
pub fn verdict(audit: &Audit, holds: Option<&str>, paint: &Paint) -> String {
    let mut lines = vec![];
    match (audit.entries.first(), audit.entries.last()) {
        (Some((first, ..)), Some((last, _, seal))) => {
            let gone = if *first > 1 { ", older ones were moved out by age" } else { "" };
            lines.push(format!("entries {first}–{last}{gone}"));
            lines.push(format!("last seal: {}", &seal[..seal.len().min(SEAL_CHARACTERS)]));
        }
        _ => lines.push("nothing was asked yet".to_owned()),
    }
    if let Some(seal) = holds {
        lines.push(match audit.holds(seal) {
            true => paint.good(&format!("✓ the line with the seal {} is there", plain(seal))),
            false => paint.bad(&format!("✗ no line has the seal {}", plain(seal))),
        });
    }
    match audit.broken.is_empty() {
        true => lines.push(paint.good("✓ as it was written")),
        false => {
            lines.extend(audit.broken.iter().map(|it| paint.bad(&format!("✗ {it}"))));
        }
    }
    lines.join("\n")
}
