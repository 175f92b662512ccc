//! No traffic moves before every instance it moves to is fit.

use super::Execution;
use crate::port::runtime::Life;
use model::{
    failure::{Blame, Failure},
    id::Generation,
    instance::Instance,
    plan::Step,
};

/// Of an instance that ended, as evidence.
const LAST_LINES: usize = 20;

impl Execution<'_> {
    /// `step` is the switch's own index: what comes after it is not there yet.
    pub(super) async fn switch(
        &self,
        step: usize,
        from: Generation,
        to: Generation,
        attempt: u8,
    ) -> Result<(), Failure> {
        let (router, environment) = (&self.ports.router, &self.plan.environment);
        if attempt > 1 {
            // Another life asked for it, some time ago.
            let in_force = router.in_force(environment).await?;
            if in_force.routes.is_some_and(|it| it.generation == to) {
                return Ok(());
            }
            for earlier in &self.plan.steps[..step] {
                if let Step::Await { instance, check } = earlier {
                    self.ready(instance, check).await?;
                }
            }
        }
        for earlier in &self.plan.steps[..step] {
            if let Step::Await { instance, .. } = earlier {
                self.expect_alive(instance).await?;
            }
        }
        router.try_out(environment, from, to, self.ports.journal.epoch()).await
    }

    async fn expect_alive(&self, instance: &Instance) -> Result<(), Failure> {
        let id = &instance.id;
        let how = match self.ports.runtime.observe(id).await? {
            Life::Running(_) => return Ok(()),
            Life::Exited(exited) => exited.how,
            Life::Stopped => "stopped".to_owned(),
            Life::Absent => "gone".to_owned(),
        };
        let lines = self.ports.runtime.last_lines(id, LAST_LINES).await;
        Err(Failure::new(Blame::Release, format!("route to {id}: it was healthy, and is {how}"))
            .evidence(lines.join("\n")))
    }
}
