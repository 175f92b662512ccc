//! Uploads that no deployment followed.

use crate::controller::Controller;
use drivers::layout::Layout;
use engine::port::journal::Journal;
use model::{failure::Failure, name::EnvironmentId};
use std::{fs, path::Path, time::Duration};

/// How long content may lie there before a deployment asks for it.
pub const PATIENCE: Duration = Duration::from_secs(3600);

/// Discards what arrived before this time (Unix time in ms) and is not used by a deployment that
/// has not ended.
///
/// # Errors
///
/// Where something cannot be read or removed; what was not removed is tried again.
pub async fn discard(controller: &Controller, before_ms: u64) -> Result<(), Failure> {
    for id in environments(&controller.root) {
        // Nobody takes a request on between the look and the act.
        let _turn = controller.gates.turn(&id).await;
        let unfinished = controller.store.unfinished().await?;
        let busy = unfinished.iter().any(|it| it.environment == id)
            || !controller.waiting.of(&id).is_empty();
        let (releases, environment) = (controller.local.releases.clone(), id.clone());
        let discarding = tokio::task::spawn_blocking(move || {
            let mut discarded = vec![];
            for arrived in releases.arrivals(&environment)? {
                if !busy && arrived.changed_at_ms < before_ms {
                    releases.discard_arrived(&environment, &arrived.name)?;
                    discarded.push(arrived);
                }
            }
            Ok::<_, Failure>(discarded)
        });
        let ended = discarding.await.map_err(|it| {
            Failure::new(model::failure::Blame::Us, format!("discard uploads: {it}"))
        })?;
        for arrived in ended? {
            let (name, bytes) = (arrived.name, arrived.bytes);
            tracing::info!(environment = %id, name, bytes, "discarded: no deployment followed");
        }
    }
    Ok(())
}

/// Every environment that has a directory, whether or not the journal knows it.
pub fn environments(root: &Path) -> Vec<EnvironmentId> {
    let projects = Layout::new(root).projects();
    let names = |path: &Path| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|it| it.file_name().into_string().ok()).collect();
        names.sort();
        names
    };
    let mut all = vec![];
    for project in names(&projects) {
        let environments = names(&projects.join(&project));
        // Whatever else lies there has no such name, or no uploads.
        let directories =
            environments.iter().filter(|it| projects.join(&project).join(it).is_dir());
        all.extend(directories.filter_map(|it| format!("{project}/{it}").parse().ok()));
    }
    all
}
