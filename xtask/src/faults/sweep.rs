//! Every instant of a row, in parts: a sweep takes hours, and may be split and ended early.

use super::{
    kept::{Kept, Part},
    write,
};
use anyhow::{Result, bail, ensure};
use std::fmt::Write as _;
use testkit::faults::{Context, ROWS, Report, Row};

/// Instants after which what was found is written down.
const PART: u32 = 25;

/// Sweeps one row from one instant to another, both included, and writes down what came of it.
pub fn run(rows: &[&Row], context: &Context, (first, last): (u32, u32)) -> Result<()> {
    let [row] = rows else { bail!("a sweep is of one row: name it with `--rows`") };
    ensure!(first >= 1 && first <= last, "from {first} to {last} there is no instant");
    let (mut from, mut failed, mut swept) = (first, 0, 0);
    loop {
        let to = last.min(from.saturating_add(PART - 1));
        let report = row.execute(&Context { every: Some((from, to)), ..*context });
        if report.instants == 0 {
            match report.failures.first() {
                Some(why) => bail!("row {} cannot be counted: {why}", row.numbers()),
                None => bail!("row {} has no instants to be swept", row.numbers()),
            }
        }
        // How many there are differs a little from one counting to the next.
        let to = to.min(report.instants);
        if to >= from {
            swept += to - from + 1;
            failed += report.failures.len();
            keep(row.number, part(from, to, &report))?;
        }
        println!("{}: swept to {to} of {}, {failed} failed", row.numbers(), report.instants);
        if to < from || to == last || to == report.instants {
            break;
        }
        from = to + 1;
    }
    ensure!(failed == 0, "{failed} of {swept} instants failed");
    Ok(())
}

fn part(from: u32, to: u32, report: &Report) -> Part {
    Part {
        from,
        to,
        of: report.instants,
        kill_points: report.kill_points,
        failures: report.failures.clone(),
        seconds: report.took.as_secs_f64(),
    }
}

/// Replaces what was found of the same instants before, and nothing else.
fn keep(row: u32, part: Part) -> Result<()> {
    // Another part may have been swept meanwhile, by another run of this program.
    let mut kept = Kept::read();
    let parts = kept.sweeps.entry(row).or_default();
    parts.retain(|it| it.from < part.from || it.to > part.to);
    parts.push(part);
    parts.sort_by_key(|it| it.from);
    kept.write()?;
    write(&kept)
}

/// What was swept; nothing, where nothing was.
pub fn section(kept: &Kept) -> String {
    if kept.sweeps.is_empty() {
        return String::new();
    }
    let mut text = "\n## Every instant\n\nA row above takes a sample of its instants.  These were \
                    gone through one by one, by `cargo xtask faults --rows ROW --every`.  How \
                    many there are differs a little from one deployment to the next: at one that \
                    is not reached nobody dies, and the deployment must end well.\n\n\
                    | row | instants | of | killed at | failed | seconds |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for (row, parts) in &kept.sweeps {
        for run in joined(parts) {
            let numbers = ROWS.iter().find(|it| it.number == *row).map(Row::numbers);
            let _ = writeln!(
                text,
                "| {} | {}–{} | {} | {} | {} | {:.0} |",
                numbers.unwrap_or_default(),
                run.from,
                run.to,
                run.of,
                run.kill_points,
                run.failures.len(),
                run.seconds,
            );
        }
    }
    text
}

/// Parts that follow each other become one.
fn joined(parts: &[Part]) -> Vec<Part> {
    let mut runs: Vec<Part> = vec![];
    for part in parts {
        match runs.last_mut().filter(|it| it.to + 1 == part.from) {
            Some(run) => {
                run.to = part.to;
                run.of = run.of.max(part.of);
                run.kill_points += part.kill_points;
                run.failures.extend(part.failures.iter().cloned());
                run.seconds += part.seconds;
            }
            None => runs.push(Part { failures: part.failures.clone(), ..*part }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_follow_each_other_are_told_as_one() {
        let part = |from, to, failed: &[&str]| Part {
            from,
            to,
            of: 1900,
            kill_points: to - from,
            failures: failed.iter().map(|it| (*it).to_owned()).collect(),
            seconds: 2.0,
        };
        let parts = vec![part(1, 25, &[]), part(26, 50, &["26: why"]), part(101, 125, &[])];
        let text = section(&Kept { sweeps: [(16, parts)].into(), ..Kept::default() });
        assert!(text.contains("| 16 | 1–50 | 1900 | 48 | 1 | 4 |\n"), "{text}");
        assert!(text.contains("| 16 | 101–125 | 1900 | 24 | 0 | 2 |\n"), "{text}");
        assert_eq!(section(&Kept::default()), "");
    }
}
