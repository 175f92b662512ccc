//! One-off processes: in which release, as which service, and for how long.

use crate::port::{
    clock::Clock,
    one_off::{OneOffRunner, Seen},
    releases::Releases,
    router::Router,
};
use model::{
    failure::{Blame, Failure},
    id::{Epoch, InstanceId},
    name::{EnvironmentId, Name},
    one_off::{Asked, FORMAT, Next, OneOff, next},
    release::Release,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// The service that is meant where none is named and there are several.
const SERVICE_DEFAULT: &str = "web";

/// Begins one-off processes, and lets none stay behind.
#[derive(Clone)]
pub struct OneOffs {
    /// Runs them.
    pub runner: Arc<dyn OneOffRunner>,
    /// Knows the releases.
    pub releases: Arc<dyn Releases>,
    /// Knows what serves.
    pub router: Arc<dyn Router>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// This life of the controller.
    pub epoch: Epoch,
    /// Those that are being seen to.
    pub busy: Arc<Mutex<BTreeSet<InstanceId>>>,
}

impl OneOffs {
    /// Runs what is asked for; asked again for the same id, gives what there is.
    ///
    /// # Errors
    ///
    /// There is no such service or release, or it cannot be begun.
    pub async fn begin(&self, asked: &Asked) -> Result<OneOff, Failure> {
        if asked.command.iter().all(String::is_empty) {
            return Err(Failure::new(Blame::Request, "run nothing: no command is given")
                .hint("write it after `--`: `cutover run production -- ./manage.py migrate`"));
        }
        let release = self.release(&asked.environment, asked.version.as_deref()).await?;
        let service = service(&release, asked.service.as_ref())?;
        let id = InstanceId(format!("{}.{service}.run.{}", asked.environment.stem(), asked.id));
        if let Some(seen) = self.runner.look(&id).await? {
            // Its beginning may have been cut short; where it was not, this does nothing.
            let release = self.releases.read(&asked.environment, &seen.one_off.release).await?;
            self.runner.begin(&seen.one_off, &release, self.epoch).await?;
            return Ok(seen.one_off);
        }
        let one_off = OneOff {
            format: FORMAT,
            id,
            environment: asked.environment.clone(),
            service,
            release: release.id.clone(),
            version: release.version.clone(),
            command: asked.command.clone(),
            time_limit_ms: asked.time_limit_ms,
            detached: asked.detached,
            by: asked.by.clone(),
            begun_at_ms: self.clock.now_ms(),
            scheduled: false,
            migration: asked.migration,
        };
        self.runner.begin(&one_off, &release, self.epoch).await?;
        Ok(one_off)
    }

    /// Begins to stop and forget what nobody needs.  `unwatched_ms` tells for how long nobody has
    /// watched one; none: somebody does.  To be called again and again.
    ///
    /// # Errors
    ///
    /// Where they cannot be listed.
    pub async fn tend(
        &self,
        unwatched_ms: impl Fn(&InstanceId) -> Option<u64>,
        patience_ms: u64,
    ) -> Result<(), Failure> {
        for seen in self.runner.list().await? {
            let now_ms = self.clock.now_ms();
            let unwatched_ms = unwatched_ms(&seen.one_off.id);
            let next =
                next(&seen.one_off, &seen.life, seen.held, unwatched_ms, patience_ms, now_ms);
            if next != Next::Leave {
                self.see_to(seen, next);
            }
        }
        Ok(())
    }

    /// Each for itself: one that takes its time to end keeps no other waiting.
    fn see_to(&self, seen: Seen, next: Next) {
        let id = seen.one_off.id;
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone()) {
            return;
        }
        tracing::info!(one_off = %id, ?next, life = ?seen.life, "seen to");
        let (runner, epoch, busy) = (self.runner.clone(), self.epoch, self.busy.clone());
        tokio::spawn(async move {
            let done = match next {
                Next::Leave => Ok(()),
                Next::Stop | Next::Settle => runner.stop(&id, epoch).await,
                Next::Forget => runner.forget(&id, epoch).await,
            };
            if let Err(failure) = done {
                tracing::warn!(one_off = %id, "failed to {}", failure.message);
            }
            busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
    }

    /// The one whose id, or the end of it, is this.
    ///
    /// # Errors
    ///
    /// There is none, or several.
    pub async fn find(&self, id: &str) -> Result<Seen, Failure> {
        let mut all = self.runner.list().await?;
        let ends_so = |it: &Seen| !id.is_empty() && it.one_off.id.0.ends_with(id);
        all.retain(|it| ends_so(it));
        let count = all.len();
        all.pop().filter(|_| count == 1).ok_or_else(|| {
            let message = match count {
                0 => format!("find one-off process `{id}`"),
                _ => format!("find one-off process `{id}`: it may be any of {count}"),
            };
            Failure::new(Blame::Request, message).hint("`cutover run --list` lists them")
        })
    }

    /// Of this version; else what the routes in force lead to; else what `current` points at.
    async fn release(
        &self,
        environment: &EnvironmentId,
        version: Option<&str>,
    ) -> Result<Release, Failure> {
        if let Some(version) = version {
            return self.of_version(environment, version).await;
        }
        let routes = self.router.in_force(environment).await?.routes;
        if let Some(instance) = routes.iter().flat_map(|it| it.instances()).next() {
            return self.releases.read(environment, &instance.release).await;
        }
        match self.releases.links(environment).await?.0 {
            Some(version) => self.of_version(environment, &version).await,
            None => Err(Failure::new(
                Blame::Request,
                format!("find a release of {environment}: nothing was deployed"),
            )
            .hint(format!("`cutover deploy {environment}` deploys the first"))
            .hint("`--release VERSION` names one that is kept")),
        }
    }

    async fn of_version(
        &self,
        environment: &EnvironmentId,
        version: &str,
    ) -> Result<Release, Failure> {
        let kept = self.releases.list(environment).await?;
        let versions: Vec<&str> = kept.iter().map(|it| it.version.as_str()).collect();
        let found = kept.iter().find(|it| it.version == version).cloned();
        found.ok_or_else(|| {
            let message = format!("find release `{}` of {environment}", version.escape_debug());
            Failure::new(Blame::Request, message)
                .hint(format!("kept are: {}", or_none(&versions)))
                .hint(format!("`cutover releases list {environment}` shows them"))
        })
    }
}

fn service(release: &Release, wanted: Option<&Name>) -> Result<Name, Failure> {
    let names: Vec<&Name> = release.spec.services.iter().map(|it| &it.name).collect();
    let found = match (wanted, names.as_slice()) {
        (Some(wanted), names) => names.iter().find(|it| **it == wanted),
        (None, [only]) => Some(only),
        (None, names) => names.iter().find(|it| it.as_str() == SERVICE_DEFAULT),
    };
    if let Some(found) = found {
        return Ok((*found).clone());
    }
    let texts: Vec<&str> = names.iter().map(|it| it.as_str()).collect();
    let message = match wanted {
        Some(wanted) => format!("find service `{wanted}` in release {}", release.version),
        None => format!("choose a service of release {}: there are several", release.version),
    };
    Err(Failure::new(Blame::Request, message).hint(format!("it has: {}", or_none(&texts))))
}

fn or_none(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
