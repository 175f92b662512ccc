//! `show`

use super::{
    carry,
    history::journal,
    which::{Meant, meant},
};
use crate::{
    cli::grammar::Which, controller::Controller, halt::Halt, session::Session, ui::show as printed,
};
use model::{
    checklist::{Point, checklist},
    deployment::DeploymentRecord,
};
use serde::Serialize;

/// The record, and what it comes to.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    record: DeploymentRecord,
    checklist: Vec<Point>,
}

/// Shows one deployment.  Starts nothing.
///
/// # Errors
///
/// Where there is none.
pub async fn run(session: &Session, which: &Which) -> Result<u8, Halt> {
    let meant = meant(session, which).await?;
    let record = found(session, meant).await?;
    if session.ui.is_json() {
        let checklist = checklist(&record);
        session.ui.object(&Shown { record, checklist });
    } else {
        session.ui.line(&printed::text(&record, &session.ui.clock, &session.ui.paint));
    }
    Ok(0)
}

async fn found(session: &Session, meant: Meant) -> Result<DeploymentRecord, Halt> {
    let controller = Controller::new(&session.root);
    let answer = match &meant {
        Meant::Id(id) => controller.deployment(id).await,
        Meant::Latest(environment) => controller.latest(environment).await,
    };
    if let Some(record) = carry::unless_absent(answer)? {
        return Ok(record);
    }
    let journal = journal(session)?;
    let (record, what) = match (&meant, &journal) {
        (Meant::Id(id), journal) => {
            let read = journal.as_ref().map(|it| it.deployment(id)).transpose()?;
            (read.flatten(), format!("find deployment `{id}`"))
        }
        (Meant::Latest(id), journal) => {
            let read = journal.as_ref().map(|it| it.history(id, 1)).transpose()?;
            let what = format!("find a deployment of {id}");
            (read.and_then(|it| it.into_iter().next()), what)
        }
    };
    record.ok_or_else(|| Halt::usage(what).hint("`cutover history` lists the deployments"))
}
