//! How an instance is: what the kernel says of its processes, and what PM2 lists.

use super::{
    Pm2Runtime,
    home::unanswered,
    listed::{self, Listed},
    record::Record,
    wire::Unanswered,
};
use engine::port::runtime::{Exited, Life, Running};
use model::{failure::Failure, id::InstanceId};
use std::{fs, path::Path, time::UNIX_EPOCH};
use supervise::{
    becoming::{
        BEGUN, ENDED, EXIT_NOT_EXECUTED, EXIT_NOT_WANTED, Ended, KEPT, NOT_EXECUTED, READY,
    },
    kin::{self, Kin},
    spec::InstanceSpec,
};

/// While this file is there, a stop is on its way.
pub(super) const STOPPING: &str = "stopping";
/// A file's time is that of the kernel's last tick.
const CLOCK_SLACK_MS: u64 = 50;
/// What is read of PM2's own log, from its end.
const LOG_BYTES: u64 = 256 * 1024;

/// An instance that PM2 was told of.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: Record,
    pub(super) spec: InstanceSpec,
    /// Ours of what it lists.
    pub(super) listed: Result<Vec<Listed>, Unanswered>,
}

impl Pm2Runtime {
    /// None: it was never started, or is removed.
    pub(super) fn look(&self, instance: &InstanceId) -> Result<Option<Known>, Failure> {
        super::refuse_odd(instance)?;
        let Some(record) = Record::read(self.layout(), instance)? else { return Ok(None) };
        let Some(spec) = self.process.spec(instance)? else { return Ok(None) };
        let listed = record.home.list().map(|list| {
            let mut ours = listed::all(&list);
            ours.retain(|it| it.is_of(instance, &spec.token));
            ours
        });
        Ok(Some(Known { record, spec, listed }))
    }

    pub(in crate::runtime) fn observe_now(&self, instance: &InstanceId) -> Result<Life, Failure> {
        let directory = self.layout().instance(instance);
        match self.look(instance)? {
            Some(known) => known.life(instance, &directory),
            None => Ok(Life::Absent),
        }
    }
}

impl Known {
    fn life(&self, instance: &InstanceId, place: &Path) -> Result<Life, Failure> {
        let stopping = place.join(STOPPING).exists();
        let ended = match &self.listed {
            Ok(all) if !all.is_empty() => {
                let kept = place.join(KEPT).exists();
                let runs = |it: &&Listed| it.runs() && (kept || stopping || is_wanted(it, place));
                let running: Vec<&Listed> = all.iter().filter(runs).collect();
                let ended = all.iter().find(|it| !runs(it));
                // Where none is started again, the end of one is the end of all.
                let counts = kept || stopping || ended.is_none();
                if let (Some(first), true) = (running.first(), counts) {
                    return Ok(Life::Running(self.running(first, &running, place)));
                }
                ended.map(|it| self.ended(it, place))
            }
            _ => None,
        };
        if stopping && ended.is_some() {
            return Ok(Life::Stopped);
        }
        if let Some(ended) = ended {
            return Ok(Life::Exited(ended));
        }
        // PM2 lost it, or says nothing: the kernel knows what lives.
        if let Some(kin) = eldest(&self.spec.token) {
            return Ok(Life::Running(Running {
                pid: kin.pid(),
                since_ms: self.record.started_at_ms,
                restarts: 0,
                notified: ready(place) >= self.record.workers(),
            }));
        }
        let how = match &self.listed {
            Err(why @ (Unanswered::Silent(_) | Unanswered::Refused(_))) => {
                return Err(unanswered(&format!("ask how {instance} is"), &self.record.home, why));
            }
            _ if stopping => return Ok(Life::Stopped),
            Err(Unanswered::NotRunning) => "ended, and PM2's daemon does not run",
            Ok(_) => "ended, and PM2 does not list it any more",
        };
        Ok(Life::Exited(Exited { how: how.to_owned(), at_ms: 0, restarts: 0 }))
    }

