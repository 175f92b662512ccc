//! How each step is undone, also where it ran in part or not at all.

use super::{Execution, start::Hears};
use crate::port::runtime::Life;
use model::{
    failure::Failure,
    id::{Generation, InstanceId},
    instance::Instance,
    plan::{ReadyCheck, StagedRoutes, Step},
    release::Release,
    routes::Routes,
    service::{Millis, Readiness},
};

/// How long what is in flight to a candidate may take when the old serves again.
const UNDO_DRAIN: Millis = Millis::seconds(10);
/// Of an instance whose service's record is gone.
const START_TIMEOUT: Millis = Millis::seconds(60);

impl Execution<'_> {
    pub(super) async fn undo(&self, step: &Step) -> Result<(), Failure> {
        let ports = self.ports;
        let (environment, epoch) = (&self.plan.environment, ports.journal.epoch());
        match step {
            Step::Backup { backup } => ports.backups.abandon(environment, backup).await,
            Step::Restore { before, by, .. } => self.restore(before, by).await,
            Step::StageRoutes { staged } => {
                let all: Vec<Generation> = staged.iter().map(|it| it.routes.generation).collect();
                ports.router.unstage(environment, &all).await
            }
            Step::Claim { instances, keep_warm } => {
                for instance in instances {
                    self.retire(instance, *keep_warm).await?;
                }
                Ok(())
            }
            Step::Hold { back, .. } => ports.router.install(environment, *back, epoch).await,
            Step::Start { instance } => self.stop(&instance.id).await,
            Step::Switch { to, back, .. } => self.switch_back(*to, *back).await,
            Step::Stop { instance, check } => self.back_again(instance, check).await,
            Step::Quiet { instances, check, .. } => {
                // Each may need its whole grace to finish its jobs: all of them at once.
                let again = instances.iter().map(|it| async {
                    self.stop(&it.id).await?;
                    self.back_again(it, check).await
                });
                futures_util::future::join_all(again).await.into_iter().collect()
            }
            Step::Build { build } => ports.builder.undo(environment, build, epoch).await,
            Step::Migrate { migration } => self.leave_migrated(migration).await,
            Step::Hook { hook } => ports.hooks.stop(hook, epoch).await,
            // What was staged stays for the next try; retention removes it.  The announced
            // generation answers until there is a release.  A confirmation that failed is undone
            // with its switch.
            Step::Stage { .. }
            | Step::Announce { .. }
            | Step::Await { .. }
            | Step::Smoke { .. }
            | Step::Check { .. }
            | Step::Verify { .. }
            | Step::Bake { .. }
            | Step::Confirm { .. }
            | Step::Keep { .. }
            | Step::Link { .. }
            | Step::Drain { .. }
            | Step::Retire { .. }
            | Step::Prune { .. }
            | Step::Manifest => Ok(()),
        }
    }

    /// Starts what was stopped, and restarts it from then on when it exits.
    async fn back_again(&self, instance: &Instance, check: &ReadyCheck) -> Result<(), Failure> {
        self.start(instance, Hears::Nothing).await?;
        self.ready(instance, check).await?;
        let epoch = self.ports.journal.epoch();
        self.ports.runtime.keep(&instance.id, true, epoch).await
    }

    /// Installs the way back even where the old is in force: the number is the fence against a
    /// switch that a dead controller may have left in the socket.
    async fn switch_back(&self, to: Generation, back: Generation) -> Result<(), Failure> {
        let ports = self.ports;
        if let Some(routes) = self.staged(back) {
            self.revive(routes).await?;
        }
        ports.router.install(&self.plan.environment, back, ports.journal.epoch()).await?;
        let before: Vec<InstanceId> = self.routed(back);
        let tried = self.routed(to).into_iter().filter(|it| !before.contains(it));
        let tried: Vec<InstanceId> = tried.collect();
        if !tried.is_empty() {
            // Best effort: the old serves again, and a slow request must not keep the new.
            let _ = self.drain(&tried, UNDO_DRAIN).await;
        }
        Ok(())
    }

    /// Starts what the old generation leads to where it died meanwhile: a live candidate is not
    /// left for a dead fallback.  What is held waits for its own step.
    async fn revive(&self, routes: &Routes) -> Result<(), Failure> {
        if routes.hold.is_some() {
            return Ok(());
        }
        let mut dead: Vec<&Instance> = vec![];
        let processes = routes.instances().into_iter();
        for instance in processes.filter(|it| !routes.serves_files_of(&it.id)) {
            // Where the platform does not answer it has said nothing, and the old may well run.
            let life = self.ports.runtime.observe(&instance.id).await;
            if life.is_ok_and(|it| !matches!(it, Life::Running(_))) {
                self.start(instance, Hears::Nothing).await?;
                dead.push(instance);
            }
        }
        for instance in dead {
            let release = self.release(&instance.release).await?;
            self.ready(instance, &readiness(instance, &release)).await?;
            let epoch = self.ports.journal.epoch();
            self.ports.runtime.keep(&instance.id, true, epoch).await?;
        }
        Ok(())
    }

    fn routed(&self, generation: Generation) -> Vec<InstanceId> {
        let instances = self.staged(generation).into_iter().flat_map(Routes::instances);
        instances.map(|it| it.id.clone()).collect()
    }

    fn staged(&self, generation: Generation) -> Option<&Routes> {
        let all = self.plan.steps.iter().flat_map(|it| match it {
            Step::StageRoutes { staged } => staged.as_slice(),
            _ => &[],
        });
        let mut routes = all.map(|it: &StagedRoutes| &it.routes);
        routes.find(|it| it.generation == generation)
    }
}

/// How an instance that served before is known to be back: it is ready.
pub(crate) fn readiness(instance: &Instance, release: &Release) -> ReadyCheck {
    let service = release.spec.services.iter().find(|it| it.name == instance.service);
    let fallback = if instance.listens() { Readiness::Port } else { Readiness::Running };
    ReadyCheck {
        readiness: service.map_or(fallback, |it| it.readiness.clone()),
        start_timeout: service.map_or(START_TIMEOUT, |it| it.start_timeout),
        health: None,
    }
}
