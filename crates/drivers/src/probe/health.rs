//! One asking of an instance's health.

use super::{
    LocalProber,
    http::{Question, Response, Silence},
};
use crate::{
    account,
    host::{self, Command},
    runtime::process::{HOST, placeholders_filled, service_of, variables},
};
use model::{
    failure::{Blame, Failure},
    instance::Instance,
    release::Release,
    service::{HealthSpec, Probe},
    verdict::{Observation, trouble},
};
use std::ffi::OsString;
use supervise::port::Belongs;
use tokio::{net::TcpStream, time::timeout};

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
                let connected = timeout(health.timeout.duration(), TcpStream::connect(&address));
                let what = match connected.await {
                    Ok(Ok(_)) => return Ok(()),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => format!("no connection within {} ms", health.timeout.0),
                };
                Err(Failure::new(Blame::Release, format!("connect to {address}: {what}")))
            }
            Probe::Command { command } => self.run(instance, release, health, command).await,
        }
    }

    /// Where the instance answers, once its listener is known to be its own.
    pub(super) async fn own_address(&self, instance: &Instance) -> Result<String, Failure> {
        let id = &instance.id;
        let Some(port) = instance.port else {
            return Err(Failure::new(Blame::Request, format!("ask {id}: it has no port"))
                .hint("give the service `routes`, or use a `command` probe"));
        };
        match self.listener(instance, port).await? {
            Belongs::Yes => Ok(format!("{HOST}:{port}")),
            Belongs::NobodyListens => {
                let message = format!("ask {id}: nobody listens on its port {port} any more");
                Err(Failure::new(Blame::Release, message))
            }
            Belongs::No { pid, name } => {
                let message = format!("ask {id}: its port {port} is held by {name} (pid {pid})");
                Err(Failure::new(Blame::Platform, message))
            }
        }
    }

    async fn run(
        &self,
        instance: &Instance,
        release: &Release,
        health: &HealthSpec,
        argv: &[String],
    ) -> Result<(), Failure> {
        let argv: Vec<String> =
            argv.iter().map(|it| placeholders_filled(it, instance, release)).collect();
        let Some((program, arguments)) = argv.split_first() else {
            return Err(Failure::new(Blame::Request, "ask by a command that is empty"));
        };
        let directory = self.runtime.directory(instance);
        let is_in_release = program.contains('/') && !program.starts_with('/');
        let program: OsString =
            if is_in_release { directory.join(program).into() } else { program.into() };
        let mut command = Command::new(program, health.timeout.duration()).arguments(arguments);
        command.directory = Some(directory);
        command.environment = variables(instance, release)?;
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
fn explained_answer(question: &Question, response: &Response, why: &str) -> Failure {
    let mut message = format!("ask {question}: {why}");
    let mut hints = vec![];
    if let Some(target) = response.redirect() {
        message.push_str(&format!(", a redirect to {target}"));
        hints.push(if question.leads_to_itself(target) {
            format!("it sends {} to itself: an endless redirect", question.path)
        } else if target.starts_with("https:") {
            "it insists on https: let it answer its health path over plain http from 127.0.0.1"
                .to_owned()
        } else {
            format!("ask {target} itself: redirects are not followed")
        });
    }
    match response.status {
        404 => hints.push(format!("see that it serves {}, or set another path", question.path)),
        401 | 403 => hints.push("let it answer this path without a login".to_owned()),
        400 | 421 => hints.push("let it accept 127.0.0.1 as a host name".to_owned()),
        _ => {}
    }
    let failure =
        Failure::new(Blame::Release, message).evidence(format!("{question}\n{}", response.shown()));
    hints.into_iter().fold(failure, Failure::hint)
}
