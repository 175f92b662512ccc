//! From the host's journal into the logs of the environments.

use super::{SystemdRuntime, record::Record};
use crate::{
    file,
    host::{self, Command},
};
use model::{
    failure::{Blame, Failure},
    id::InstanceId,
};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::PathBuf, sync::PoisonError, time::Duration};
use supervise::{Timed, append_handed};

/// For the journal to be read.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// For it to be written.
const SYNC_LIMIT: Duration = Duration::from_secs(5);
/// Of the journal in one pass; the rest is for the next.
const PASS_BYTES: usize = 4 << 20;
/// Passes at one time: what comes faster waits for the next time.
const PASSES_MAX: u32 = 8;
/// What is asked of each entry.
const FIELDS: &str = "MESSAGE,PRIORITY,_SYSTEMD_UNIT";
/// Of what an application writes to stderr, which its first process opened with this priority.
const PRIORITY_ERROR: &str = "3";

/// One entry of the journal.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    cursor: String,
    unit: String,
    is_error: bool,
    line: Timed,
}

impl SystemdRuntime {
    /// Takes what instances wrote since the last time over into the logs of the environments.
    ///
    /// # Errors
    ///
    /// Where the journal cannot be read, or the logs not be written.
    pub fn take_lines(&self) -> Result<(), Failure> {
        let units = self.units_here();
        if units.is_empty() {
            return Ok(());
        }
        let _turn = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..PASSES_MAX {
            if !self.pass(&units)? {
                break;
            }
        }
        Ok(())
    }

    /// The same, of all that was written until now.
    pub(super) fn take_last_lines(&self) -> Result<(), Failure> {
        let command = Command::new("journalctl", SYNC_LIMIT).argument("--sync");
        // What it has not written by then is taken over later.
        let _ = host::run_now(&command);
        self.take_lines()
    }

    pub(in crate::runtime) fn last_lines_now(
        &self,
        instance: &InstanceId,
        lines: usize,
    ) -> Vec<String> {
        if let Err(failure) = self.take_last_lines() {
            tracing::warn!(%instance, "lines stay in the journal: failed to {}", failure.message);
        }
        self.process.last_lines_now(instance, lines)
    }

    fn units_here(&self) -> BTreeMap<String, InstanceId> {
        let entries = fs::read_dir(self.layout().instances()).into_iter().flatten().flatten();
        let of = |it: fs::DirEntry| {
            let instance = InstanceId(it.file_name().to_str()?.to_owned());
            if !self.owns(&instance).ok()? {
                return None;
            }
            let record = Record::read(self.layout(), &instance).ok()??;
            Some((record.unit, instance))
        };
        entries.filter_map(of).collect()
    }

    fn cursor_path(&self) -> PathBuf {
        self.layout().root().join("systemd-cursor")
    }

    /// Whether there may be more.
    fn pass(&self, units: &BTreeMap<String, InstanceId>) -> Result<bool, Failure> {
        let path = self.cursor_path();
        let cursor = fs::read_to_string(&path).unwrap_or_default();
        let output = journal(cursor.trim(), units)?;
        let is_full = output.len() >= PASS_BYTES;
        let whole = output.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        let text = String::from_utf8_lossy(&output[..whole]).into_owned();
        let entries: Vec<Entry> = text.lines().filter_map(entry).collect();
        let Some(last) = entries.last().map(|it| it.cursor.clone()) else { return Ok(false) };
        self.append(units, entries)?;
        // One that is lost leads to lines that are there twice, never to lost ones.
        file::write(&path, last.as_bytes(), file::MODE_PRIVATE)
            .map_err(|it| file::failure("write", &path, &it))?;
        Ok(is_full)
    }

    fn append(
        &self,
        units: &BTreeMap<String, InstanceId>,
        entries: Vec<Entry>,
    ) -> Result<(), Failure> {
        // In their order: runs of lines of one instance and one stream go together.
        let mut rest = entries.into_iter().peekable();
        while let Some(first) = rest.next() {
            let (unit, is_error) = (first.unit, first.is_error);
            let mut lines = vec![first.line];
            while let Some(next) = rest.next_if(|it| it.unit == unit && it.is_error == is_error) {
                lines.push(next.line);
            }
            let Some(instance) = units.get(&unit) else { continue };
            let Some(spec) = self.process.spec(instance)? else { continue };
            append_handed(&spec, is_error, &lines)
                .map_err(|it| file::failure("write", &spec.output.combined, &it))?;
        }
        Ok(())
    }
}

fn journal(cursor: &str, units: &BTreeMap<String, InstanceId>) -> Result<Vec<u8>, Failure> {
    let mut command = Command::new("journalctl", TIME_LIMIT)
        .arguments(["--no-pager", "--quiet", "--all", "--output=json"])
        .argument(format!("--output-fields={FIELDS}"));
    command.output_bytes_max = PASS_BYTES;
    command = match cursor.is_empty() {
        // What was written before this boot is of units that are gone.
        true => command.argument("--boot"),
        false => command.argument(format!("--after-cursor={cursor}")),
    };
    command = command.argument("_TRANSPORT=stdout");
    command = command.arguments(units.keys().map(|it| format!("_SYSTEMD_UNIT={it}")));
    let finished = host::run_now(&command)?;
    // Who reads no further than its bound ends it, which is no failure of its.
    if finished.success || finished.stdout.len() >= PASS_BYTES {
        return Ok(finished.stdout);
    }
    Err(finished.failure(Blame::Platform, "read the journal of this host"))
}

fn entry(line: &str) -> Option<Entry> {
    let told: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| told[name].as_str().map(str::to_owned);
    let message = match &told["MESSAGE"] {
        Value::String(text) => text.clone(),
        // What is no text comes as its bytes.
        Value::Array(bytes) => {
            let bytes: Vec<u8> =
                bytes.iter().filter_map(|it| u8::try_from(it.as_u64()?).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => String::new(),
    };
    let at_us: i64 = text("__REALTIME_TIMESTAMP")?.parse().ok()?;
    let at = jiff::Timestamp::from_microsecond(at_us).ok()?;
    Some(Entry {
        cursor: text("__CURSOR")?,
        unit: text("_SYSTEMD_UNIT")?,
        is_error: text("PRIORITY").as_deref() == Some(PRIORITY_ERROR),
        // A message may hold several lines; the log has one a line.
        line: (format!("{at:.3}"), message.replace('\n', " ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_their_streams_and_times() {
        let line = r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1763731321123456",
            "PRIORITY":"3","_SYSTEMD_UNIT":"cutover-a.b.web.1.X.service","MESSAGE":[104,105]}"#;
        let found = entry(&line.replace('\n', "")).unwrap();
        assert_eq!(found.cursor, "s=1;i=2");
        assert!(found.is_error);
        assert_eq!(found.line, ("2025-11-21T13:22:01.123Z".to_owned(), "hi".to_owned()));
        assert_eq!(entry("-- No entries --"), None);
    }
}
