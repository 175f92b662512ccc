//! A process that is run once, beside the instances of its service: with their release, variables,
//! user and limits, and without traffic.

use crate::{
    id::{InstanceId, ReleaseId},
    migrate::ByHand,
    name::{EnvironmentId, Name},
};
use serde::{Deserialize, Serialize};

/// The format of [`OneOff`] that this build writes.
pub const FORMAT: u32 = 1;

/// Exit code of what ended at its time limit, as `timeout` has it.
pub const EXIT_TIMED_OUT: u8 = 124;
/// Exit code of what could not be executed, as shells have it.
pub const EXIT_NOT_EXECUTED: u8 = 127;
/// Exit code of what ended and nobody knows how.
pub const EXIT_UNKNOWN: u8 = 125;
/// Added to the number of the signal that ended it, as shells do.
const EXIT_SIGNAL: i32 = 128;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// A ULID made by who asks, so that asking again is harmless.
    pub id: String,
    /// Where.
    pub environment: EnvironmentId,
    /// As which service; none: the only one there is, or `web`.
    pub service: Option<Name>,
    /// In which release; none: in what serves.
    pub version: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// It is stopped after so long; none: never.
    pub time_limit_ms: Option<u64>,
    /// It goes on when nobody watches it.
    pub detached: bool,
    /// Who asks.
    pub by: String,
    /// It migrates a database: no deployment goes on beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<ByHand>,
}

/// One such process: kept beside what it is told to run, from before its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneOff {
    /// Always [`FORMAT`].
    pub format: u32,
    /// `PROJECT.ENVIRONMENT.SERVICE.run.ULID`.
    pub id: InstanceId,
    /// Where.
    pub environment: EnvironmentId,
    /// As which service.
    pub service: Name,
    /// In which release.
    pub release: ReleaseId,
    /// The release's version.
    pub version: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// It is stopped after so long; none: never.
    pub time_limit_ms: Option<u64>,
    /// It goes on when nobody watches it.
    pub detached: bool,
    /// Who asked.
    pub by: String,
    /// Unix time in ms.
    pub begun_at_ms: u64,
    /// The schedule asked: its output goes where that of instances goes.
    #[serde(default)]
    pub scheduled: bool,
    /// It migrates a database by hand: no deployment goes on beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<ByHand>,
}

/// How one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It was asked for, and has not begun, or its beginning was cut short.
    Begun,
    /// Its process exists.
    Running {
        /// Its process id.
        pid: u32,
    },
    /// It ended.
    Ended(Ended),
}

/// How one ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.  Both none: nobody knows.
    pub signal: Option<i32>,
    /// The kernel ended it for want of memory.
    pub out_of_memory: bool,
    /// Its time limit had come.
    pub timed_out: bool,
    /// It could not be executed: why.
    pub not_executed: Option<String>,
    /// Lines of its output that were dropped.
    pub lines_dropped: u64,
    /// Unix time in ms; 0: nobody knows.
    pub at_ms: u64,
}

impl Ended {
    /// What a program exits with that ran it for somebody.
    pub fn exit_code(&self) -> u8 {
        if self.not_executed.is_some() {
            return EXIT_NOT_EXECUTED;
        }
        if self.timed_out {
            return EXIT_TIMED_OUT;
        }
        let code = self.code.or(self.signal.map(|it| EXIT_SIGNAL.saturating_add(it)));
        code.and_then(|it| u8::try_from(it).ok()).unwrap_or(EXIT_UNKNOWN)
    }

    /// `exit code 1`, `signal 9 (out of memory)`, `stopped at its time limit` …
    pub fn how(&self) -> String {
        let memory = if self.out_of_memory { " (out of memory)" } else { "" };
        match (&self.not_executed, self.timed_out, self.code, self.signal) {
            (Some(why), ..) => format!("could not be executed: {why}"),
            (None, true, ..) => "stopped at its time limit".to_owned(),
            (None, false, Some(code), _) => format!("exit code {code}{memory}"),
            (None, false, None, Some(signal)) => format!("signal {signal}{memory}"),
            (None, false, None, None) => "ended, and nobody knows how".to_owned(),
        }
    }
}

