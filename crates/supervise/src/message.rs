//! What a `supervise` process may be asked over `ROOT/run/INSTANCE/supervise.sock`: one JSON object
//! a line, one answer a line.  Only its own user, and root, are answered.

use crate::spec::Restart;
use serde::{Deserialize, Serialize};

/// A question or an order.  One with an epoch below the highest that was seen is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// How the instance is.
    Status,
    /// Stop signal, grace, then the end of all descendants.  Answered when they are gone; the
    /// `supervise` process ends after it.
    Stop {
        /// The asking daemon's epoch.
        epoch: u64,
    },
    /// Sends the child alone a signal: whether its own children hear of it is its business.
    Tell {
        /// The signal's number.
        signal: i32,
        /// The asking daemon's epoch.
        epoch: u64,
    },
    /// A signal to the child's process group, as a terminal's keys send one.
    Signal {
        /// As its number.
        signal: i32,
        /// The asking daemon's epoch.
        epoch: u64,
    },
    /// From now on, act so when it exits; one that has exited already is started at once where it
    /// is to be restarted.  Kept on disk, for the next `supervise` too.
    Restart {
        /// So.
        restart: Restart,
        /// The asking daemon's epoch.
        epoch: u64,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// See [`Ask::Status`].
    Status(Status),
    /// All descendants are gone.
    Stopped {
        /// The stop signal was not enough: they were killed.
        killed: bool,
    },
    /// The order is taken.
    Taken,
    /// The order is not taken.
    Refused {
        /// Why.
        message: String,
    },
}

/// How an instance is: also written, whole, to `ROOT/run/INSTANCE/status.json` at each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The instance's id.
    pub instance: String,
    /// The `supervise` process.
    pub supervisor_pid: u32,
    /// The boot in which this was written.
    pub boot_id: String,
    /// The child, while it runs.
    pub child: Option<Child>,
    /// It said `READY=1`.
    pub ready: bool,
    /// Times it was started again.
    pub restarts: u32,
    /// How it last ended, if it did.
    pub exit: Option<Exit>,
    /// Output lines that were dropped for want of space, or since they came too fast.
    pub lines_dropped: u64,
    /// It was taken over from a `supervise` that died: exit codes are not known.
    pub adopted: bool,
    /// It was asked to stop.
    pub stopping: bool,
    /// It was stopped, and nobody is left of it: its `supervise` ends.
    #[serde(default)]
    pub gone: bool,
    /// Its time limit had come.
    #[serde(default)]
    pub timed_out: bool,
}

/// A process, named so that a recycled pid is not taken for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its process id.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks since boot.
    pub start_ticks: u64,
    /// Unix time in ms when it was executed.
    pub started_at_ms: u64,
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.  Both none: nobody knows.
    pub signal: Option<i32>,
    /// The kernel ended it, or a process of its group, for want of memory.
    pub out_of_memory: bool,
    /// Unix time in ms.
    pub at_ms: u64,
    /// It could not even be executed: why.
    pub spawn_error: Option<String>,
}
