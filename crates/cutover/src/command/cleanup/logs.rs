//! Our own logs: those that are written to are emptied in their place, older ones removed.

use crate::{
    session::Session,
    ui::cleanup::{Act, Item, Report},
};
use model::name::EnvironmentId;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Bytes of a block, as `stat` counts.
const BLOCK_BYTES: u64 = 512;
/// How often, and how far apart, the lock of who writes a log is tried.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Empties and removes logs; those of single deployments stay, since they are small and say what
/// happened.
pub fn clean(session: &Session, environments: &[EnvironmentId], report: &mut Report) {
    let layout = session.layout();
    clean_in(&session.root, None, report);
    clean_in(&layout.proxy(), None, report);
    for instance in below(&layout.instances()) {
        clean_in(&instance, None, report);
    }
    for environment in environments {
        let (_, _, combined) = layout.logs(environment);
        let mut lock = combined.clone().into_os_string();
        lock.push(".lock");
        clean_in(&layout.logs_directory(environment), Some(Path::new(&lock)), report);
    }
}

fn clean_in(directory: &Path, lock: Option<&Path>, report: &mut Report) {
    let found: Vec<(PathBuf, Act, u64)> = below(directory)
        .into_iter()
        .filter_map(|path| {
            let act = act(path.file_name()?.to_str()?)?;
            let metadata = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
            Some((path, act, metadata.blocks() * BLOCK_BYTES))
        })
        .filter(|it| it.2 > 0)
        .collect();
    if found.is_empty() {
        return;
    }
    // Whoever fails to write a line cuts the file to the length it had: not in between.
    let _held = lock.filter(|_| !report.dry_run).and_then(held);
    for (path, act, bytes) in found {
        let done = match act {
            _ if report.dry_run => Ok(()),
            Act::Empty => empty(&path),
            Act::Remove => fs::remove_file(&path),
        };
        report.item(Item { act, what: "log", name: report.below_root(&path), bytes }, done);
    }
}

/// `x.log` is written to, `x.log.2` is an older one.
fn act(name: &str) -> Option<Act> {
    if name.ends_with(".log") {
        return Some(Act::Empty);
    }
    let (stem, number) = name.rsplit_once('.')?;
    let older = stem.ends_with(".log") && number.bytes().all(|it| it.is_ascii_digit());
    (older && !number.is_empty()).then_some(Act::Remove)
}

/// Writers that append go on at its start.
fn empty(path: &Path) -> io::Result<()> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    OpenOptions::new().write(true).custom_flags(no_follow).open(path)?.set_len(0)
}

/// None where nobody ever wrote there, or a writer that hangs has it: no space is lost to that.
fn held(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).open(path).ok()?;
    for _ in 0..LOCK_TRIES {
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Some(file);
        }
        thread::sleep(LOCK_PAUSE);
    }
    None
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|it| it.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::{Act, act, empty};
    use std::{fs::OpenOptions, io::Write};

    #[test]
    fn what_is_written_to_is_told_from_what_is_older() {
        assert_eq!(act("production-out.log"), Some(Act::Empty));
        assert_eq!(act("production-out.log.3"), Some(Act::Remove));
        for other in ["state.db", "x.log.lock", "x.log.", "3", "log", "x.logs", "reserve.bin"] {
            assert_eq!(act(other), None, "{other}");
        }
    }

    #[test]
    fn who_appends_goes_on_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let mut writer = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        writer.write_all(b"long ago\n").unwrap();
        empty(&path).unwrap();
        writer.write_all(b"now\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"now\n");
        std::os::unix::fs::symlink(&path, directory.path().join("b.log")).unwrap();
        assert!(empty(&directory.path().join("b.log")).is_err(), "it followed a link");
    }
}
