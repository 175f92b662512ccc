//! One daemon a state directory: `state.lock`, held by `flock` for as long as the store is open.
//!
//! The kernel drops it with the process, so that nobody has to remove it.  The lock keeps daemons
//! apart by default; what holds where somebody unlinked the file is the epoch.

use rustix::fs::{FlockOperation, flock};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    thread,
    time::Duration,
};

/// Times that a lock file is opened again because another file took its name meanwhile.
const REPLACED_MAX: u32 = 10;
/// Looks for the pid that a holder writes right after it took the lock.
const PID_LOOKS_MAX: u32 = 20;
const PID_LOOK_EVERY: Duration = Duration::from_millis(10);

/// The held lock.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// What came of asking for it.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(StateLock),
    /// Another process has it; 0: it has not said which.
    Theirs(u32),
}

/// Whether the holder of the lock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderState {
    /// It does.
    Running,
    /// A signal or a debugger stopped it.
    Stopped,
}

impl fmt::Display for HolderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HolderState::Running => "running",
            HolderState::Stopped => "stopped",
        })
    }
}

/// Takes the lock, or says who has it.
pub fn take(path: &Path) -> io::Result<Taken> {
    for _ in 0..REPLACED_MAX {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Taken::Theirs(holder(&mut file)?)),
            taken => taken?,
        }
        if !is_still(path, &file)? {
            continue;
        }
        // In place and of one width: on a full disk the block it had is there already.  Where
        // even that fails, the lock holds all the same and only its holder has no name.
        let _ = writeln!(file, "{:>10}", std::process::id());
        return Ok(Taken::Ours(StateLock { _file: file }));
    }
    Err(io::Error::other("the lock file is replaced again and again"))
}

/// How the process is, as the kernel says.
pub fn holder_state(pid: u32) -> HolderState {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it is in brackets and may hold anything.
    let state = stat.rsplit(')').next().and_then(|it| it.trim_start().chars().next());
    match state {
        Some('T' | 't') => HolderState::Stopped,
        _ => HolderState::Running,
    }
}

fn holder(file: &mut File) -> io::Result<u32> {
    for _ in 0..PID_LOOKS_MAX {
        let mut text = String::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_string(&mut text)?;
        if let Ok(pid) = text.trim().parse() {
            return Ok(pid);
        }
        thread::sleep(PID_LOOK_EVERY);
    }
    Ok(0)
}

fn is_still(path: &Path, file: &File) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
