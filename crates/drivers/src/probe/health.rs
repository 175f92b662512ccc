//! One asking of an instance's health.

use super::{
    LocalProber,
    http::{Question, REFUSED, Response, Silence},
    way,
};
use crate::{
    account,
    host::{self, Command},
    runtime::process::{placeholders_filled, service_of, variables},
};
use model::{
    cause::{self, Answer},
    failure::{Blame, Failure},
    instance::Instance,
    release::Release,
    service::{HealthSpec, Millis, Probe},
    verdict::{Observation, trouble},
};
use std::{ffi::OsString, time::Duration};
use supervise::port::Belongs;
use tokio::time::timeout;

impl LocalProber {
    pub(super) async fn ask_once(
        &self,
        instance: &Instance,
        release: &Release,
        health: &HealthSpec,
    ) -> Result<(), Failure> {
        match &health.probe {
            Probe::Http { path, status } => {
                let address = self.own_address(instance).await?;
                let question = Question::get(&address, path, health.timeout.duration());
                judged(&question, question.ask().await, *status)
            }
            Probe::Tcp => {
                let address = self.own_address(instance).await?;
                connected(&address, health.timeout).await
            }
            Probe::Command { command } => {
                self.run(instance, release, health.timeout.duration(), command).await
            }
        }
    }

    /// Where the instance answers, once its listener is known to be its own.
    pub(super) async fn own_address(&self, instance: &Instance) -> Result<String, Failure> {
        let id = &instance.id;
        let Some(address) = self.layout().address(instance) else {
            return Err(Failure::new(Blame::Request, format!("ask {id}: it has no port"))
                .hint("give the service `routes`, or use a `command` probe"));
        };
        match self.listener(instance).await? {
            Belongs::Yes => Ok(address),
            Belongs::NobodyListens => {
                let message = format!("ask {id}: nobody listens at {address} any more");
                // Whoever asks is told of an exit at once: so it lives.
                Err(Failure::new(Blame::Release, message).hint(cause::of_refusal(true)))
            }
            Belongs::No { pid, name } => {
                let message = format!("ask {id}: {address} is held by {name} (pid {pid})");
                Err(Failure::new(Blame::Platform, message))
            }
        }
    }

    pub(super) async fn run(
        &self,
        instance: &Instance,
        release: &Release,
        time_limit: Duration,
        argv: &[String],
    ) -> Result<(), Failure> {
        let argv: Vec<String> = argv
            .iter()
            .map(|it| placeholders_filled(self.layout(), it, instance, release))
            .collect();
        let Some((program, arguments)) = argv.split_first() else {
            return Err(Failure::new(Blame::Request, "ask by a command that is empty"));
        };
        let directory = self.runtime.directory(instance);
        let is_in_release = program.contains('/') && !program.starts_with('/');
        let program: OsString =
            if is_in_release { directory.join(program).into() } else { program.into() };
        let mut command = Command::new(program, time_limit).arguments(arguments);
        command.directory = Some(directory);
        command.environment = variables(self.layout(), instance, release)?;
        let user = service_of(instance, release)?.user.as_deref();
        command.user = user.map(account::account).transpose()?.map(|it| (it.uid, it.gid));
        let shown = command.shown();
        let finished = host::run(command).await?;
        if finished.success {
            return Ok(());
        }
        Err(finished.failure(Blame::Release, &format!("see `{shown}` end with 0")))
    }
}

/// That somebody accepts there.
pub(super) async fn connected(address: &str, time_limit: Millis) -> Result<(), Failure> {
    let what = match timeout(time_limit.duration(), way::to(address)).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no connection within {} ms", time_limit.0),
    };
    Err(Failure::new(Blame::Release, format!("connect to {address}: {what}")))
}

/// Whether the answer says that the instance is healthy: by its status, and by what it says of
/// itself.
fn judged(
    question: &Question,
    answer: Result<Response, Silence>,
    wanted: u16,
) -> Result<(), Failure> {
    let response = answer.map_err(|silence| unheard(question, &silence))?;
    let Response { status, body, .. } = response.clone();
    match trouble(wanted, &Observation::Answered { status, body }) {
        None => Ok(()),
        Some(why) => Err(explained_answer(question, &response, &why)),
    }
}

pub(super) fn unheard(question: &Question, silence: &Silence) -> Failure {
    let failure = Failure::new(Blame::Release, format!("ask {question}: it {}", silence.what));
    let failure = match silence.what.as_str() {
        REFUSED => failure.hint(cause::of_refusal(true)),
        _ => failure,
    };
    match &silence.seen {
        Some(seen) => failure.evidence(format!("{question}\n{}", seen.shown())),
        None => failure.evidence(question.to_string()),
    }
}

pub(super) fn other_status(question: &Question, response: &Response, wanted: u16) -> Failure {
    let why = format!("it answered {} instead of {wanted}", response.status);
    explained_answer(question, response, &why)
}

/// A failure that shows the answer, and says what often leads to such a one.
pub(super) fn explained_answer(question: &Question, response: &Response, why: &str) -> Failure {
    let mut message = format!("ask {question}: {why}");
    if let Some(target) = response.redirect() {
        message.push_str(&format!(", a redirect to {target}"));
    }
    let causes = cause::of_answer(Answer {
        path: &question.path,
        origin: &question.origin(),
        status: response.status,
        location: response.redirect(),
    });
    let failure =
        Failure::new(Blame::Release, message).evidence(format!("{question}\n{}", response.shown()));
    causes.into_iter().fold(failure, Failure::hint)
}
