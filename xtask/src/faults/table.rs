//! The matrix in words.

use super::kept::{Kept, Ran};
use std::fmt::Write;
use testkit::faults::{OPEN, ROWS, Row};

const HEAD: &str = "\
# Faults

Written by `cargo xtask faults --all`: real processes, real load, every fault made from outside.
After each run: no request failed beyond those in flight in the process that was killed, no POST was
lost or doubled, nothing was left but what serves or is kept warm, `status` says what answers, and
the exit code is the journal's outcome.  CI runs every row that is here in a bounded size.

";

/// The whole document; a row that was never run in its full size is listed as open.
pub fn document(kept: &Kept) -> String {
    let ran: Vec<&Row> = ROWS.iter().filter(|it| kept.rows.contains_key(&it.number)).collect();
    let mut text = HEAD.to_owned() + &table(&ran, kept);
    text += "\n## Measured\n\n";
    for (row, ran) in pairs(&ran, kept).filter(|it| !it.1.notes.is_empty()) {
        let _ = writeln!(text, "- {}: {}", row.numbers(), cell(&ran.notes));
    }
    text += &super::sweep::section(kept);
    text += "\n## Open\n\n| row | fault | why it does not run here |\n|---|---|---|\n";
    for open in OPEN {
        let _ = writeln!(text, "| {} | {} | {} |", open.number, open.title, open.reason);
    }
    for row in ROWS.iter().filter(|it| !kept.rows.contains_key(&it.number)) {
        let why = "it runs, and was not run in its full size yet";
        let _ = writeln!(text, "| {} | {} | {why} |", row.numbers(), row.title);
    }
    text
}

pub fn table(rows: &[&Row], kept: &Kept) -> String {
    let mut text = String::from(
        "| row | fault, and what must come of it | runs | killed at | seed | seconds | result |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (row, ran) in pairs(rows, kept) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.0} | {} |",
            row.numbers(),
            row.title,
            ran.runs,
            ran.kill_points,
            ran.seed,
            ran.seconds,
            cell(&ran.result),
        );
    }
    text
}

fn pairs<'a>(rows: &[&'a Row], kept: &'a Kept) -> impl Iterator<Item = (&'a Row, &'a Ran)> {
    rows.iter().filter_map(|row| Some((*row, kept.rows.get(&row.number)?)))
}

/// One line of bounded length.
fn cell(text: &str) -> String {
    const CHARACTERS_MAX: usize = 200;
    let line = text.replace(['\n', '|'], " ");
    line.chars().take(CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `FAULTS=write` writes it anew, after a title or a reason was changed.
    #[test]
    fn the_document_is_made_of_what_is_kept() {
        let path = crate::program::root().join("docs/faults.md");
        let made = document(&Kept::read());
        if std::env::var("FAULTS").is_ok_and(|it| it == "write") {
            std::fs::write(&path, &made).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap() == made,
            "docs/faults.md is of another time: run this test with FAULTS=write"
        );
    }

    #[test]
    fn every_row_stands_once_run_or_open() {
        let ran = Ran {
            ok: false,
            result: "1 failed: a|b\nc".to_owned(),
            runs: 3,
            kill_points: 2,
            seed: 7,
            seconds: 4.4,
            notes: "seen".to_owned(),
        };
        let text = document(&Kept { rows: [(2, ran)].into(), ..Kept::default() });
        let row = "| 2–15 | daemon killed before and after each commit of a deployment ";
        assert!(text.contains(&format!("{row}| 3 | 2 | 7 | 4 | 1 failed: a b c |")), "{text}");
        assert!(text.contains("- 2–15: seen\n"), "{text}");
        let lines = |lead: &str| text.lines().filter(|it| it.starts_with(lead)).count();
        let all = ROWS.iter().map(Row::numbers).chain(OPEN.iter().map(|it| it.number.to_string()));
        for numbers in all {
            assert_eq!(lines(&format!("| {numbers} |")), 1, "row {numbers}");
        }
    }
}
