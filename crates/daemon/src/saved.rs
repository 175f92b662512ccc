//! Plans and prepared releases that are kept for later: made, looked at, used up, expired.

use crate::{abandoned::environments, controller::Controller};
use drivers::releases::DirectoryReleases;
use engine::port::{journal::Journal, releases::Releases};
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    journal::Outcome,
    name::EnvironmentId,
    release::Standing,
    saved::{Brief, Keeps, SAVED_MAX, Saved},
};

/// Keeps it, in the place of the oldest where there are too many; gives what had to go.
///
/// # Errors
///
/// Where it cannot be written.
pub async fn keep(controller: &Controller, saved: Saved) -> Result<Vec<Brief>, Failure> {
    let environment = saved.request.environment.clone();
    blocking(controller, move |releases| releases.save(&saved)).await?;
    let id = environment.clone();
    let all = blocking(controller, move |releases| releases.all_saved(&id)).await?;
    let mut gone = vec![];
    for old in all.into_iter().skip(SAVED_MAX) {
        give_up(controller, &old).await?;
        gone.push(old.brief());
    }
    Ok(gone)
}

/// The one of this id, in whichever environment it is.
///
/// # Errors
///
/// Where there is none, or not any more.
pub async fn find(controller: &Controller, id: &DeploymentId) -> Result<Saved, Failure> {
    let unknown = || {
        Failure::new(Blame::Request, format!("find `{id}`: no plan or release is kept by this id"))
            .hint("it may be used up or expired: `cutover status` lists those that are kept")
    };
    if !id.is_well_formed() {
        return Err(unknown());
    }
    let (root, wanted) = (controller.root.clone(), id.clone());
    let found = blocking(controller, move |releases| {
        for environment in environments(&root) {
            if let Some(saved) = releases.saved(&environment, &wanted)? {
                return Ok(Some(saved));
            }
        }
        Ok(None)
    });
    let saved = found.await?.ok_or_else(unknown)?;
    if saved.expires_at_ms > controller.local.clock.now_ms() {
        return Ok(saved);
    }
    Err(unknown())
}

/// A deployment of it has ended so: what it kept is used up, or kept for another try.
pub async fn used(controller: &Controller, saved: &Saved, outcome: Outcome) {
    let again = match saved.keeps {
        Keeps::Plan => outcome == Outcome::Refused,
        Keeps::Prepared => matches!(outcome, Outcome::Refused | Outcome::Aborted),
    };
    if again {
        return;
    }
    let (environment, id) = (saved.request.environment.clone(), saved.id.clone());
    let forgotten = blocking(controller, move |releases| releases.forget(&environment, &id)).await;
    if let Err(failure) = forgotten {
        tracing::warn!(id = %saved.id, "it stays kept: failed to {}", failure.message);
    }
}

/// Gives up those whose time is over.
///
/// # Errors
///
/// Where something cannot be read or removed; what was not is tried again.
pub async fn expire(controller: &Controller) -> Result<(), Failure> {
    let now_ms = controller.local.clock.now_ms();
    for environment in environments(&controller.root) {
        let id = environment.clone();
        let all = blocking(controller, move |releases| releases.all_saved(&id)).await?;
        for saved in all.into_iter().filter(|it| it.expires_at_ms <= now_ms) {
            // Nobody takes a request on between the look and the act.
            let _turn = controller.gates.turn(&environment).await;
            let unfinished = controller.store.unfinished().await?;
            if unfinished.iter().any(|it| it.environment == environment) {
                continue;
            }
            give_up(controller, &saved).await?;
            let (keeps, version) = (saved.keeps, &saved.release.version);
            tracing::info!(%environment, id = %saved.id, ?keeps, version, "expired");
        }
    }
    Ok(())
}

/// Forgets it, and removes a staged release that nobody ever started.
async fn give_up(controller: &Controller, saved: &Saved) -> Result<(), Failure> {
    let (environment, id) = (saved.request.environment.clone(), saved.id.clone());
    blocking(controller, move |releases| releases.forget(&environment, &id)).await?;
    let environment = &saved.request.environment;
    let version = &saved.release.version;
    let shared = controller.local.releases.prepared(environment).await?.contains(version);
    let standings = controller.store.standings(environment).await?;
    let started = standings.iter().any(|it| it.1 == *version && it.2 != Standing::Staged);
    if saved.keeps == Keeps::Plan || shared || started {
        return Ok(());
    }
    controller.local.releases.remove(environment, version).await
}

/// What is told of those of an environment, the newest first.
pub fn briefs(releases: &DirectoryReleases, environment: &EnvironmentId) -> Vec<Brief> {
    // What cannot be read is told where it is asked for.
    let all = releases.all_saved(environment).unwrap_or_default();
    all.iter().map(Saved::brief).collect()
}

async fn blocking<T: Send + 'static>(
    controller: &Controller,
    work: impl FnOnce(&DirectoryReleases) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let releases = controller.local.releases.clone();
    let worked = tokio::task::spawn_blocking(move || work(&releases)).await;
    worked.map_err(|it| Failure::new(Blame::Us, format!("look at what is kept: {it}")))?
}
