//! Releases that neither serve, nor run, nor are the way back.

use super::place::Place;
use crate::{
    command::history,
    halt::Halt,
    session::Session,
    ui::cleanup::{Act, Item, Report},
};
use daemon::prune::{Asked, Refused, Report as Pruned, prune};
use model::{deployment::DeploymentRecord, name::EnvironmentId};

/// Removes them; what is left for a reason is told.
///
/// # Errors
///
/// Where the controller belongs to another user.
pub async fn clean(
    session: &Session,
    place: &Place,
    environment: &EnvironmentId,
    drop_previous: bool,
    report: &mut Report,
) -> Result<(), Halt> {
    let asked = Asked {
        environment: environment.clone(),
        keep: Some(0),
        drop_previous,
        dry_run: report.dry_run,
        by: session.by.clone(),
    };
    let pruned = match place {
        Place::Controller(controller) => controller.prune(&asked).await.map_err(|error| {
            let halt = Halt::from(error);
            halt.holder().map_or_else(|| failed(&halt.failure().message), busy)
        }),
        Place::Ours { .. } => ours(session, &asked).await,
        Place::Taken => Err("the controller does not answer; `cutover daemon start --take-over` \
                             replaces it, then try again"
            .to_owned()),
    };
    match pruned {
        Ok(pruned) => tell(report, environment, pruned),
        Err(why) => report.left.push(format!("releases of {environment}: {why}")),
    }
    Ok(())
}

async fn ours(session: &Session, asked: &Asked) -> Result<Pruned, String> {
    let journal = match history::journal(session) {
        Ok(Some(journal)) => journal,
        Ok(None) => return Err("there is no journal to say what is needed".to_owned()),
        Err(halt) => return Err(failed(&halt.failure().message)),
    };
    let local = drivers::onlooker(session.root.clone());
    let pruned = prune(&local, &session.layout(), &journal, asked).await;
    pruned.map_err(|refused| match refused {
        Refused::Busy(record) => busy(&record),
        Refused::Failed(failure) => failed(&failure.message),
    })
}

fn busy(record: &DeploymentRecord) -> String {
    let id = &record.id;
    format!("deployment {id} has not ended well; `cutover show {id}` shows it")
}

fn failed(message: &str) -> String {
    format!("failed to {message}")
}

fn tell(report: &mut Report, environment: &EnvironmentId, pruned: Pruned) {
    for removed in pruned.removed {
        let name = format!("{environment} {}", removed.version);
        let item = Item { act: Act::Remove, what: "release", name, bytes: removed.bytes };
        report.item(item, Ok::<(), String>(()));
    }
    let of = |it| (environment.clone(), it);
    report.kept.extend(pruned.kept.into_iter().map(of));
}
