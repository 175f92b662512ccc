//! From the files that PM2 writes into the logs of the environments, and their rotation, which PM2
//! does not do.

use super::{Pm2Runtime, lines, record::Record};
use crate::{clock::unix_ms, file};
use model::{failure::Failure, id::InstanceId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};
use supervise::{Timed, append_handed, spec::InstanceSpec};

/// How far the files were taken over; beside them, since they outlive the instance.
const TAKEN: &str = "taken.json";
/// Files of instances that are gone are kept while there are no more than so many.
const FILES_MAX: usize = 60;
/// Of one file in one pass.
const PASS_BYTES: u64 = 1 << 20;
/// A longer line is cut into several.
const LINE_BYTES_MAX: usize = 256 << 10;
/// A file of PM2's above this is put aside: one older one is kept.
const FILE_BYTES_MAX: u64 = 16 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    inode: u64,
    bytes: u64,
}

impl Pm2Runtime {
    pub(super) fn pump_now(&self) -> Result<(), Failure> {
        let entries = match fs::read_dir(self.layout().instances()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => {
                entries.map_err(|it| file::failure("read", &self.layout().instances(), &it))?
            }
        };
        for entry in entries.flatten() {
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let instance = InstanceId(name);
            if self.owns(&instance).unwrap_or(false) {
                self.pump_one(&instance)?;
            }
        }
        Ok(())
    }

    /// Removes the oldest files beside those of an instance that is gone.
    pub(super) fn remove_old_files(&self, record: &Record) {
        let entries = record.out.parent().map(fs::read_dir).into_iter().flatten().flatten();
        let mut files: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .filter_map(|it| Some((it.metadata().ok()?.modified().ok()?, it.path())))
            .collect();
        files.sort();
        let extra = files.len().saturating_sub(FILES_MAX);
        let lives = |path: &Path| {
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            let id = name.rsplit_once("-out").or_else(|| name.rsplit_once("-error"));
            let id = id.or_else(|| name.rsplit_once("-taken")).map_or(name, |it| it.0);
            self.layout().instances().join(id).exists()
        };
        for (_, path) in files.into_iter().take(extra).filter(|it| !lives(&it.1)) {
            // It is tried again with the next instance that ends.
            let _ = fs::remove_file(path);
        }
    }

    pub(super) fn pump_one(&self, instance: &InstanceId) -> Result<(), Failure> {
        let record = Record::read(self.layout(), instance)?;
        let (Some(record), Some(spec)) = (record, self.process.spec(instance)?) else {
            return Ok(());
        };
        let state = record.out.with_file_name(format!("{instance}-{TAKEN}"));
        let mut taken: BTreeMap<PathBuf, Taken> = fs::read(&state)
            .ok()
            .and_then(|it| serde_json::from_slice(&it).ok())
            .unwrap_or_default();
        let before = taken.clone();
        let mut put_aside = false;
        for (path, is_error) in files(&record) {
            let so_far = taken.get(&path).copied().unwrap_or_default();
            let now = take(&path, so_far, &spec, is_error)
                .map_err(|it| file::failure("take over", &path, &it))?;
            put_aside |= now.bytes > FILE_BYTES_MAX && aside(&path).is_ok();
            taken.insert(path, now);
        }
        if put_aside && let Ok(mut wire) = record.home.open() {
            // Where it does not answer it goes on to write into what was put aside.
            let _ = wire.call("reloadLogs", &json!({}));
        }
        if taken == before {
            return Ok(());
        }
        // A copy of it that is lost leads to lines that are there twice, never to lost ones.
        serde_json::to_vec(&taken)
            .map_err(io::Error::from)
            .and_then(|it| file::write(&state, &it, file::MODE_PRIVATE))
            .map_err(|it| file::failure("write", &state, &it))
    }
}

/// Where PM2 writes, by stream; without `merge_logs` it adds the numbers of its processes.
fn files(record: &Record) -> Vec<(PathBuf, bool)> {
    let mut files = vec![];
    for (path, is_error) in [(&record.out, false), (&record.error, true)] {
        let stem = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default();
        let entries = path.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_str().and_then(|it| it.strip_suffix(".log")).unwrap_or_default();
            let numbered = name.strip_prefix(stem).and_then(|it| it.strip_prefix('-'));
            let is_number = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
            if name == stem && !stem.is_empty() || numbered.is_some_and(is_number) {
                files.push((entry.path(), is_error));
            }
        }
    }
    files.sort();
    files
}

fn take(path: &Path, so_far: Taken, spec: &InstanceSpec, is_error: bool) -> io::Result<Taken> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(so_far),
        opened => opened?,
    };
    let there = file.metadata()?;
    let mut taken = so_far;
    // Another file, or one that somebody emptied, is read from its start.
    if taken.inode != there.ino() || taken.bytes > there.len() {
        taken = Taken { inode: there.ino(), bytes: 0 };
    }
    file.seek(SeekFrom::Start(taken.bytes))?;
    let mut bytes = vec![];
    file.take(PASS_BYTES).read_to_end(&mut bytes)?;
    let whole = match bytes.iter().rposition(|it| *it == b'\n') {
        Some(at) => at + 1,
        None if bytes.len() >= LINE_BYTES_MAX => bytes.len(),
        None => 0,
    };
    let timed = timed(&String::from_utf8_lossy(&bytes[..whole]));
    if !timed.is_empty() {
        append_handed(spec, is_error, &timed)?;
    }
    taken.bytes += whole as u64;
    Ok(taken)
}

fn timed(text: &str) -> Vec<Timed> {
    let utc = |time: &str| time.parse::<jiff::Timestamp>().ok().map(|it| format!("{it:.3}"));
    let now = i64::try_from(unix_ms()).ok();
    let now = now.and_then(|it| jiff::Timestamp::from_millisecond(it).ok());
    let mut last = now.map(|it| format!("{it:.3}")).unwrap_or_default();
    let mut all = vec![];
    for line in text.lines() {
        let (time, said) =
            lines::parted(line).map_or((None, line.to_owned()), |it| (utc(&it.0), it.1));
        if let Some(time) = time {
            last = time;
        }
        all.push((last.clone(), said));
    }
    all
}

fn aside(path: &Path) -> io::Result<()> {
    let mut older = path.as_os_str().to_owned();
    older.push(".1");
    fs::rename(path, older)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_times_and_those_without_any_follow_the_one_before() {
        let text =
            "2026-11-21T13:22:01.123+00:00: one\n  two\n2026-11-21T14:22:02.000+01:00: three";
        let lines = timed(text);
        let expected = [
            ("2026-11-21T13:22:01.123Z", "one"),
            ("2026-11-21T13:22:01.123Z", "  two"),
            ("2026-11-21T13:22:02.000Z", "three"),
        ];
        let lines: Vec<(&str, &str)> =
            lines.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
        assert_eq!(lines, expected);
    }
}
