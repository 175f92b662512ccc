//! The last lines of an instance, out of the files that PM2 writes.

use super::{Pm2Runtime, record::Record};
use crate::runtime::process::{plain, tail};
use model::id::InstanceId;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// PM2 writes what it was told a moment after it was told.
const WRITTEN_TRIES: u32 = 15;
const WRITTEN_PAUSE: Duration = Duration::from_millis(20);

impl Pm2Runtime {
    pub(in crate::runtime) fn last_lines_now(
        &self,
        instance: &InstanceId,
        lines: usize,
    ) -> Vec<String> {
        let record = Record::read(self.layout(), instance).ok().flatten();
        // One that is removed leaves its logs.
        let spec = model::pm2::Pm2Spec::default();
        let known = record.is_some();
        let record = record.unwrap_or_else(|| Record::new(self.layout(), instance, &spec));
        let listed = if known { self.listed(instance) } else { vec![] };
        let mut files = vec![record.out, record.error];
        for path in listed.iter().flat_map(|it| &it.logs).map(PathBuf::from) {
            if !files.contains(&path) {
                files.push(path);
            }
        }
        for left in (0..WRITTEN_TRIES).rev() {
            let found = told(&files);
            if !found.is_empty() || !known || left == 0 {
                return last(found, lines);
            }
            thread::sleep(WRITTEN_PAUSE);
        }
        vec![]
    }
}

fn last(mut lines: Vec<String>, count: usize) -> Vec<String> {
    lines.split_off(lines.len().saturating_sub(count))
}

/// In the order of their times, where all of them have one that can be compared.
fn told(files: &[PathBuf]) -> Vec<String> {
    let mut all: Vec<(String, String)> = vec![];
    for path in files {
        let text = tail(path).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            all.push(parted(line).unwrap_or_else(|| {
                let before = all.last().map(|it| it.0.clone()).unwrap_or_default();
                (before, line.to_owned())
            }));
        }
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all.into_iter().map(|it| plain(&it.1)).collect()
}

/// Time and text of a line that PM2 led by the time, as it does unless it is told another form.
pub(super) fn parted(line: &str) -> Option<(String, String)> {
    let (time, text) = line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, "")))?;
    let is_time = time.len() >= "2026-11-21T13:22:01.123Z".len()
        && time.as_bytes().get(10) == Some(&b'T')
        && time.parse::<jiff::Timestamp>().is_ok();
    is_time.then(|| (time.to_owned(), text.to_owned()))
}

/// The whole end of a file, of at most so many bytes; nothing where it cannot be read.
pub(super) fn end_of(path: &Path, bytes: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
        let mut text = vec![];
        file.take(bytes).read_to_end(&mut text)?;
        Ok(text)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parted_from_their_times() {
        let line = "2026-11-21T13:22:01.123+00:00: a: b";
        assert_eq!(parted(line).unwrap().1, "a: b");
        assert_eq!(parted("2026-11-21T13:22:01.123+00:00: ").unwrap().1, "");
        assert_eq!(parted("error: no database"), None);
        assert_eq!(parted("    at Module._compile (x.js:1:2): y"), None);
    }
}
