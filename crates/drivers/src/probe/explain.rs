//! Failures that explain themselves: what was seen, and what is likely the cause.

use super::{LocalProber, ports};
use crate::{blocking::blocking, runtime::process::HOST, state};
use engine::port::runtime::{Exited, Life, Runtime};
use model::{
    cause::{self, End, Listening},
    failure::{Blame, Failure},
    id::InstanceId,
    instance::Instance,
};
use std::time::Duration;
use supervise::port::{Belongs, socket_belongs_to};

/// Of the instance's output.
pub(super) const LINES_SHOWN: usize = 50;
/// An exit is known this soon.
const EXIT_INTERVAL: Duration = Duration::from_millis(40);

impl LocalProber {
    /// Returns when the instance does not run any more, or nobody can say.
    pub(super) async fn exit_of(&self, instance: &InstanceId) -> Failure {
        loop {
            match self.runtime.observe(instance).await {
                Ok(Life::Running(_)) => tokio::time::sleep(EXIT_INTERVAL).await,
                Ok(Life::Exited(exited)) => return self.exited(instance, &exited).await,
                Ok(Life::Absent | Life::Stopped) => return stopped(instance),
                Err(failure) => return failure,
            }
        }
    }

    pub(super) async fn exited(&self, instance: &InstanceId, exited: &Exited) -> Failure {
        let message = format!("keep {instance} running: {}", exited.how);
        let failure = Failure::new(Blame::Release, message);
        let lines = self.runtime.last_lines(instance, LINES_SHOWN).await;
        let failure = match cause::of_end(End { how: &exited.how, lines: &lines }) {
            Some(cause) => failure.hint(cause),
            None => failure.hint("its last lines may say why; try its command by hand"),
        };
        with_lines(failure, instance, &lines)
    }

    /// Adds who listens, the instance's state and its last lines.
    pub(super) async fn explained(&self, instance: &Instance, failure: Failure) -> Failure {
        let mut failure = failure;
        if let Some(address) = self.layout().address(instance) {
            failure = failure.evidence(self.who_listens(instance, &address).await);
        }
        match self.runtime.observe(&instance.id).await {
            Ok(Life::Exited(exited)) => {
                failure = failure.evidence(format!("{}: {}", instance.id, exited.how));
            }
            Ok(Life::Running(running)) if state::is_halted(running.pid) => {
                let pid = running.pid;
                failure = failure.evidence(format!("{}: process {pid} is halted", instance.id));
                let cause = format!(
                    "a signal (SIGSTOP) halted it: find out who sent that; `kill -CONT {pid}` lets \
                     it go on"
                );
                failure.hints.insert(0, cause);
            }
            _ => {}
        }
        let lines = self.runtime.last_lines(&instance.id, LINES_SHOWN).await;
        if let Some(cause) = cause::of_lines(&lines)
            && !failure.hints.contains(&cause)
        {
            failure = failure.hint(format!("its last lines may say why: {cause}"));
        }
        with_lines(failure, &instance.id, &lines)
    }

    async fn who_listens(&self, instance: &Instance, address: &str) -> String {
        let at = match instance.port {
            Some(port) => format!("on port {port}"),
            None => format!("at {address}"),
        };
        match self.listener(instance).await {
            Ok(Belongs::Yes) => format!("{} listens {at}", instance.id),
            Ok(Belongs::No { pid, name }) => format!("{name} (pid {pid}) listens {at}"),
            Ok(Belongs::NobodyListens) => format!("nobody listens {at}"),
            Err(failure) => failure.message,
        }
    }

    /// Whose the listener at the instance's port or socket is.
    pub(super) async fn listener(&self, instance: &Instance) -> Result<Belongs, Failure> {
        let token = self.token(&instance.id)?;
        match instance.port {
            Some(port) => self.runtime.listener(&instance.id, port, token).await,
            None => {
                let path = self.layout().socket(&instance.id);
                blocking(move || Ok(socket_belongs_to(&path, &token))).await
            }
        }
    }

    /// Why nobody listens where the instance should, as far as it can be seen.
    pub(super) async fn why_nobody_listens(&self, instance: &Instance) -> String {
        let Some(port) = instance.port else {
            return "let it listen at the socket whose path is in PORT, under that very name"
                .to_owned();
        };
        let Ok(token) = self.token(&instance.id) else { return String::new() };
        let found = blocking(move || Ok(ports::listened_on_by(&token))).await.unwrap_or_default();
        cause::of_listening(Listening { host: HOST, port, found: &found })
    }

    fn token(&self, instance: &InstanceId) -> Result<String, Failure> {
        self.runtime.spec(instance)?.map(|it| it.token).ok_or_else(|| stopped(instance))
    }
}

pub(super) fn stopped(instance: &InstanceId) -> Failure {
    Failure::new(Blame::Platform, format!("ask {instance}: it was stopped meanwhile"))
}

pub(super) fn with_lines(failure: Failure, instance: &InstanceId, lines: &[String]) -> Failure {
    if lines.is_empty() {
        return failure.evidence(format!("{instance} has written nothing"));
    }
    failure.evidence(format!("last lines of {instance}:\n{}", lines.join("\n")))
}
