//! Jobs that run by the clock: when one is due, and what is done about it.

use crate::{id::InstanceId, one_off::Ended, service::Millis};
use croner::parser::{CronParser, Seconds, Year};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// A job that is later than this was missed: nobody was there to begin it.
pub const LATE_MAX: Millis = Millis::seconds(60);

/// When a service's command is run, instead of all the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Minute, hour, day of the month, month, day of the week.
    pub pattern: String,
    /// Of the pattern: `UTC`, `Europe/Vienna`.
    pub timezone: String,
    /// What is done when it is due and runs still.
    pub overlap: Overlap,
    /// It is stopped after so long.
    pub time_limit: Millis,
    /// One that was missed is made up for, once.
    pub catch_up: bool,
}

/// What is done when a job is due and runs still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Nothing.
    Skip,
    /// It runs once more when it has ended.
    QueueOne,
}

/// What is remembered of a job, whatever release it is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// About all that was due until then it is decided: Unix time in ms.
    pub decided_ms: u64,
    /// It is to run again when it has ended.
    pub queued: bool,
    /// Times it was due and ran still, in a row.
    pub skipped: u32,
    /// The last run.
    pub last: Option<Run>,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The one-off process.
    pub id: InstanceId,
    /// The version of its release.
    pub version: String,
    /// Unix time in ms when it was due.
    pub due_ms: u64,
    /// None: it has not ended.
    pub ended: Option<Ended>,
}

/// What is done about a job now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Wait,
    /// It is remembered that nothing was done.
    Pass {
        /// It is due, and runs still.
        busy: bool,
    },
    /// It runs once more when it has ended.
    Queue,
    /// It begins.
    Begin {
        /// When it was due.
        due_ms: u64,
    },
}

impl Schedule {
    /// The first time after `after_ms` at which it is due: Unix time in ms; none: never again.
    ///
    /// # Errors
    ///
    /// The pattern or the time zone is none: why.
    pub fn next_ms(&self, after_ms: u64) -> Result<Option<u64>, String> {
        let pattern = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(&self.pattern)
            .map_err(|it| it.to_string())?;
        let zone = if self.timezone == "UTC" {
            TimeZone::UTC
        } else {
            TimeZone::get(&self.timezone).map_err(|it| it.to_string())?
        };
        let after =
            i64::try_from(after_ms).ok().and_then(|it| Timestamp::from_millisecond(it).ok());
        let after = after.ok_or("that is too far away")?.to_zoned(zone);
        let next = pattern.find_next_occurrence(&after, false).ok();
        Ok(next.and_then(|it| u64::try_from(it.timestamp().as_millisecond()).ok()))
    }

    /// Decides what is done about the job now.  `memory`: none: nobody ever looked at it.
    ///
    /// # Errors
    ///
    /// As [`Schedule::next_ms`].
    pub fn next(&self, memory: Option<&Memory>, runs: bool, now_ms: u64) -> Result<Next, String> {
        // What was due before anybody had it was nobody's.
        let Some(memory) = memory else { return Ok(Next::Pass { busy: false }) };
        let due = self.next_ms(memory.decided_ms)?.filter(|it| *it <= now_ms);
        let Some(due_ms) = due else {
            let again = memory.queued && !runs;
            return Ok(if again { Next::Begin { due_ms: now_ms } } else { Next::Wait });
        };
        let missed = now_ms - due_ms > LATE_MAX.0;
        Ok(match (runs, self.overlap) {
            _ if missed && !self.catch_up => Next::Pass { busy: false },
            (true, Overlap::Skip) => Next::Pass { busy: true },
            (true, Overlap::QueueOne) => Next::Queue,
            (false, _) => Next::Begin { due_ms },
        })
    }
}

impl Memory {
    /// What is remembered after it.  All that was due until now is one.
    #[must_use]
    pub fn after(self, next: Next, run: impl FnOnce(u64) -> Run, now_ms: u64) -> Memory {
        match next {
            Next::Wait => self,
            Next::Pass { busy } => {
                let skipped = if busy { self.skipped.saturating_add(1) } else { self.skipped };
                Memory { decided_ms: now_ms, skipped, ..self }
            }
            Next::Queue => Memory { decided_ms: now_ms, queued: true, ..self },
            Next::Begin { due_ms } => {
                Memory { decided_ms: now_ms, queued: false, skipped: 0, last: Some(run(due_ms)) }
            }
        }
    }

