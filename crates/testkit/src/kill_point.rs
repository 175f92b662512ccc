//! Kills the daemon from outside, at a chosen write of its journal.
//!
//! Every step writes its intent before it acts and its outcome after, each as one commit, and each
//! commit ends with one `fdatasync` of the journal's log.  So the n-th of these names an instant:
//! the record is not yet durable when the call begins, and is durable when it returns.

use crate::{
    guard::Killed,
    stand::{alive, kill},
    time::{eventually, within},
};
use rustix::process::Signal;
use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Each commit ends with one of these on the journal's log.
const COMMITS: &str = "fdatasync,fsync";
/// And begins with these.
const WRITES: &str = "pwrite64";
/// For the tracer to have all threads.
const ATTACH_WAIT: Duration = Duration::from_secs(10);
/// How long a commit is stretched, so that a kill from outside hits the instant after it.
const STRETCH_US: u32 = 3_000_000;
/// A thread that is stopped so long is in a stretched commit, not in an ordinary one.
const STOPPED_LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where, around a commit, the daemon dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Not even a part of the record is in the journal: what it tells of was done, or not begun.
    Unwritten,
    /// The record is written and not yet durable: a daemon that follows finds it, a machine that
    /// loses its power may not.
    Before,
    /// The record is durable, and nothing was done since.
    After,
}

/// An instant in the life of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillPoint {
    /// The commit, counted from 1 after the tracer was attached.
    pub commit: u32,
    /// Before or after it.
    pub side: Side,
}

impl Side {
    /// What strace injects, so that the process can be killed there.
    pub fn fault(self) -> String {
        match self {
            Side::Unwritten | Side::Before => "signal=SIGKILL".to_owned(),
            Side::After => format!("delay_exit={STRETCH_US}"),
        }
    }
}

/// A tracer on a process; it detaches when it is dropped.
#[derive(Debug)]
pub struct Tracer {
    strace: Killed,
    log: PathBuf,
    pid: u32,
}

impl Tracer {
    /// Counts commits, and kills at none.
    ///
    /// # Panics
    /// If strace cannot attach: it must be installed, and the test must be root.
    pub fn counting(daemon: u32, root: &Path) -> Self {
        let calls = format!("{COMMITS},{WRITES}");
        Self::on(daemon, &calls, Some(&root.join("state.db-wal")), None)
    }

    /// Kills the daemon at the point.  For an unwritten record the point's number is that of a
    /// write, as [`Tracer::first_writes`] tells it, and not that of a commit.
    ///
    /// # Panics
    /// If strace cannot attach: it must be installed, and the test must be root.
    pub fn killing(daemon: u32, root: &Path, point: KillPoint) -> Self {
        let fault = format!("{}:when={}", point.side.fault(), point.commit);
        let calls = if point.side == Side::Unwritten { WRITES } else { COMMITS };
        Self::on(daemon, calls, Some(&root.join("state.db-wal")), Some(&fault))
    }

    /// Watches system calls, by strace's names, of any process; of those that name `path`, where
    /// one is given.  `fault` is what is injected into them, in strace's words.
    ///
    /// # Panics
    /// If strace cannot attach: it must be installed, and the test must be root.
    pub fn on(pid: u32, calls: &str, path: Option<&Path>, fault: Option<&str>) -> Self {
        let log = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        let (_, log) = log.keep().expect("a temporary file can be kept");
        let noise = log.with_extension("noise");
        let mut command = Command::new("strace");
        command.args(["-f", "-b", "execve", "-e", &format!("trace={calls}")]).arg("-o").arg(&log);
        command.args(path.iter().flat_map(|it| [OsStr::new("-P"), it.as_os_str()]));
        let inject = fault.map(|it| format!("inject={calls}:{it}"));
        command.args(inject.iter().flat_map(|it| ["-e", it]));
        command.args(["-p", &pid.to_string()]).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&noise).expect("the temporary folder is writable"));
        let mut strace = Killed::start(&mut command).expect("strace is installed");
        eventually("strace attaches", ATTACH_WAIT, || {
            let said = fs::read_to_string(&noise).unwrap_or_default();
            assert!(strace.exited().is_none(), "strace ended: {said}");
            said.contains("attached").then_some(())
        });
        Self { strace, log, pid }
    }

    /// Commits that came to their end since the tracer was attached.
    pub fn commits(&self) -> u32 {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let done = text.lines().filter(|it| it.contains("sync(") && it.contains(" = 0"));
        u32::try_from(done.count()).unwrap_or(u32::MAX)
    }

    /// Of each commit that was counted, the number of its first write.
    pub fn first_writes(&self) -> Vec<u32> {
        let (mut first, mut writes, mut within) = (vec![], 0, false);
        for line in self.seen().lines() {
            if line.contains(" pwrite64(") {
                writes += 1;
                if !within {
                    first.push(writes);
                }
                within = true;
            } else if line.contains("sync(") {
                within = false;
            }
        }
        first
    }

    /// The calls that were seen, one a line, each led by its thread.
    pub fn seen(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the point is reached and the process is dead; false: it was not reached while
    /// `going_on` held, which means that the test proves nothing.
    pub fn reached(
        &self,
        point: KillPoint,
        timeout: Duration,
        going_on: impl Fn() -> bool,
    ) -> bool {
        let mut stopped_looks = 0;
        let reached = within(timeout, || {
            if !alive(self.pid) {
                return Some(true);
            }
            if point.side == Side::After {
                stopped_looks = if any_thread_stopped(self.pid) { stopped_looks + 1 } else { 0 };
                if stopped_looks >= STOPPED_LOOKS {
                    kill(self.pid, Signal::KILL);
                }
            }
            std::thread::sleep(LOOK_EVERY);
            (!going_on()).then_some(false)
        });
        reached.unwrap_or(false)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // An orderly end detaches; a killed strace would leave threads stopped.
        self.strace.signal(Signal::INT);
        let _ = within(ATTACH_WAIT, || self.strace.exited());
        let _ = fs::remove_file(&self.log);
        let _ = fs::remove_file(self.log.with_extension("noise"));
    }
}

/// A thread that its tracer holds has the state `t`.
fn any_thread_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|it| {
        let stat = fs::read_to_string(it.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|it| it.1.starts_with('t'))
    })
}
