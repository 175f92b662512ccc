//! Asks instances and public routes.

mod bake;
mod check;
mod explain;
mod external;
mod fill;
mod front;
mod health;
mod http;
mod ports;
pub mod public;
mod ready;
mod smoke;
mod straight;
pub mod usage;
mod way;

use crate::{layout::Layout, router::EmbeddedRouter, runtime::ChosenRuntime};
use async_trait::async_trait;
use bake::Watch;
use engine::port::prober::{Baked, Note, Prober};
use model::{
    bake::BakeRule,
    check::Checks,
    failure::Failure,
    id::{Generation, InstanceId, ReleaseId},
    instance::Instance,
    name::EnvironmentId,
    nginx::FrontSpec,
    plan::{PublicRequest, ReadyCheck},
    release::Release,
    service::{Millis, SmokeTest},
};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A watcher hears something at least this often.
const NOTE_INTERVAL: Duration = Duration::from_millis(2_500);

/// Asks what runs on this machine.
#[derive(Clone, Debug)]
pub struct LocalProber {
    runtime: ChosenRuntime,
    router: EmbeddedRouter,
}

impl LocalProber {
    /// Of instances of this runtime, behind this router.
    pub fn new(runtime: ChosenRuntime, router: EmbeddedRouter) -> LocalProber {
        LocalProber { runtime, router }
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.runtime.layout()
    }
}

#[async_trait]
impl Prober for LocalProber {
    async fn ready(
        &self,
        instance: &Instance,
        release: &Release,
        check: &ReadyCheck,
        note: &Note,
    ) -> Result<(), Failure> {
        let notes = Notes::new(note);
        // An exit is a verdict at once, whatever is being asked.
        tokio::select! {
            biased;
            failure = self.exit_of(&instance.id) => Err(failure),
            ready = self.until_ready(instance, release, check, &notes) => ready,
        }
    }

    async fn smoke(
        &self,
        instance: &Instance,
        release: &Release,
        tests: &[SmokeTest],
    ) -> Result<(), Failure> {
        tokio::select! {
            biased;
            failure = self.exit_of(&instance.id) => Err(failure),
            passed = self.all_smoke_tests(instance, release, tests) => passed,
        }
    }

    async fn check(
        &self,
        instances: &[Instance],
        release: &Release,
        checks: &Checks,
        note: &Note,
    ) -> Result<(), Failure> {
        let notes = Notes::new(note);
        let ids: Vec<InstanceId> = instances.iter().map(|it| it.id.clone()).collect();
        tokio::select! {
            biased;
            failure = self.first_end_of(&ids) => Err(failure),
            passed = self.all_checks(instances, release, checks, &notes) => passed,
        }
    }

    async fn verify(
        &self,
        environment: &EnvironmentId,
        listen: &[String],
        requests: &[PublicRequest],
        release: &ReleaseId,
    ) -> Result<(), Failure> {
        self.verify_all(environment, listen, requests, release).await
    }

    async fn verify_in_front(
        &self,
        environment: &EnvironmentId,
        front: &FrontSpec,
        requests: &[PublicRequest],
        release: &ReleaseId,
    ) -> Result<(), Failure> {
        self.verify_through(environment, front, requests, release).await
    }

    async fn bake(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        instances: &[InstanceId],
        for_at_least: Millis,
        rule: &BakeRule,
        note: &Note,
    ) -> Result<Baked, Failure> {
        let notes = Notes::new(note);
        let watch = Watch::new(environment, generation, for_at_least, rule);
        let baked = tokio::select! {
            biased;
            failure = self.first_end_of(instances) => return Err(failure),
            baked = self.watch_route(watch, &notes) => baked,
        };
        // The proxy sees dead instances by their requests, mostly sooner than we do by their end.
        match baked {
            Err(failure) => Err(self.explained_by_ends(instances, failure).await),
            baked => baked,
        }
    }
}

/// Tells a watcher, seldom enough to be read.
struct Notes<'a> {
    note: &'a (dyn Fn(String) + Send + Sync + 'a),
    last: Mutex<Instant>,
}

impl<'a> Notes<'a> {
    fn new(note: &'a (dyn Fn(String) + Send + Sync + 'a)) -> Notes<'a> {
        Notes { note, last: Mutex::new(Instant::now()) }
    }

    /// Says it if nothing was said for a while.
    fn sometimes(&self, text: impl FnOnce() -> String) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= NOTE_INTERVAL {
            *last = Instant::now();
            drop(last);
            (self.note)(text());
        }
    }

    fn now(&self, text: String) {
        (self.note)(text);
    }
}