    /// Whether its last run has not ended as far as anybody knows.
    pub fn open(&self) -> Option<&Run> {
        self.last.as_ref().filter(|it| it.ended.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-28 00:00 UTC: the night after, clocks in Vienna go forward.
    const START_MS: u64 = 1_774_656_000_000;
    const MINUTE: u64 = 60_000;

    fn every_five() -> Schedule {
        Schedule {
            pattern: "*/5 * * * *".to_owned(),
            timezone: "UTC".to_owned(),
            overlap: Overlap::Skip,
            time_limit: Millis::seconds(3600),
            catch_up: false,
        }
    }

    fn memory(decided_ms: u64) -> Memory {
        Memory { decided_ms, ..Memory::default() }
    }

    #[test]
    fn it_is_due_by_the_clock_of_its_time_zone() {
        let utc = every_five();
        assert_eq!(utc.next_ms(START_MS), Ok(Some(START_MS + 5 * MINUTE)), "not at once");
        assert_eq!(utc.next_ms(START_MS - 1), Ok(Some(START_MS)));
        let vienna = Schedule { timezone: "Europe/Vienna".to_owned(), ..every_five() };
        let at_four = Schedule { pattern: "0 4 * * *".to_owned(), ..vienna };
        let hour = 60 * MINUTE;
        assert_eq!(at_four.next_ms(START_MS), Ok(Some(START_MS + 3 * hour)), "winter: UTC+1");
        let next_day = START_MS + 24 * hour;
        assert_eq!(at_four.next_ms(next_day), Ok(Some(next_day + 2 * hour)), "summer: UTC+2");
    }

    #[test]
    fn what_is_none_is_said() {
        for pattern in ["", "* * * *", "60 * * * *", "* * * * * *", "@reboot", "a b c d e"] {
            let odd = Schedule { pattern: pattern.to_owned(), ..every_five() };
            assert!(odd.next_ms(START_MS).is_err(), "{pattern}");
        }
        let nowhere = Schedule { timezone: "Mars/Olympus".to_owned(), ..every_five() };
        assert!(nowhere.next_ms(START_MS).is_err());
        let never = Schedule { pattern: "0 0 30 2 *".to_owned(), ..every_five() };
        assert_eq!(never.next_ms(START_MS), Ok(None));
    }

    #[test]
    fn there_are_never_two_of_one_job() {
        let (skip, due_ms) = (every_five(), START_MS + 5 * MINUTE);
        let queue = Schedule { overlap: Overlap::QueueOne, ..every_five() };
        let known = memory(START_MS);
        let at = |it: &Schedule, memory: &Memory, runs| it.next(Some(memory), runs, due_ms);
        assert_eq!(skip.next(Some(&known), false, due_ms - 1), Ok(Next::Wait));
        assert_eq!(at(&skip, &known, false), Ok(Next::Begin { due_ms }));
        assert_eq!(at(&skip, &known, true), Ok(Next::Pass { busy: true }));
        assert_eq!(at(&queue, &known, true), Ok(Next::Queue));
        let queued = known.after(Next::Queue, |_| unreachable!("nothing begins"), due_ms);
        assert_eq!(at(&queue, &queued, true), Ok(Next::Wait), "one waits, not two");
        assert_eq!(at(&queue, &queued, false), Ok(Next::Begin { due_ms }));
    }

    #[test]
    fn what_was_missed_is_made_up_for_once_or_not_at_all() {
        let late_ms = START_MS + 33 * MINUTE;
        let forgets = every_five();
        let catches_up = Schedule { catch_up: true, ..every_five() };
        let known = memory(START_MS);
        assert_eq!(forgets.next(Some(&known), false, late_ms), Ok(Next::Pass { busy: false }));
        let due_ms = START_MS + 5 * MINUTE;
        let next = catches_up.next(Some(&known), false, late_ms).unwrap();
        assert_eq!(next, Next::Begin { due_ms });
        let run = |due_ms| Run {
            id: InstanceId("x".to_owned()),
            version: "1".to_owned(),
            due_ms,
            ended: None,
        };
        let after = known.after(next, run, late_ms);
        assert_eq!(catches_up.next(Some(&after), false, late_ms), Ok(Next::Wait));
        assert!(after.open().is_some());
        assert_eq!(catches_up.next(None, false, late_ms), Ok(Next::Pass { busy: false }), "new");
    }
}
