//! Content that arrived and was never used.

use super::place::Place;
use crate::{
    command::history,
    session::Session,
    ui::{
        cleanup::{Act, Item, Report},
        figure::now_ms,
    },
};
use drivers::releases::DirectoryReleases;
use model::{deployment::DeploymentRecord, failure::Failure, name::EnvironmentId};

/// An upload that goes on changes more often: the controller ends one that does not.
const QUIET_MS: u64 = 300_000;

/// Removes uploads that no deployment uses, and what an interrupted removal left.
pub fn clean(session: &Session, place: &Place, environment: &EnvironmentId, report: &mut Report) {
    if let Err(failure) = try_clean(session, place, environment, report) {
        report.left.push(format!("uploads of {environment}: failed to {}", failure.message));
    }
}

fn try_clean(
    session: &Session,
    place: &Place,
    environment: &EnvironmentId,
    report: &mut Report,
) -> Result<(), Failure> {
    let releases = DirectoryReleases::new(session.layout());
    // Nobody can be sending where there is nobody to send to.
    let before_ms = match place {
        Place::Ours { .. } => u64::MAX,
        Place::Controller(_) | Place::Taken => now_ms().saturating_sub(QUIET_MS),
    };
    let arrivals = releases.arrivals(environment)?;
    if !arrivals.is_empty() {
        let unfinished = unfinished(session)?;
        let busy = unfinished.iter().any(|it| it.environment == *environment);
        for arrived in arrivals {
            if busy || arrived.changed_at_ms >= before_ms {
                continue;
            }
            let done = match report.dry_run {
                true => Ok(()),
                false => releases.discard_arrived(environment, &arrived.name),
            };
            let name = format!("{environment} {}", arrived.name);
            let item = Item { act: Act::Remove, what: "upload", name, bytes: arrived.bytes };
            report.item(item, done.map_err(|it| it.message));
        }
    }
    let trash = releases.trash(environment)?;
    let emptied = if report.dry_run { Ok(()) } else { releases.empty_trash(environment) };
    let emptied = emptied.map_err(|it| it.message);
    for (path, bytes) in trash {
        let name = report.below_root(&path);
        report.item(Item { act: Act::Remove, what: "leftover", name, bytes }, emptied.clone());
    }
    Ok(())
}

fn unfinished(session: &Session) -> Result<Vec<DeploymentRecord>, Failure> {
    match history::journal(session) {
        Ok(Some(journal)) => journal.unfinished(),
        Ok(None) => Ok(vec![]),
        Err(halt) => Err(halt.failure()),
    }
}
