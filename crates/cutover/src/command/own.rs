//! `self upgrade|rollback`

mod install;
mod trial;

use super::{proxy, upgrade::Upgrade};
use crate::{
    build::Build,
    cli::grammar::own::{Limit, OwnAct},
    controller::Controller,
    halt::Halt,
    session::Session,
};
use install::{Installed, Staged};
use model::failure::{Blame, Failure};
use serde_json::json;
use std::path::Path;

/// The former program is in its place again, and runs.
const EXIT_ROLLED_BACK: u8 = 4;
/// Neither of the two runs whole.
const EXIT_ATTENTION: u8 = 5;

/// Does it.
///
/// # Errors
///
/// Where it was not done.
pub async fn run(session: &Session, act: OwnAct) -> Result<u8, Halt> {
    match act {
        OwnAct::Upgrade { file, sha256, limit } => {
            let installed = Installed::find()?;
            upgrade(session, &installed, &file, sha256.as_deref(), limit).await
        }
        OwnAct::Rollback { limit } => {
            let installed = Installed::find()?;
            let former = installed.former();
            if !former.exists() {
                let what =
                    format!("go back to the former build: {} is not there", former.display());
                return Err(Halt::usage(what).hint("`cutover self upgrade FILE` takes any build"));
            }
            upgrade(session, &installed, &former, None, limit).await
        }
        OwnAct::Trial => trial::here(session),
    }
}

async fn upgrade(
    session: &Session,
    installed: &Installed,
    file: &Path,
    sha256: Option<&str>,
    limit: Limit,
) -> Result<u8, Halt> {
    // Nothing is touched where a release is about to be judged: the proxy would refuse later.
    if let Some(status) = proxy::asked(&session.root).await {
        proxy::refuse_in_probation(&status)?;
    }
    let before = installed.build()?;
    let staged = Staged::copy(installed, file, sha256)?;
    if staged.build == before {
        session.ui.note("this is the build that is installed");
    } else {
        trial::of(session, &staged.path).await?;
        staged.swap(installed)?;
    }
    let next = Upgrade::to(session, installed.program.clone(), limit.ms())?;
    match all(session, &next).await {
        Ok(lines) => {
            say(session, &before, &staged.build, &lines);
            Ok(0)
        }
        Err(halt) if staged.build == before => Err(halt),
        Err(halt) => back(session, installed, limit, halt).await,
    }
}

/// Traffic first: where that does not work, nothing else was touched.
async fn all(session: &Session, next: &Upgrade<'_>) -> Result<Vec<String>, Halt> {
    let proxy = session.ui.waiting("the new proxy to serve", next.proxy()).await?;
    let controller = session.ui.waiting("the new controller to act", next.controller()).await?;
    Ok(vec![proxy.text("the proxy"), controller.text("the controller")])
}

/// Puts the former program back, and has everything run it again.
async fn back(
    session: &Session,
    installed: &Installed,
    limit: Limit,
    halt: Halt,
) -> Result<u8, Halt> {
    let why = halt.failure();
    session.ui.note("the new build does not come up: the former one is put back");
    let ran = Controller::new(&session.root).info().await.is_ok();
    let again = async {
        installed.restore()?;
        let former = Upgrade::to(session, installed.program.clone(), limit.ms())?;
        former.proxy().await?;
        if ran {
            former.controller().await?;
        } else {
            former.end_controller().await;
            crate::controller::start_of(session, false, &installed.program).await?;
        }
        Ok::<(), Halt>(())
    };
    let mut failure = Failure::new(why.blame, format!("upgrade: {}", why.message));
    failure.hints.clone_from(&why.hints);
    failure.evidence.clone_from(&why.evidence);
    match again.await {
        Ok(()) => Err(Halt::of(EXIT_ROLLED_BACK, failure)
            .hint("the former build is in its place, and everything runs it again")),
        Err(worse) => Err(Halt::of(EXIT_ATTENTION, failure)
            .hint(format!("the former build is not whole either: {}", worse.failure().message))
            .hint("`cutover version --all` says who runs what; what serves goes on")),
    }
}

fn say(session: &Session, before: &Build, after: &Build, lines: &[String]) {
    if session.ui.is_json() {
        session.ui.object(&json!({
            "before": before.whole(), "after": after.whole(), "done": lines
        }));
        return;
    }
    lines.iter().for_each(|it| session.ui.line(it));
    session.ui.note(
        "what keeps instances is replaced together with them; `cutover version --all` shows it",
    );
    if before == after {
        session.ui.done(&format!("everything that runs is of build {}", after.short()));
        return;
    }
    let (before, after) = (before.short(), after.short());
    let back = "`cutover self rollback` goes back";
    session.ui.done(&format!("build {after} is installed, and runs; before: {before}; {back}"));
}

fn refused(doing: &str, path: &Path, error: &std::io::Error) -> Halt {
    let message = format!("{doing} {}: {error}; nothing was changed", path.display());
    Halt::of(2, Failure::new(Blame::Platform, message))
}
