//! Hooks, each a one-off process that its deployment waits for.

use super::{follow::evidence, one_off::OneOffProcesses};
use crate::{blocking::blocking, clock::SystemClock};
use async_trait::async_trait;
use engine::port::{clock::Clock, hook::HookRunner, one_off::OneOffRunner, prober::Note};
use model::{
    failure::{Blame, Failure},
    hook::HookRun,
    id::Epoch,
    name::EnvironmentId,
    one_off::{Ended, FORMAT, Life, OneOff},
    release::Release,
};

/// Lines of its output that are told; the rest is in its file.
const LINES_MAX: usize = 500;

#[async_trait]
impl HookRunner for OneOffProcesses {
    async fn run(
        &self,
        environment: &EnvironmentId,
        hook: &HookRun,
        release: &Release,
        epoch: Epoch,
        note: &Note,
    ) -> Result<(), Failure> {
        let one_off = one_off(environment, hook);
        let (this, to_begin, release) = (self.clone(), one_off.clone(), release.clone());
        let mut variables = hook.variables.clone();
        let directory = self.layout().release(environment, &hook.version);
        variables.insert("CUTOVER_RELEASE_DIR".into(), directory.display().to_string());
        blocking(move || this.begin_now(&to_begin, &release, epoch, &variables)).await?;
        let (ended, told) = self.follow(environment, &hook.id, &hook.name, LINES_MAX, note).await?;
        judged(hook, &ended, &told)
    }

    async fn stop(&self, hook: &HookRun, epoch: Epoch) -> Result<(), Failure> {
        match self.look(&hook.id).await? {
            Some(seen) if !matches!(seen.life, Life::Ended(_)) => {
                OneOffRunner::stop(self, &hook.id, epoch).await
            }
            _ => Ok(()),
        }
    }
}

fn one_off(environment: &EnvironmentId, hook: &HookRun) -> OneOff {
    OneOff {
        format: FORMAT,
        id: hook.id.clone(),
        environment: environment.clone(),
        service: hook.service.clone(),
        release: hook.release.clone(),
        version: hook.version.clone(),
        command: hook.command.clone(),
        time_limit_ms: Some(hook.timeout.0),
        // Its deployment waits for it, also across lives of the controller.
        detached: true,
        by: format!("hook {}", hook.name),
        begun_at_ms: SystemClock.now_ms(),
        scheduled: false,
        migration: None,
    }
}

fn judged(hook: &HookRun, ended: &Ended, told: &[String]) -> Result<(), Failure> {
    let how = match (ended.timed_out, &ended.not_executed, ended.code, ended.signal) {
        (false, None, Some(0), _) => return Ok(()),
        (true, ..) => format!("it did not end within {} ms", hook.timeout.0),
        (_, Some(why), ..) => format!("it could not be executed: {why}"),
        (_, _, Some(code), _) => format!("exit code {code}"),
        (_, _, _, Some(signal)) => format!("signal {signal}"),
        (.., None) => "nobody knows how it ended".to_owned(),
    };
    let message = format!("run the hook {}: {how}", hook.name);
    let failure = Failure::new(Blame::Platform, message)
        .hint("`hooks` in the configuration says what is run there");
    Err(evidence(failure, told))
}