    fn running(&self, first: &Listed, all: &[&Listed], place: &Path) -> Running {
        Running {
            pid: first.pid,
            since_ms: all.iter().map(|it| it.pm_uptime).max().unwrap_or(0),
            restarts: all.iter().map(|it| it.restart_time).sum(),
            notified: ready(place) >= self.record.workers(),
        }
    }

    fn ended(&self, one: &Listed, place: &Path) -> Exited {
        let told: Option<Ended> =
            fs::read(place.join(ENDED)).ok().and_then(|it| serde_json::from_slice(&it).ok());
        let code = match told.as_ref().and_then(|it| it.code) {
            Some(code) => Some(code),
            None => one.exit_code.filter(|it| *it != i32::from(EXIT_NOT_WANTED)),
        };
        let how = match code {
            Some(code) if code == i32::from(EXIT_NOT_EXECUTED) => format!(
                "could not be executed: {}",
                fs::read_to_string(place.join(NOT_EXECUTED)).unwrap_or_default()
            ),
            _ => match signal_of(&self.record, one) {
                Some(signal) => signal,
                None => code.map_or_else(
                    || format!("ended, and PM2 says {} and not how", one.status),
                    |code| format!("exit code {code}"),
                ),
            },
        };
        Exited {
            how,
            at_ms: told.map_or(one.pm_uptime, |it| it.at_ms),
            // Of what is not kept, PM2's last start is the one that ends at the gate.
            restarts: match place.join(KEPT).exists() {
                true => one.restart_time,
                false => one.restart_time.saturating_sub(1),
            },
        }
    }
}

/// Whether PM2's last start of it was not one that ends at the gate, or is about to.
fn is_wanted(one: &Listed, place: &Path) -> bool {
    let marker = fs::metadata(place.join(format!("{BEGUN}{}", one.pm_id)));
    let begun = marker.and_then(|it| it.modified()).ok();
    let begun = begun.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    let begun_ms = begun.and_then(|it| u64::try_from(it.as_millis()).ok());
    // The one that was begun is older than its marker; the next is younger by PM2's pause at least.
    begun_ms.is_none_or(|it| one.pm_uptime <= it + CLOCK_SLACK_MS)
}

/// How many workers said that they are ready.
fn ready(place: &Path) -> usize {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let said = |it: &fs::DirEntry| {
        it.file_name().to_str().is_some_and(|it| it.starts_with(READY))
            && it.metadata().is_ok_and(|it| it.len() > 0)
    };
    entries.filter(said).count()
}

/// The first process of it that is not another one's child.
fn eldest(token: &str) -> Option<Kin> {
    let all = kin::of_token(token);
    let is_child = |it: &Kin| all.iter().any(|other| other.pid() == it.parent());
    all.iter().find(|it| it.holder && !is_child(it)).copied()
}

/// PM2 keeps only the exit code, and its log says by which signal a process ended.
fn signal_of(record: &Record, one: &Listed) -> Option<String> {
    let text = super::lines::end_of(&record.home.path.join("pm2.log"), LOG_BYTES);
    let lead = format!("App [{}:{}] exited with code [", record.name, one.pm_id);
    let refused = format!("{lead}{EXIT_NOT_WANTED}]");
    let line = text.lines().rev().find(|it| it.contains(&lead) && !it.contains(&refused))?;
    let (code, signal) = line.split_once(&lead)?.1.split_once("] via signal [")?;
    let signal = signal.strip_suffix(']')?;
    // It writes this one where there was none.
    let none = signal == "SIGINT" || signal.is_empty();
    (code == "0" && !none).then(|| format!("signal {}", number(signal)))
}

fn number(signal: &str) -> String {
    const NUMBERS: [(&str, u8); 10] = [
        ("SIGHUP", 1),
        ("SIGQUIT", 3),
        ("SIGILL", 4),
        ("SIGTRAP", 5),
        ("SIGABRT", 6),
        ("SIGBUS", 7),
        ("SIGFPE", 8),
        ("SIGKILL", 9),
        ("SIGSEGV", 11),
        ("SIGTERM", 15),
    ];
    let known = NUMBERS.iter().find(|it| it.0 == signal);
    known.map_or_else(|| signal.to_owned(), |it| it.1.to_string())
}
