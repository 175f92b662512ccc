//! What is backed up, and what comes back.

use crate::port::Ports;
use model::{
    backup::BackupName,
    deployment::{Change, Request},
    failure::{Blame, Failure},
    plan::ReleaseLabel,
    planner::{Observed, Wanted},
    release::Release,
};

/// The name of the backup that is made first, where one is.
pub(super) async fn name(
    ports: &Ports,
    request: &Request,
    observed: &Observed,
    wanted: &Wanted,
) -> Result<Option<BackupName>, Failure> {
    let wants = match (&request.change, wanted) {
        // Data is replaced: what there is now is kept, whatever else is said.
        (Change::Rollback { with_data, .. }, _) => *with_data,
        (_, Wanted::Release { release, .. }) => {
            release.spec.backs_up() && !request.overrides.skip_backup
        }
        _ => false,
    };
    let any = wants && (observed.current.is_some() || matches!(wanted, Wanted::Release { .. }));
    if !any {
        return Ok(None);
    }
    ports.backups.name(&request.environment, ports.clock.now_ms()).await.map(Some)
}

/// The backup whose data comes back: the one that was made when the release came that is left.
pub(super) async fn to_restore(
    ports: &Ports,
    request: &Request,
    observed: &Observed,
    wanted: &Wanted,
) -> Result<Option<BackupName>, Failure> {
    let Change::Rollback { with_data: true, .. } = request.change else { return Ok(None) };
    let (Some(current), Wanted::Release { release: to, .. }) = (&observed.current, wanted) else {
        return Ok(None);
    };
    let name = &request.environment;
    if current.spec.backup.as_ref().is_none_or(|it| it.is_empty()) {
        let message =
            format!("bring the data of {name} back: {} backs nothing up", current.version);
        return Err(Failure::new(Blame::Request, message)
            .hint("roll back without its data, or give the environment a `backup:`"));
    }
    let made = ports.backups.made_between(name, &label(current), &label(to)).await?;
    let lacking = || {
        let message = format!(
            "bring the data of {name} back: there is no backup of when {} took over from {}",
            current.version, to.version
        );
        Failure::new(Blame::Request, message)
            .hint(format!("`cutover backup list {name}` lists those that there are"))
            .hint("`cutover backup restore` puts any of them in place, once you rolled back")
    };
    made.map(Some).ok_or_else(lacking)
}

fn label(release: &Release) -> ReleaseLabel {
    ReleaseLabel { id: release.id.clone(), version: release.version.clone() }
}
