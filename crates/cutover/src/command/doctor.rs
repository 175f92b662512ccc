//! `doctor`

mod pm2;
mod units;

use super::prepare::new_deployment;
use crate::{
    cli::{EXIT_ATTENTION, grammar::Doctor},
    controller::Controller,
    halt::Halt,
    session::Session,
};
use daemon::{
    behind::{self, Pages},
    rebuild,
};
use model::failure::{Blame, Failure};
use serde_json::json;

/// Looks whether the journal can be used, or makes a new one.
///
/// # Errors
///
/// Where it cannot be used, or could and was to be made anew, or that failed.
pub async fn run(session: &Session, args: &Doctor) -> Result<u8, Halt> {
    let trouble = trouble(session);
    if args.rebuild {
        return anew(session, trouble.is_some()).await;
    }
    if let Some(failure) = trouble {
        return Err(Halt::of(EXIT_ATTENTION, failure));
    }
    let found = units::look(session)?;
    let in_pm2 = pm2::look(session)?;
    if session.ui.is_json() {
        session.ui.object(&json!({ "journal": "sound", "units": found, "pm2": in_pm2 }));
    } else {
        found.iter().flatten().for_each(|it| session.ui.line(&it.to_string()));
        pm2::lines(&in_pm2).iter().for_each(|it| session.ui.note(it));
    }
    if let Some(failure) = units::trouble(&found) {
        return Err(Halt::of(EXIT_ATTENTION, failure));
    }
    if !session.ui.is_json() {
        session.ui.done("the journal is sound, and knows all that is on disk");
    }
    Ok(0)
}

/// Why the controller would not act by the journal.
pub fn trouble(session: &Session) -> Option<Failure> {
    if !session.root.exists() {
        return None;
    }
    match behind::look(&session.root, Pages::All) {
        Ok(None) => None,
        Ok(Some(what)) => {
            let message = format!("act by the journal: {what}: it is not the newest");
            Some(Failure::new(Blame::Platform, message).hint(store::WAY_OUT))
        }
        Err(failure) => Some(failure),
    }
}

async fn anew(session: &Session, needed: bool) -> Result<u8, Halt> {
    if Controller::new(&session.root).info().await.is_ok() {
        return Err(Halt::usage("rebuild the journal: the controller runs")
            .hint("`cutover daemon stop` ends it; what serves goes on"));
    }
    if !needed {
        return Err(Halt::usage("rebuild the journal: it is sound, and its history would be lost"));
    }
    let rebuilt = rebuild::rebuild(&session.root, &session.by, new_deployment).await?;
    let aside: Vec<String> = rebuilt.aside.iter().map(|it| it.display().to_string()).collect();
    if session.ui.is_json() {
        let environments: Vec<_> = rebuilt
            .environments
            .iter()
            .map(|(id, instances)| json!({ "environment": id.to_string(), "instances": instances }))
            .collect();
        session.ui.object(&json!({ "environments": environments, "aside": aside }));
        return Ok(0);
    }
    for (environment, instances) in &rebuilt.environments {
        session.ui.line(&format!("{environment}: {instances} instances found"));
    }
    if !aside.is_empty() {
        session.ui.line(&format!("the old journal lies in {}", aside.join(", ")));
    }
    session.ui.note(
        "what was stopped, and which older releases were once accepted, is not known any more: \
         `cutover rollback --to VERSION` names one",
    );
    session.ui.done("the journal was made anew");
    Ok(0)
}
