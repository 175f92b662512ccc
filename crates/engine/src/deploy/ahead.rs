//! What is done of a deployment before it is asked for: a look at the world, and the staging.

use super::{Engine, prepare};
use crate::{observe::observe, preflight};
use model::{
    deployment::{Finding, Request},
    failure::{Blame, Failure},
    name::EnvironmentId,
    planner::{Observed, Wanted},
    release::Release,
    saved::World,
    service::EnvironmentSpec,
};

impl Engine {
    /// What a plan for the environment depends on, as it is now.
    ///
    /// # Errors
    ///
    /// Where something cannot be looked at.
    pub async fn world(&self, environment: &EnvironmentId) -> Result<World, Failure> {
        let (observed, _) = observe(&self.ports, environment).await?;
        Ok(world(&observed))
    }

    /// Why content of this digest may not come, since another environment should have accepted it
    /// before.
    ///
    /// # Errors
    ///
    /// Where something cannot be looked at.
    pub async fn unproven(
        &self,
        spec: &EnvironmentSpec,
        digest: &str,
    ) -> Result<Option<Finding>, Failure> {
        preflight::unproven(&self.ports, spec, digest).await
    }

    /// Puts what a deployment would bring in its place, and starts nothing; repeating it is
    /// harmless.  The caller sees to it that no deployment of the environment goes on.
    ///
    /// # Errors
    ///
    /// Where preflight finds something that is not overridden, or the content cannot be staged.
    pub async fn stage_only(&self, request: &Request) -> Result<Release, Failure> {
        let prepared = prepare::prepare(&self.ports, request).await?;
        self.pass(request, &prepared)?;
        let Wanted::Release { release, source: Some(source), .. } = &prepared.desired.wanted else {
            return Err(Failure::new(Blame::Request, "prepare what brings no content"));
        };
        prepared.write_release(&self.ports, request).await?;
        let (environment, version) = (&request.environment, &release.version);
        self.ports.releases.stage(environment, &release.id, version, source).await?;
        Ok((**release).clone())
    }
}

fn world(observed: &Observed) -> World {
    let ids = |all: &[model::instance::Instance]| {
        let mut ids: Vec<_> = all.iter().map(|it| it.id.clone()).collect();
        ids.sort();
        ids
    };
    World {
        serving: observed.current.as_ref().map(Release::label),
        generation: observed.routes.as_ref().map(|it| it.generation),
        on_probation: observed.on_probation,
        instances: ids(&observed.active),
        stopped: ids(&observed.stopped),
    }
}
