//! What a failed run leaves for its reader: the logs and the journal, in one file.

use crate::stand::{Stand, TARGET};
use std::{
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Of each log, from its end.
const LOG_BYTES: usize = 20_000;
static FAILED: AtomicU32 = AtomicU32::new(0);

/// Writes what is known of the stand into `target/faults/`, and returns the file's path.
pub(crate) fn keep(stand: &Stand, load: &str) -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let target = program.ancestors().find(|it| it.ends_with("target"))?;
    let directory = target.join("faults");
    fs::create_dir_all(&directory).ok()?;
    let number = FAILED.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("{}-{number}.txt", process::id()));
    fs::write(&path, text(stand, load)).ok()?;
    Some(path)
}

fn text(stand: &Stand, load: &str) -> String {
    let mut text = format!("load: {load}\n");
    let words: [&[&str]; 3] =
        [&["--json", "status"], &["history", TARGET], &["--json", "show", "latest", TARGET]];
    for words in words {
        let mut command = stand.command(words);
        let out = command.output().map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
        let _ = writeln!(text, "\n== {words:?}\n{}", out.unwrap_or_default());
    }
    let taken = stand.snapshot();
    let _ = writeln!(text, "\n== there\n{taken}");
    let mut logs = vec![];
    find_logs(&stand.root, 8, &mut logs);
    for log in logs {
        let bytes = fs::read(&log).unwrap_or_default();
        let tail = &bytes[bytes.len().saturating_sub(LOG_BYTES)..];
        let tail = String::from_utf8_lossy(tail);
        let _ = writeln!(text, "\n== {}\n{tail}", log.display());
    }
    text
}

fn find_logs(directory: &Path, depth: u32, logs: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 && entry.file_name() != "releases" {
            find_logs(&path, depth - 1, logs);
        } else if path.extension().is_some_and(|it| it == "log" || it == "json") {
            logs.push(path);
        }
    }
}