/// What is done about one that nobody may be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Leave,
    /// It is stopped.
    Stop,
    /// It ended: its `supervise` is let go, and how it ended is kept.
    Settle,
    /// Nothing of it is kept.
    Forget,
}

/// How long what ended is kept for those who ask how.
pub const KEPT_MS: u64 = 7 * 24 * 3600 * 1000;

/// Decides what is done about one.  `unwatched_ms`: for so long nobody watches it; none: somebody
/// does.  `patience_ms`: for so long a watcher may be away.  `held`: its `supervise` lives.
pub fn next(
    one_off: &OneOff,
    life: &Life,
    held: bool,
    unwatched_ms: Option<u64>,
    patience_ms: u64,
    now_ms: u64,
) -> Next {
    let given_up = !one_off.detached && unwatched_ms.is_some_and(|it| it >= patience_ms);
    match life {
        Life::Begun if unwatched_ms.is_none_or(|it| it < patience_ms) => Next::Leave,
        Life::Begun => Next::Forget,
        Life::Running { .. } if given_up => Next::Stop,
        Life::Running { .. } => Next::Leave,
        Life::Ended(_) if given_up => Next::Forget,
        Life::Ended(ended) => {
            let is_old = now_ms.saturating_sub(ended.at_ms.max(one_off.begun_at_ms)) > KEPT_MS;
            match (is_old, held) {
                (true, _) => Next::Forget,
                (false, true) => Next::Settle,
                (false, false) => Next::Leave,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: Option<i32>, signal: Option<i32>) -> Ended {
        Ended { code, signal, at_ms: 1_000, ..Ended::default() }
    }

    #[test]
    fn exit_codes_are_those_that_shells_give() {
        let timed_out = Ended { timed_out: true, ..ended(None, Some(15)) };
        let not_executed = Ended { not_executed: Some("none".to_owned()), ..ended(None, None) };
        for (ended, code) in [
            (ended(Some(0), None), 0),
            (ended(Some(3), None), 3),
            (ended(None, Some(9)), 137),
            (ended(None, Some(2)), 130),
            (ended(None, None), EXIT_UNKNOWN),
            (timed_out, EXIT_TIMED_OUT),
            (not_executed, EXIT_NOT_EXECUTED),
        ] {
            assert_eq!(ended.exit_code(), code, "{ended:?}");
        }
    }

    fn one_off(detached: bool) -> OneOff {
        let environment: EnvironmentId = "shop/production".parse().unwrap();
        OneOff {
            format: FORMAT,
            id: InstanceId("shop.production.web.run.X".to_owned()),
            environment,
            service: "web".parse().unwrap(),
            release: ReleaseId("R".to_owned()),
            version: "1".to_owned(),
            command: vec!["true".to_owned()],
            time_limit_ms: None,
            detached,
            by: "ann".to_owned(),
            begun_at_ms: 500,
            scheduled: false,
            migration: None,
        }
    }

    #[test]
    fn what_nobody_waits_for_is_stopped_unless_it_is_detached() {
        let running = Life::Running { pid: 7 };
        let over = Life::Ended(ended(Some(0), None));
        let late = 1_000 + KEPT_MS + 1;
        for (detached, life, held, unwatched_ms, now_ms, expected) in [
            (false, &running, true, None, 0, Next::Leave),
            (false, &running, true, Some(99), 0, Next::Leave),
            (false, &running, true, Some(100), 0, Next::Stop),
            (true, &running, true, Some(100), 0, Next::Leave),
            (false, &over, true, None, 0, Next::Settle),
            (false, &over, false, None, 0, Next::Leave),
            (false, &over, false, Some(100), 0, Next::Forget),
            (true, &over, true, Some(100), 0, Next::Settle),
            (true, &over, false, Some(100), 0, Next::Leave),
            (true, &over, false, Some(100), late, Next::Forget),
            (true, &Life::Begun, false, Some(99), 0, Next::Leave),
            (true, &Life::Begun, false, Some(100), 0, Next::Forget),
        ] {
            let got = next(&one_off(detached), life, held, unwatched_ms, 100, now_ms);
            assert_eq!(got, expected, "{detached} {life:?} {held} {unwatched_ms:?} {now_ms}");
        }
    }
}
