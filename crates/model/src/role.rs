//! What an instance of a service is told besides to start and to end.

use serde::{Deserialize, Serialize};

/// Signals that may tell a worker to take no new job, and to finish those it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum QuietSignal {
    /// 20.
    SigTstp,
    /// 21.
    SigTtin,
    /// 28.
    SigWinch,
    /// 1.
    SigHup,
    /// 2.
    SigInt,
    /// 10.
    SigUsr1,
    /// 12.
    SigUsr2,
}

impl QuietSignal {
    /// All of them, by their names.
    pub const ALL: [(&'static str, QuietSignal); 7] = [
        ("SIGTSTP", QuietSignal::SigTstp),
        ("SIGTTIN", QuietSignal::SigTtin),
        ("SIGWINCH", QuietSignal::SigWinch),
        ("SIGHUP", QuietSignal::SigHup),
        ("SIGINT", QuietSignal::SigInt),
        ("SIGUSR1", QuietSignal::SigUsr1),
        ("SIGUSR2", QuietSignal::SigUsr2),
    ];

    /// Its number on Linux.
    pub fn number(self) -> i32 {
        match self {
            QuietSignal::SigTstp => 20,
            QuietSignal::SigTtin => 21,
            QuietSignal::SigWinch => 28,
            QuietSignal::SigHup => 1,
            QuietSignal::SigInt => 2,
            QuietSignal::SigUsr1 => 10,
            QuietSignal::SigUsr2 => 12,
        }
    }
}
