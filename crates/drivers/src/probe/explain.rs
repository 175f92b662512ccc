//! Failures that explain themselves: what was seen, and what is likely the cause.

use super::{LocalProber, ports};
use crate::{blocking::blocking, runtime::process::HOST};
use engine::port::runtime::{Exited, Life, Runtime};
use model::{
    failure::{Blame, Failure},
    id::InstanceId,
    instance::Instance,
};
use std::time::Duration;
use supervise::port::{Belongs, listener_belongs_to};

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
        let failure = match cause_of_exit(exited, &lines) {
            Some(cause) => failure.hint(cause),
            None => failure.hint("its last lines may say why; try its command by hand"),
        };
        with_lines(failure, instance, &lines)
    }

    /// Adds who listens, the instance's state and its last lines.
    pub(super) async fn explained(&self, instance: &Instance, failure: Failure) -> Failure {
        let mut failure = failure;
        if let Some(port) = instance.port {
            failure = failure.evidence(self.who_listens(instance, port).await);
        }
        if let Ok(Life::Exited(exited)) = self.runtime.observe(&instance.id).await {
            failure = failure.evidence(format!("{}: {}", instance.id, exited.how));
        }
        let lines = self.runtime.last_lines(&instance.id, LINES_SHOWN).await;
        with_lines(failure, &instance.id, &lines)
    }

    async fn who_listens(&self, instance: &Instance, port: u16) -> String {
        match self.listener(instance, port).await {
            Ok(Belongs::Yes) => format!("{} listens on port {port}", instance.id),
            Ok(Belongs::No { pid, name }) => format!("{name} (pid {pid}) listens on port {port}"),
            Ok(Belongs::NobodyListens) => format!("nobody listens on port {port}"),
            Err(failure) => failure.message,
        }
    }

    /// Whose the listener on the instance's port is.
    pub(super) async fn listener(
        &self,
        instance: &Instance,
        port: u16,
    ) -> Result<Belongs, Failure> {
        let token = self.token(&instance.id)?;
        blocking(move || Ok(listener_belongs_to(port, &token))).await
    }

    /// Why nobody listens on the instance's port, as far as it can be seen.
    pub(super) async fn why_nobody_listens(&self, instance: &Instance, port: u16) -> String {
        let Ok(token) = self.token(&instance.id) else { return String::new() };
        let found = blocking(move || Ok(ports::listened_on_by(&token))).await.unwrap_or_default();
        if found.contains(&port) {
            return format!(
                "it listens on port {port}, but not where {HOST} is answered: make it listen on \
                 the variable HOST, or on 0.0.0.0"
            );
        }
        let others: Vec<String> =
            found.iter().filter(|it| **it != port).map(u16::to_string).collect();
        if others.is_empty() {
            return format!(
                "it listens on no port: make it listen on the variable PORT ({port}), or give it \
                 more time by `start_timeout`"
            );
        }
        format!(
            "it listens on {}, not on PORT {port}: make it read the variable PORT, or put \
             `{{port}}` into its command",
            others.join(", ")
        )
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

/// What is known to lead to such an end.
fn cause_of_exit(exited: &Exited, lines: &[String]) -> Option<String> {
    const CAUSES: [(&str, &str); 7] = [
        ("eaddrinuse", "it wants a port that is taken: make it listen on the variable PORT only"),
        ("address already in use", "it wants a port that is taken: make it listen on PORT only"),
        ("cannot find module", "a module is missing: install its dependencies into the release"),
        ("modulenotfounderror", "a module is missing: install its dependencies into the release"),
        ("no such file or directory", "a file is missing: see whether all it needs is sent"),
        ("permission denied", "it may not do what it wants: see its files' modes and `user`"),
        ("eacces", "it may not do what it wants: see its files' modes and `user`"),
    ];
    const QUIET_END: &str =
        "a service must keep running: see that it does not put itself in the background";
    if exited.how.contains("out of memory") {
        return Some(
            "it needs more memory: raise `limits.memory`, or make it need less".to_owned(),
        );
    }
    if exited.how.contains("could not be executed") {
        return Some("check `command`: its program must be in the release or in PATH".to_owned());
    }
    let said = lines.join("\n").to_lowercase();
    let known = CAUSES.iter().find(|(text, _)| said.contains(text)).map(|(_, cause)| *cause);
    known.or((exited.how == "exit code 0").then_some(QUIET_END)).map(str::to_owned)
}
