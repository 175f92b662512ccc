//! Jobs that run by the clock, as one-off processes of the release that is in force.

use crate::{
    deploy::Engine,
    port::{
        job_book::JobBook,
        one_off::{OneOffRunner, Seen},
    },
};
use model::{
    failure::{Blame, Failure},
    id::InstanceId,
    name::EnvironmentId,
    one_off::{Ended, FORMAT, Life, OneOff},
    release::Release,
    schedule::{LATE_MAX, Memory, Next, Run, Schedule},
    service::ServiceSpec,
};
use std::sync::Arc;

/// Who asks for it.
const BY: &str = "schedule";

/// Begins jobs when they are due.
#[derive(Clone)]
pub struct Schedules {
    /// Knows which release is in force.
    pub engine: Arc<Engine>,
    /// Runs them.
    pub runner: Arc<dyn OneOffRunner>,
    /// Remembers them.
    pub book: Arc<dyn JobBook>,
}

/// A job of the release in force.
struct Job<'a> {
    release: &'a Release,
    service: &'a ServiceSpec,
    schedule: &'a Schedule,
}

impl Schedules {
    /// Looks at every job once: notes what ended, and begins what is due.  To be called again and
    /// again, by one only.
    ///
    /// # Errors
    ///
    /// The first of its failures; every job was looked at all the same.
    pub async fn tend(&self) -> Result<(), Failure> {
        let seen = self.runner.list().await?;
        let mut first = Ok(());
        for environment in self.book.environments().await? {
            let tended = self.tend_environment(&environment, &seen).await;
            first = first.and(tended);
        }
        first
    }

    async fn tend_environment(
        &self,
        environment: &EnvironmentId,
        seen: &[Seen],
    ) -> Result<(), Failure> {
        let roster = self.engine.roster(environment).await?;
        let Some(current) = &roster.current else { return Ok(()) };
        let release = self.engine.release_in_force(environment, &current.id).await?;
        let mut first = Ok(());
        for service in &release.spec.services {
            let Some(schedule) = &service.schedule else { continue };
            let job = Job { release: &release, service, schedule };
            first = first.and(self.tend_job(&job, seen, roster.is_stopped).await);
        }
        first
    }

    async fn tend_job(&self, job: &Job<'_>, seen: &[Seen], stopped: bool) -> Result<(), Failure> {
        let (environment, name) = (&job.release.spec.id, &job.service.name);
        let memory = self.book.job(environment, name).await?;
        let memory = match memory {
            Some(memory) => Some(self.settle(job, memory, seen).await?),
            None => None,
        };
        let now_ms = self.engine.ports.clock.now_ms();
        let mine = |it: &&Seen| {
            let one_off = &it.one_off;
            one_off.scheduled && one_off.environment == *environment && one_off.service == *name
        };
        let runs = seen.iter().filter(mine).any(|it| !matches!(it.life, Life::Ended(_)))
            || memory.as_ref().is_some_and(|it| it.open().is_some());
        let next = job.schedule.next(memory.as_ref(), runs, now_ms).map_err(|why| {
            let message = format!("run `{name}` of {environment} by its schedule: {why}");
            Failure::new(Blame::Release, message)
        })?;
        let next = match next {
            Next::Wait => return Ok(()),
            // What was due while it was stopped on purpose was not missed.
            _ if stopped => Next::Pass { busy: false },
            next => next,
        };
        let run = |due_ms| run(job, due_ms, now_ms);
        let after = memory.unwrap_or_default().after(next, run, now_ms);
        // Intent is durable before the act: what was begun is never begun again.
        self.book.set_job(environment, name, &after).await?;
        match after.open().filter(|_| matches!(next, Next::Begin { .. })) {
            Some(run) => self.begin(job, run).await,
            None => Ok(()),
        }
    }

    /// Notes how the last run ended; one whose beginning was cut short is begun after all.
    async fn settle(
        &self,
        job: &Job<'_>,
        memory: Memory,
        seen: &[Seen],
    ) -> Result<Memory, Failure> {
        let Some(run) = memory.open() else { return Ok(memory) };
        let found = seen.iter().find(|it| it.one_off.id == run.id);
        let now_ms = self.engine.ports.clock.now_ms();
        let ended = match found.map(|it| &it.life) {
            Some(Life::Ended(ended)) => ended.clone(),
            Some(Life::Running { .. }) => return Ok(memory),
            Some(Life::Begun) | None => {
                let late = now_ms.saturating_sub(memory.decided_ms) > LATE_MAX.0;
                if !late && run.version == job.release.version {
                    self.begin(job, run).await?;
                }
                if !late {
                    return Ok(memory);
                }
                Ended { at_ms: now_ms, ..Ended::default() }
            }
        };
        let last = Some(Run { ended: Some(ended), ..run.clone() });
        let memory = Memory { last, ..memory };
        self.book.set_job(&job.release.spec.id, &job.service.name, &memory).await?;
        Ok(memory)
    }

    async fn begin(&self, job: &Job<'_>, run: &Run) -> Result<(), Failure> {
        let ports = &self.engine.ports;
        let one_off = OneOff {
            format: FORMAT,
            id: run.id.clone(),
            environment: job.release.spec.id.clone(),
            service: job.service.name.clone(),
            release: job.release.id.clone(),
            version: job.release.version.clone(),
            command: job.service.command.clone(),
            time_limit_ms: Some(job.schedule.time_limit.0),
            detached: true,
            by: BY.to_owned(),
            begun_at_ms: ports.clock.now_ms(),
            scheduled: true,
            migration: None,
        };
        self.runner.begin(&one_off, job.release, ports.journal.epoch()).await
    }
}

/// The number of the run is its time, so that there is one of it.
fn run(job: &Job<'_>, due_ms: u64, now_ms: u64) -> Run {
    let (environment, service) = (job.release.spec.id.stem(), &job.service.name);
    Run {
        id: InstanceId(format!("{environment}.{service}.run.{now_ms}")),
        version: job.release.version.clone(),
        due_ms,
        ended: None,
    }
}
