//! How an instance is: what its `supervise` says, or else what it left and `/proc` says.

use super::{ProcessRuntime, refuse_odd};
use crate::machine::boot_id;
use engine::port::runtime::{Exited, Life, Running};
use model::{
    failure::{Blame, Failure},
    id::InstanceId,
};
use std::{
    fs,
    io::ErrorKind,
    thread,
    time::{Duration, Instant},
};
use supervise::{
    client::{self, ClientError},
    message::{Answer, Ask, Child, Exit, Status},
};

/// For an answer that needs no work.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// For a new `supervise` to answer.
pub(super) const BEGIN_WAIT: Duration = Duration::from_secs(10);
pub(super) const BEGIN_PAUSE: Duration = Duration::from_millis(3);

/// What is there under an instance's id.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    /// Nothing.
    Absent,
    /// Its `supervise` answers.
    Supervised(Status),
    /// Nobody answers; what was last written, if it is of this boot.
    Left(Option<Status>),
}

impl ProcessRuntime {
    pub(super) fn look(&self, instance: &InstanceId) -> Result<Sight, Failure> {
        refuse_odd(instance)?;
        let root = self.layout().root();
        match client::ask(root, &instance.0, &Ask::Status, ANSWER_WAIT) {
            Ok(Answer::Status(status)) => Ok(Sight::Supervised(status)),
            Err(ClientError::NotRunning) => self.look_at_what_is_left(instance),
            answer => Err(unanswered(instance, &answer)),
        }
    }

    fn look_at_what_is_left(&self, instance: &InstanceId) -> Result<Sight, Failure> {
        let directory = self.layout().instance(instance);
        match fs::symlink_metadata(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Sight::Absent),
            Err(error) => return Err(crate::file::failure("look at", &directory, &error)),
            Ok(_) => {}
        }
        let status = client::read_status(self.layout().root(), &instance.0);
        Ok(Sight::Left(status.filter(|it| it.boot_id == boot_id())))
    }

    pub(in crate::runtime) fn observe_now(&self, instance: &InstanceId) -> Result<Life, Failure> {
        let life = match self.look(instance)? {
            Sight::Absent => Life::Absent,
            Sight::Supervised(status) => life(&status, status.child.as_ref()),
            Sight::Left(None) => Life::Exited(Exited {
                how: "ended with an earlier start of the machine, or before it ran".to_owned(),
                at_ms: 0,
                restarts: 0,
            }),
            Sight::Left(Some(status)) => {
                let child = status.child.as_ref().filter(|child| is_alive(child));
                // A child without its supervise runs on, but nobody reads what it writes.
                if child.is_some() && self.shared.program.is_some() {
                    self.adopt(instance)?;
                }
                life(&status, child)
            }
        };
        Ok(life)
    }

    /// Starts a `supervise` for what one that died left, and waits until it answers.
    pub(super) fn adopt(&self, instance: &InstanceId) -> Result<Status, Failure> {
        self.spawn(instance, true)?;
        self.until_answered(instance, |_| true)
    }

    pub(super) fn spawn(&self, instance: &InstanceId, adopt: bool) -> Result<(), Failure> {
        let root = self.layout().root();
        let Some(program) = &self.shared.program else {
            let message = format!("run `supervise` for {instance}: it may only be looked at here");
            return Err(Failure::new(Blame::Us, message));
        };
        client::spawn(program, root, &instance.0, adopt).map(drop).map_err(|error| {
            let message = format!("run `{} supervise` for {instance}: {error}", program.display());
            Failure::new(Blame::Platform, message)
        })
    }

    /// Waits until its `supervise` answers something that is `enough`.
    pub(super) fn until_answered(
        &self,
        instance: &InstanceId,
        enough: impl Fn(&Status) -> bool,
    ) -> Result<Status, Failure> {
        let deadline = Instant::now() + BEGIN_WAIT;
        let root = self.layout().root();
        loop {
            let answer = client::ask(root, &instance.0, &Ask::Status, ANSWER_WAIT);
            // One that goes on with a stop, and finds nobody left, has ended before it is asked.
            if matches!(answer, Err(ClientError::NotRunning))
                && let Some(status) = client::read_status(root, &instance.0)
                && status.gone
                && enough(&status)
            {
                return Ok(status);
            }
            match answer {
                Ok(Answer::Status(status)) if enough(&status) => return Ok(status),
                Ok(Answer::Status(_)) | Err(ClientError::NotRunning)
                    if Instant::now() < deadline =>
                {
                    thread::sleep(BEGIN_PAUSE);
                }
                answer => {
                    let failure = unanswered(instance, &answer);
                    return Err(self.with_own_log(instance, failure));
                }
            }
        }
    }

    /// Why a `supervise` does not work is in its own log.
    fn with_own_log(&self, instance: &InstanceId, failure: Failure) -> Failure {
        const LINES_SHOWN: usize = 5;
        let path = self.layout().instance(instance).join("supervise.log");
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
        if last.is_empty() {
            return failure;
        }
        failure.evidence(format!("{}:\n{}", path.display(), last.join("\n")))
    }
}

fn unanswered(instance: &InstanceId, answer: &Result<Answer, ClientError>) -> Failure {
    let what = match answer {
        Err(error) => error.to_string(),
        Ok(Answer::Refused { message }) => message.clone(),
        Ok(other) => format!("it answered something else: {other:?}"),
    };
    Failure::new(Blame::Platform, format!("ask how {instance} is: {what}"))
        .hint("see whether its supervise process is stopped or starved, then try again")
}

/// Whether it is still this very process, and not another one with its number.
pub(super) fn is_alive(child: &Child) -> bool {
    const FIELDS_FROM_STATE_TO_START: usize = 18;
    let Ok(stat) = fs::read(format!("/proc/{}/stat", child.pid)) else { return false };
    // The name is in parentheses and may hold any byte, so the last one ends it.
    let Some(end) = stat.iter().rposition(|byte| *byte == b')') else { return false };
    let rest = String::from_utf8_lossy(&stat[end + 1..]).into_owned();
    let mut fields = rest.split_ascii_whitespace();
    let is_zombie = fields.next().is_none_or(|state| state == "Z" || state == "X");
    let start = fields.nth(FIELDS_FROM_STATE_TO_START).and_then(|it| it.parse::<u64>().ok());
    !is_zombie && start == Some(child.start_ticks)
}

fn life(status: &Status, child: Option<&Child>) -> Life {
    if let Some(child) = child {
        return Life::Running(Running {
            pid: child.pid,
            since_ms: child.started_at_ms,
            restarts: status.restarts,
            notified: status.ready,
        });
    }
    if status.stopping {
        return Life::Stopped;
    }
    let how = status.exit.as_ref().map_or_else(unknown, how);
    let at_ms = status.exit.as_ref().map_or(0, |exit| exit.at_ms);
    Life::Exited(Exited { how, at_ms, restarts: status.restarts })
}

fn unknown() -> String {
    "ended, and nobody knows how: its supervise process had ended before it".to_owned()
}

/// In words.
fn how(exit: &Exit) -> String {
    let memory = if exit.out_of_memory { " (out of memory)" } else { "" };
    match (&exit.spawn_error, exit.code, exit.signal) {
        (Some(error), _, _) => format!("could not be executed: {error}"),
        (None, Some(code), _) => format!("exit code {code}{memory}"),
        (None, None, Some(signal)) => format!("signal {signal}{memory}"),
        (None, None, None) => unknown(),
    }
}
