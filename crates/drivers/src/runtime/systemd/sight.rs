//! How an instance is: what the kernel says of its processes, and what systemd told us of its ends.

use super::{SystemdRuntime, record::Record, unit};
use crate::units::Shown;
use engine::port::runtime::{Exited, Life, Running};
use model::{failure::Failure, id::InstanceId};
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};
use supervise::{
    becoming::{BEGUN, ENDED, EXIT_NOT_EXECUTED, Ended, NOT_EXECUTED},
    kin::{self, Kin},
    spec::InstanceSpec,
};

/// While this file is there, a stop is on its way.
pub(super) const STOPPING: &str = "stopping";
/// For systemd to tell it.
const TOLD_WAIT: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Words of ours, before the program and after it.
const OURS: [&[u8]; 2] = [b"--become", b"--ended"];

impl SystemdRuntime {
    pub(in crate::runtime) fn observe_now(&self, instance: &InstanceId) -> Result<Life, Failure> {
        super::refuse_odd(instance)?;
        let Some(record) = Record::read(self.layout(), instance)? else { return Ok(Life::Absent) };
        let Some(spec) = self.process.spec(instance)? else { return Ok(Life::Absent) };
        let place = self.layout().instance(instance);
        let process = self.main_process(&spec);
        let ended = match process {
            Some(_) => ended(&place),
            None => ended_at_last(&place, &record),
        };
        let count = ended.as_ref().map_or(0, |it| it.count);
        if let Some(process) = process {
            return Ok(Life::Running(Running {
                pid: process.pid(),
                since_ms: begun_ms(&place).unwrap_or(record.started_at_ms),
                restarts: count,
                notified: spec.notify && is_active(&record.unit)?,
            }));
        }
        if place.join(STOPPING).exists() {
            return Ok(Life::Stopped);
        }
        Ok(Life::Exited(match ended {
            Some(ended) => Exited {
                how: how(&ended, &record, &place),
                at_ms: ended.at_ms,
                restarts: count.saturating_sub(1),
            },
            None => Exited {
                how: "ended, and systemd did not tell how".to_owned(),
                at_ms: 0,
                restarts: 0,
            },
        }))
    }

    /// The program's own first process.
    pub(super) fn main_process(&self, spec: &InstanceSpec) -> Option<Kin> {
        let mut all = kin::of_token(&spec.token);
        all.retain(|it| !is_ours(it.pid()));
        let is_child = |it: &Kin| all.iter().any(|other| other.pid() == it.parent());
        all.iter().find(|it| it.holder && !is_child(it)).copied()
    }
}

/// A process of ours that is about to become its program.
pub(super) fn beginning(spec: &InstanceSpec) -> Option<Kin> {
    kin::of_token(&spec.token).into_iter().find(|it| has_word(it.pid(), OURS[0]))
}

fn is_ours(pid: u32) -> bool {
    OURS.iter().any(|it| has_word(pid, it))
}

fn has_word(pid: u32, word: &[u8]) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = words.split(|it| *it == 0).skip(1);
    words.next() == Some(b"supervise") && words.any(|it| it == word)
}

/// systemd says so of what notifies once it has said `READY=1`.
fn is_active(unit: &str) -> Result<bool, Failure> {
    Ok(Shown::of(unit, &["ActiveState"])?.get("ActiveState") == "active")
}

/// systemd tells how it ended a moment after the kernel has ended it.
fn ended_at_last(place: &Path, record: &Record) -> Option<Ended> {
    let begun_ms = begun_ms(place);
    let give_up_at = Instant::now() + TOLD_WAIT;
    loop {
        let told = ended(place);
        let is_of_this_run = told.as_ref().is_some_and(|it| Some(it.at_ms) >= begun_ms);
        // After a boot nobody is left to tell it.
        let may_come = begun_ms.is_some() && unit::path(&record.unit).exists();
        if is_of_this_run || !may_come || Instant::now() >= give_up_at {
            return told;
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn ended(place: &Path) -> Option<Ended> {
    serde_json::from_slice(&fs::read(place.join(ENDED)).ok()?).ok()
}

fn begun_ms(place: &Path) -> Option<u64> {
    let begun = fs::metadata(place.join(format!("{BEGUN}0"))).and_then(|it| it.modified()).ok()?;
    u64::try_from(begun.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// In words.
fn how(ended: &Ended, record: &Record, place: &Path) -> String {
    if ended.code == Some(i32::from(EXIT_NOT_EXECUTED)) {
        let why = fs::read_to_string(place.join(NOT_EXECUTED)).unwrap_or_default();
        return format!("could not be executed: {why}");
    }
    let more = match (ended.out_of_memory, ended.result.as_deref()) {
        (true, _) => " (out of memory)".to_owned(),
        (false, Some("watchdog")) => {
            let ms = record.watchdog_ms.unwrap_or(0);
            format!(" (the watchdog: it said nothing for {ms} ms)")
        }
        (false, Some("timeout")) => " (systemd: it was not ready in time)".to_owned(),
        (false, Some("protocol")) => " (systemd: it ended before it was ready)".to_owned(),
        _ => String::new(),
    };
    match (ended.code, ended.signal, ended.result.as_deref()) {
        (Some(code), _, _) => format!("exit code {code}{more}"),
        (None, Some(signal), _) => format!("signal {signal}{more}"),
        (None, None, Some(result)) => format!("ended: systemd says {result}"),
        (None, None, None) => "ended, and systemd did not tell how".to_owned(),
    }
}
