//! How each step is done.

use super::{Execution, start::Hears};
use crate::{manifest, port::runtime::Life, recover::bring_back};
use model::{
    build::BuildRun,
    describe,
    failure::{Blame, Failure},
    hook::HookRun,
    id::{Generation, InstanceId, ReleaseId},
    instance::Instance,
    journal::Ledger,
    plan::{ReadyCheck, Step},
    release::Release,
    service::Millis,
};

impl Execution<'_> {
    /// Does a step.  The outer failure is the journal's: then nothing more may be done.
    pub(super) async fn act(
        &self,
        ledger: &Ledger,
        step: usize,
        attempt: u8,
    ) -> Result<Result<(), Failure>, Failure> {
        let work = async {
            match &self.plan.steps[step] {
                Step::Bake { generation, instances, for_at_least, rule } => {
                    let time = self.bake_time(*for_at_least, step, attempt).await?;
                    self.bake(*generation, instances, time, rule).await
                }
                Step::Confirm { confirms, by } => self.confirm(ledger, *confirms, by).await,
                Step::Switch { from, to, .. } => Ok(self.switch(step, *from, *to, attempt).await),
                other => Ok(self.advance(other).await),
            }
        };
        if step >= self.plan.commit || !hears_abort(&self.plan.steps[step]) {
            return work.await;
        }
        tokio::select! {
            biased;
            done = work => done,
            by = self.abort.heard() => Ok(Err(aborted(&by))),
        }
    }

    async fn advance(&self, step: &Step) -> Result<(), Failure> {
        let ports = self.ports;
        let (environment, epoch) = (&self.plan.environment, ports.journal.epoch());
        match step {
            Step::Backup { backup } => self.back_up(backup).await,
            Step::Restore { backup, by, .. } => self.restore(backup, by).await,
            Step::Stage { release, version, source } => {
                let work = ports.releases.stage(environment, release, version, source);
                self.noted(&describe::sentence(step), work).await
            }
            Step::Build { build } => self.build(build).await,
            Step::StageRoutes { staged } => ports.router.stage(environment, staged, epoch).await,
            Step::Announce { generation } => {
                ports.router.install(environment, *generation, epoch).await
            }
            Step::Claim { instances, .. } => self.claim(instances).await,
            Step::Hold { held, .. } => ports.router.install(environment, *held, epoch).await,
            Step::Start { instance } => self.start(instance, Hears::Abort).await,
            Step::Await { instance, check } => self.ready(instance, check).await,
            Step::Smoke { instance, tests } => {
                let release = self.release(&instance.release).await?;
                let work = ports.prober.smoke(instance, &release, tests);
                self.noted(&describe::sentence(step), work).await
            }
            Step::Check { instances, checks } => {
                let Some(first) = instances.first() else { return Ok(()) };
                let release = self.release(&first.release).await?;
                let note = self.noter();
                ports.prober.check(instances, &release, checks, &note).await
            }
            Step::Verify { requests, release, .. } => {
                let spec = self.release(release).await?.spec;
                let work = ports.prober.verify(environment, &spec.listen, requests, release);
                self.noted(&describe::sentence(step), work).await?;
                let Some(front) = &spec.front else { return Ok(()) };
                let work = ports.prober.verify_in_front(environment, front, requests, release);
                self.noted(&describe::sentence(step), work).await
            }
            Step::Quiet { instances, signal, .. } => {
                for instance in instances {
                    ports.runtime.quiet(&instance.id, *signal, epoch).await?;
                }
                Ok(())
            }
            Step::Keep { instances } => self.keep(instances).await,
            Step::Link { current, previous } => {
                ports.releases.link(environment, current.as_deref(), previous.as_deref()).await
            }
            Step::Drain { instances, deadline } => {
                self.noted(&describe::sentence(step), self.drain(instances, *deadline)).await
            }
            Step::Stop { instance, .. } => {
                self.noted(&describe::sentence(step), self.stop(&instance.id)).await?;
                ports.journal.buried(&instance.id).await
            }
            Step::Retire { instance, keep_warm } => self.retire(instance, *keep_warm).await,
            Step::Prune { generations, releases, backups } => {
                self.prune(generations, releases, backups.as_ref()).await
            }
            Step::Hook { hook } => self.hook(hook).await,
            Step::Manifest => manifest::write(ports, environment).await,
            Step::Switch { .. }
            | Step::Bake { .. }
            | Step::Confirm { .. }
            | Step::Migrate { .. } => {
                Err(Failure::new(Blame::Us, format!("do `{}` as a plain step", step.word())))
            }
        }
    }

    async fn hook(&self, hook: &HookRun) -> Result<(), Failure> {
        let (ports, environment) = (self.ports, &self.plan.environment);
        let release = self.release(&hook.release).await?;
        let note = self.noter();
        ports.hooks.run(environment, hook, &release, ports.journal.epoch(), &note).await
    }

    async fn build(&self, build: &BuildRun) -> Result<(), Failure> {
        let (ports, environment) = (self.ports, &self.plan.environment);
        let release = self.release(&build.release).await?;
        let note = self.noter();
        ports.builder.build(environment, build, &release, ports.journal.epoch(), &note).await
    }

    pub(super) async fn ready(
        &self,
        instance: &Instance,
        check: &ReadyCheck,
    ) -> Result<(), Failure> {
        let release = self.release(&instance.release).await?;
        let note = self.noter();
        self.ports.prober.ready(instance, &release, check, &note).await
    }

    pub(super) async fn stop(&self, instance: &InstanceId) -> Result<(), Failure> {
        let stopped = self.ports.runtime.stop(instance, self.ports.journal.epoch()).await?;
        if stopped.killed {
            self.note(format!("{instance} did not end when it was asked to, and was killed"));
        }
        Ok(())
    }

    pub(super) async fn drain(
        &self,
        instances: &[InstanceId],
        deadline: Millis,
    ) -> Result<(), Failure> {
        let epoch = self.ports.journal.epoch();
        let drained = self.ports.router.drain(instances, deadline, epoch).await?;
        if drained.cut > 0 {
            self.note(format!("{} requests were ended at the drain's deadline", drained.cut));
        }
        Ok(())
    }

    pub(super) async fn retire(
        &self,
        instance: &Instance,
        keep_warm: Millis,
    ) -> Result<(), Failure> {
        let not_before_ms = self.ports.clock.now_ms().saturating_add(keep_warm.0);
        self.ports.journal.retire(instance, not_before_ms).await?;
        // One that dies is no way back, and is not worth another start.
        self.ports.runtime.keep(&instance.id, false, self.ports.journal.epoch()).await
    }

    pub(super) async fn release(&self, release: &ReleaseId) -> Result<Release, Failure> {
        self.ports.releases.read(&self.plan.environment, release).await
    }

    async fn claim(&self, instances: &[Instance]) -> Result<(), Failure> {
        let ids: Vec<InstanceId> = instances.iter().map(|it| it.id.clone()).collect();
        let claimed = self.ports.journal.claim(&ids).await?;
        // What was claimed by an attempt that died is not retired any more; whether it still runs
        // is the next step's question.
        let retired = self.ports.journal.retired().await?;
        let lost =
            |id: &&InstanceId| !claimed.contains(id) && retired.iter().any(|(it, _)| it.id == **id);
        if let Some(id) = ids.iter().find(lost) {
            return Err(Failure::new(Blame::Platform, format!("take back {id}"))
                .hint("try again: the release is then started anew"));
        }
        // Its supervisor hears of this life of the controller, and from then on refuses the reaper
        // of an earlier one that was stopped between its look and its act.
        let epoch = self.ports.journal.epoch();
        for id in &ids {
            self.ports.runtime.keep(id, false, epoch).await?;
        }
        Ok(())
    }

    /// Also where the machine was started anew since they were ready.
    async fn keep(&self, instances: &[InstanceId]) -> Result<(), Failure> {
        let epoch = self.ports.journal.epoch();
        for id in instances {
            let life = self.ports.runtime.observe(id).await?;
            let planned = self.planned(id).filter(|_| !matches!(life, Life::Running(_)));
            match planned {
                Some(instance) => bring_back(self.ports, instance, &life).await?,
                None => self.ports.runtime.keep(id, true, epoch).await?,
            }
        }
        Ok(())
    }

    /// The instance of this id that the plan starts or claims.
    fn planned(&self, id: &InstanceId) -> Option<&Instance> {
        self.plan.steps.iter().find_map(|it| match it {
            Step::Start { instance } | Step::Await { instance, .. } if instance.id == *id => {
                Some(instance)
            }
            _ => None,
        })
    }

    /// Goes on where one of them stays, and says why it stayed.
    async fn prune(
        &self,
        generations: &[Generation],
        versions: &[String],
        backups: Option<&ReleaseId>,
    ) -> Result<(), Failure> {
        let environment = &self.plan.environment;
        let mut outcome = self.ports.router.unstage(environment, generations).await;
        for version in versions {
            let removed = self.ports.releases.remove(environment, version).await;
            outcome = outcome.and(removed);
        }
        if let Some(by) = backups {
            let by = self.release(by).await?;
            outcome = outcome.and(self.ports.backups.prune(environment, &by).await);
        }
        outcome
    }
}

/// The steps that wait for something else than us.
fn hears_abort(step: &Step) -> bool {
    matches!(
        step,
        Step::Backup { .. }
            | Step::Await { .. }
            | Step::Smoke { .. }
            | Step::Check { .. }
            | Step::Verify { .. }
            | Step::Bake { .. }
            | Step::Hook { .. }
            | Step::Build { .. }
            | Step::Drain { .. }
    )
}

/// Somebody asked to turn back.
pub(crate) fn aborted(by: &str) -> Failure {
    Failure::new(Blame::Request, format!("go on: aborted by {by}"))
}
