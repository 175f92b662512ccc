//! What instances wrote: the last lines of an environment's log, and the lines that follow.

use drivers::layout::Layout;
use model::name::{EnvironmentId, Name};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};

/// Bytes of a log that are looked through for its last lines.
const TAIL_BYTES_MAX: u64 = 4 << 20;
/// How often a followed log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);
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
        let Some(service) = &self.service else { return true };
        let lead = format!("{}.{}.", self.environment.stem(), service);
        // `TIME INSTANCE text`
        line.split(' ').nth(1).is_some_and(|it| it.starts_with(&lead))
    }

    fn check(&self) -> io::Result<()> {
        if self.service.is_some() && self.stream != Stream::Combined {
            let why = "a service's lines are told apart in the combined log only";
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
    let mut file = match File::open(wanted.path(layout)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        file => file?,
    };
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL_BYTES_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = vec![];
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().skip(usize::from(from > 0)).collect();
    let mut last: Vec<String> =
        lines.iter().rev().filter(|it| wanted.takes(it)).take(count).map(|it| plain(it)).collect();
    last.reverse();
    Ok(last)
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
    use super::plain;

    #[test]
    fn a_shown_line_moves_no_cursor_and_rings_no_bell() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m\u{7} \u{1b}]0;title\u{7}end\r"), "red end");
        assert_eq!(plain("\u{1b}]8;;http://x\u{1b}\\link"), "link");
        assert_eq!(plain("a\tb \u{9b}31m"), "a\tb 31m");
    }
}
