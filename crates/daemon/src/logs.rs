//! What instances wrote: the last lines of an environment's log, and the lines that follow.

use drivers::layout::Layout;
use model::name::{EnvironmentId, Name};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Bytes of a log that are looked through for its last lines,
const TAIL_BYTES_MAX: u64 = 4 << 20;
/// and where only some of them are wanted.
const SEARCH_BYTES_MAX: u64 = 64 << 20;
/// Rotated files of a log that are looked through.
const ROTATED_MAX: u32 = 5;
/// Of a regular expression, compiled.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// How often a followed log is looked at.
pub const FOLLOW_EVERY: Duration = Duration::from_millis(200);
/// Bytes that are passed on at once.
const PIECE_BYTES_MAX: u64 = 256 << 10;

/// Which of an environment's logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// What was written to stdout.
    Out,
    /// What was written to stderr.
    Error,
    /// Both, each line led by the time and the instance.
    #[default]
    Combined,
}

/// Which lines.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Of this environment.
    pub environment: EnvironmentId,
    /// Of this service; needs the combined log, whose lines name their instance.
    pub service: Option<Name>,
    /// Of this log.
    pub stream: Stream,
    /// Of these.
    pub filter: Filter,
}

/// Which of a log's lines.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Written since then, as their times are written; needs the combined log.
    pub since: Option<String>,
    /// This is found in them.
    pub grep: Option<Regex>,
    /// These instances wrote them; needs the combined log.
    pub instances: Option<BTreeSet<String>>,
}

impl Filter {
    /// `since_ms`: Unix time in ms.
    ///
    /// # Errors
    ///
    /// The expression is none, or too large.
    pub fn new(
        since_ms: Option<u64>,
        grep: Option<&str>,
        instances: Option<BTreeSet<String>>,
    ) -> io::Result<Filter> {
        let compiled = |text: &str| {
            let built = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
            built.map_err(|error| {
                // The expression is drawn in the lines before.
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let why = format!("the regular expression has an error: {why}");
                io::Error::new(io::ErrorKind::InvalidInput, why)
            })
        };
        let time = |ms: u64| jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok();
        let since = since_ms.and_then(time).map(|it| it.to_string());
        Ok(Filter { since, grep: grep.map(compiled).transpose()?, instances })
    }

    fn needs_combined(&self) -> bool {
        self.since.is_some() || self.instances.is_some()
    }

    fn is_any(&self) -> bool {
        self.needs_combined() || self.grep.is_some()
    }

    fn takes(&self, line: &str) -> bool {
        // `TIME INSTANCE text`
        let mut words = line.split(' ');
        let (time, instance) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let late = self.since.as_ref().is_none_or(|it| time >= it.trim_end_matches('Z'));
        let from = self.instances.as_ref().is_none_or(|it| it.contains(instance));
        late && from && self.grep.as_ref().is_none_or(|it| it.is_match(line))
    }
}

impl Wanted {
    fn path(&self, layout: &Layout) -> PathBuf {
        let (out, error, combined) = layout.logs(&self.environment);
        match self.stream {
            Stream::Out => out,
            Stream::Error => error,
            Stream::Combined => combined,
        }
    }

    /// Whether a line, without its end, is wanted.
    fn takes(&self, line: &str) -> bool {
        if !self.filter.takes(line) {
            return false;
        }
        let Some(service) = &self.service else { return true };
        let lead = format!("{}.{}.", self.environment.stem(), service);
        // `TIME INSTANCE text`
        line.split(' ').nth(1).is_some_and(|it| it.starts_with(&lead))
    }

    fn check(&self) -> io::Result<()> {
        let needs_combined = self.service.is_some() || self.filter.needs_combined();
        if needs_combined && self.stream != Stream::Combined {
            let why = "lines are told apart by time, service and release in the combined log only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(())
    }
}

/// The last lines, oldest first, without terminal escapes.
///
/// # Errors
///
/// Where the log cannot be read; one that does not exist yet has no lines.
pub fn tail(layout: &Layout, wanted: &Wanted, count: usize) -> io::Result<Vec<String>> {
    wanted.check()?;
    let path = wanted.path(layout);
    let numbered = |number: u32| match number {
        0 => path.clone(),
        number => PathBuf::from(format!("{}.{number}", path.display())),
    };
    let mut left = if wanted.filter.is_any() { SEARCH_BYTES_MAX } else { TAIL_BYTES_MAX };
    let mut last: Vec<String> = vec![];
    // The youngest file first, each from its end.
    for number in 0..=ROTATED_MAX {
        let text = match end_of(&numbered(number), &mut left) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && number > 0 => break,
            // There may be older ones, where it was rotated a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        let lines: Vec<&str> = text.lines().collect();
        let taken = lines.iter().rev().filter(|it| wanted.takes(it)).map(|it| plain(it));
        last.extend(taken.take(count - last.len()));
        if last.len() == count || left == 0 {
            break;
        }
    }
    last.reverse();
    Ok(last)
}

/// The whole lines at the end of a file, of at most so many bytes, which are taken off.
fn end_of(path: &Path, left: &mut u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(*left);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = vec![];
    file.take(*left).read_to_end(&mut bytes)?;
    *left = left.saturating_sub(bytes.len() as u64);
    let cut = (from > 0).then(|| bytes.iter().position(|it| *it == b'\n')).flatten();
    Ok(String::from_utf8_lossy(&bytes[cut.map_or(0, |it| it + 1)..]).into_owned())
}

/// A line without what would move a terminal's cursor, colour it or ring its bell.
pub fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => skip_escape(&mut letters),
            '\t' => text.push('\t'),
            it if it.is_control() => (),
            it => text.push(it),
        }
    }
    text
}

