//! The fault matrix: runs rows, prints what came of them, and writes `docs/faults.md`.
//!
//! What a row came to in its full size is kept in `docs/faults.json`, row by row, and the document
//! is written anew after each: a run that is ended early, or that is asked for a few rows only,
//! leaves what it found beside what was found before.

mod kept;
mod sweep;
mod table;

use crate::{optimized, program};
use anyhow::{Context as _, Result, bail};
use kept::{Kept, Ran};
use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};
use testkit::faults::{Context, ROWS, Row, Size};

const USAGE: &str = "cargo xtask faults [--rows 2-15,33] [--seed NUMBER] [--all], or\n\
                     cargo xtask faults --rows 16 --every [--from NUMBER] [--to NUMBER]";
const DOCUMENT: &str = "docs/faults.md";
/// Programs by which faults are made.
const NEEDED: [&str; 8] =
    ["strace", "unshare", "nsenter", "mount", "prlimit", "faketime", "node", "python3"];

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    rows: Vec<(u32, u32)>,
    seed: Option<u64>,
    size: Size,
    /// The first and the last instant of a sweep.
    every: Option<(u32, u32)>,
}

/// Runs the rows one after another; fails if one did.
pub fn run(words: &[&str]) -> Result<()> {
    let asked = parse(words)?;
    check_machine()?;
    if asked.every.is_some() {
        // A sweep takes hours: optimized, a good deal fewer.
        optimized::become_it()?;
    } else {
        program::run("cargo", &["build", "--workspace", "--bins"])?;
    }
    let seed = asked.seed.unwrap_or_else(seed_of_now);
    println!("faults: seed {seed}, {:?}", asked.size);
    let tell = |line: &str| println!("  {line}");
    let context = Context { seed, size: asked.size, every: None, tell };
    let chosen: Vec<&Row> = ROWS.iter().filter(|it| asked.names(it)).collect();
    if chosen.is_empty() {
        bail!("no row has such a number; {USAGE}");
    }
    if let Some(instants) = asked.every {
        return sweep::run(&chosen, &context, instants);
    }
    let (mut kept, mut failed) = (Kept::read(), 0);
    for row in &chosen {
        println!("{}: {}", row.numbers(), row.title);
        let ran = Ran::of(&row.execute(&context));
        println!("{}: {} runs, {}", row.numbers(), ran.runs, ran.result);
        failed += usize::from(!ran.ok);
        kept.rows.insert(row.number, ran);
        // A figure that cannot be kept is no reason to run no other row.
        if asked.size == Size::Full
            && let Err(error) = kept.write().and_then(|()| write(&kept))
        {
            println!("  not written: {error:#}");
        }
    }
    print!("{}", table::table(&chosen, &kept));
    if failed > 0 {
        bail!("{failed} of {} rows failed", chosen.len());
    }
    Ok(())
}

impl Asked {
    fn names(&self, row: &Row) -> bool {
        let within = |it: &(u32, u32)| it.0 <= row.last && row.number <= it.1;
        self.rows.is_empty() || self.rows.iter().any(within)
    }
}

fn parse(words: &[&str]) -> Result<Asked> {
    let mut asked = Asked { rows: vec![], seed: None, size: Size::Bounded, every: None };
    let (mut from, mut to) = (1, u32::MAX);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match *word {
            "--all" => asked.size = Size::Full,
            "--every" => asked.every = Some((1, u32::MAX)),
            "--from" => from = value()?.parse().context("an instant is a number from 1")?,
            "--to" => to = value()?.parse().context("an instant is a number from 1")?,
            "--rows" => asked.rows = ranges(value()?)?,
            "--seed" => asked.seed = Some(value()?.parse().context("a seed is a number")?),
            other => bail!("`{other}` is not understood; {USAGE}"),
        }
    }
    match &mut asked.every {
        Some(every) => *every = (from, to),
        None if (from, to) != (1, u32::MAX) => bail!("`--from` and `--to` go with `--every`"),
        None => {}
    }
    Ok(asked)
}

fn ranges(text: &str) -> Result<Vec<(u32, u32)>> {
    let number = |it: &str| it.parse::<u32>().with_context(|| format!("`{it}` is no row"));
    let range = |it: &str| match it.split_once('-') {
        Some((first, last)) => Ok((number(first)?, number(last)?)),
        None => Ok((number(it)?, number(it)?)),
    };
    text.split(',').map(range).collect()
}

fn seed_of_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |it| it.as_secs())
}

fn check_machine() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = status.lines().any(|it| it.starts_with("Uid:") && it.contains("\t0\t"));
    if !root {
        bail!("faults are made by tracing, mounting and killing: run it as root");
    }
    let missing: Vec<&str> = NEEDED.into_iter().filter(|it| !program::is_there(it)).collect();
    if !missing.is_empty() {
        bail!("install {} first: faults are made by them", missing.join(", "));
    }
    Ok(())
}

fn write(kept: &Kept) -> Result<()> {
    let path = program::root().join(DOCUMENT);
    fs::create_dir_all(path.with_file_name(""))?;
    fs::write(&path, table::document(kept)).with_context(|| format!("{DOCUMENT} cannot be written"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::faults::OPEN;

    #[test]
    fn words_choose_rows_seed_and_size() {
        let asked = parse(&["--rows", "2-15,33", "--seed", "7", "--all"]).unwrap();
        let rows = vec![(2, 15), (33, 33)];
        assert_eq!(asked, Asked { rows, seed: Some(7), size: Size::Full, every: None });
        let swept = parse(&["--rows", "16", "--every", "--from", "5"]).unwrap();
        assert_eq!((swept.rows, swept.every), (vec![(16, 16)], Some((5, u32::MAX))));
        assert!(parse(&["--rows", "16", "--to", "5"]).is_err());
        let named: Vec<u32> =
            ROWS.iter().filter(|it| asked.names(it)).map(|it| it.number).collect();
        assert_eq!(named, [2, 33]);
        assert!(parse(&["--rows"]).is_err() && parse(&["--rows", "x"]).is_err());
        assert!(parse(&["--fast"]).is_err());
    }

    #[test]
    fn every_number_stands_once() {
        let mut numbers: Vec<u32> = ROWS.iter().flat_map(|it| it.number..=it.last).collect();
        numbers.extend(OPEN.iter().map(|it| it.number));
        numbers.sort_unstable();
        let twice: Vec<u32> =
            numbers.windows(2).filter(|it| it[0] == it[1]).map(|it| it[0]).collect();
        assert_eq!(twice, Vec::<u32>::new());
        assert_eq!(numbers, (1..=68).collect::<Vec<u32>>());
    }
}