/// A control sequence ends with a byte of `@`–`~`; an operating system command with BEL or ST.
fn skip_escape(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match letters.next() {
        Some('[') => while letters.next().is_some_and(|it| !('@'..='~').contains(&it)) {},
        Some(']') => loop {
            match letters.next() {
                Some('\u{1b}') => {
                    letters.next_if_eq(&'\\');
                    return;
                }
                None | Some('\u{7}') => return,
                Some(_) => (),
            }
        },
        _ => (),
    }
}

/// Reads what is added to a log, over its rotations.
pub struct Follower {
    path: PathBuf,
    wanted: Wanted,
    open: Option<(u64, File)>,
    rest: Vec<u8>,
}

impl Follower {
    /// From the log's present end on.
    ///
    /// # Errors
    ///
    /// Where the log cannot be read.
    pub fn at_end(layout: &Layout, wanted: &Wanted) -> io::Result<Follower> {
        wanted.check()?;
        let path = wanted.path(layout);
        let open = match File::open(&path) {
            Ok(mut file) => {
                file.seek(SeekFrom::End(0))?;
                Some((file.metadata()?.ino(), file))
            }
            Err(_) => None,
        };
        Ok(Follower { path, wanted: wanted.clone(), open, rest: vec![] })
    }

    /// The next lines, each with its end; waits for them.  None where the log cannot be read.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            match self.read() {
                Ok(text) if text.is_empty() => tokio::time::sleep(FOLLOW_EVERY).await,
                Ok(text) => return Some(text),
                Err(error) => {
                    tracing::warn!(%error, "a followed log cannot be read");
                    return None;
                }
            }
        }
    }

    /// The lines that were written since the last time, each with its end.  None where the log
    /// cannot be read.
    pub fn next_now(&mut self) -> Option<String> {
        self.read().ok()
    }

    fn read(&mut self) -> io::Result<String> {
        let mut bytes = std::mem::take(&mut self.rest);
        if let Some((_, file)) = &mut self.open {
            file.take(PIECE_BYTES_MAX).read_to_end(&mut bytes)?;
        }
        if bytes.is_empty() {
            self.reopen()?;
            return Ok(String::new());
        }
        let whole = bytes.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        self.rest = bytes.split_off(whole);
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().filter(|it| self.wanted.takes(it));
        Ok(lines.map(|it| format!("{}\n", plain(it))).collect())
    }

    /// A rotated log is read to its end first; then the new one from its start.
    fn reopen(&mut self) -> io::Result<()> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let inode = file.metadata()?.ino();
        if self.open.as_ref().is_none_or(|(open, _)| *open != inode) {
            self.open = Some((inode, file));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart_by_time_words_and_release_over_rotations() {
        let directory = std::env::temp_dir().join(format!("cutover-logs-{}", std::process::id()));
        let layout = Layout::new(&directory);
        let environment: EnvironmentId = "shop/production".parse().unwrap();
        std::fs::create_dir_all(layout.logs_directory(&environment)).unwrap();
        let (.., combined) = layout.logs(&environment);
        let line = |second: u32, instance: &str, text: &str| {
            format!("2026-11-21T13:00:{second:02}.000Z {instance} {text}\n")
        };
        let (one, two) = ("shop.production.web.1.A", "shop.production.job.1.B");
        let older = line(1, one, "first") + &line(2, two, "second error");
        std::fs::write(format!("{}.1", combined.display()), older).unwrap();
        std::fs::write(&combined, line(3, one, "third") + &line(4, two, "fourth")).unwrap();
        let found = |count, service: Option<&str>, filter| {
            let service = service.map(|it| it.parse().unwrap());
            let stream = Stream::Combined;
            let wanted = Wanted { environment: environment.clone(), service, stream, filter };
            let lines = tail(&layout, &wanted, count).unwrap();
            let words: Vec<String> =
                lines.iter().map(|it| it.split(' ').nth(2).unwrap().to_owned()).collect();
            words.join(" ")
        };
        let at = |second: u64| Some(1_795_266_000_000 + second * 1000);
        let filter = |since, grep, instances| Filter::new(since, grep, instances).unwrap();
        let only = |it: &str| Some(BTreeSet::from([it.to_owned()]));
        assert_eq!(found(9, None, Filter::default()), "first second third fourth");
        assert_eq!(found(3, None, Filter::default()), "second third fourth");
        assert_eq!(found(9, None, filter(at(2), None, None)), "second third fourth");
        assert_eq!(found(9, None, filter(at(3), Some("th"), None)), "third fourth");
        assert_eq!(found(9, None, filter(None, Some("err.r$"), None)), "second");
        assert_eq!(found(9, None, filter(None, None, only(one))), "first third");
        assert_eq!(found(9, Some("job"), filter(at(3), None, None)), "fourth");
        assert!(Filter::new(None, Some("("), None).is_err());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_shown_line_moves_no_cursor_and_rings_no_bell() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m\u{7} \u{1b}]0;title\u{7}end\r"), "red end");
        assert_eq!(plain("\u{1b}]8;;http://x\u{1b}\\link"), "link");
        assert_eq!(plain("a\tb \u{9b}31m"), "a\tb 31m");
    }
}
